"""The fingerprint of a configuration: what changes it, and what does not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clipal.config.stamps import fingerprint

NAMES = ("config.yaml", "codex.yaml")


def written(directory: Path, *texts: str | None) -> str:
    directory.mkdir(exist_ok=True)
    for name, text in zip(NAMES, texts, strict=True):
        if text is None:
            (directory / name).unlink(missing_ok=True)
        else:
            (directory / name).write_text(text)
    return fingerprint(directory, NAMES)


def test_the_same_files_have_the_same_wherever_and_whenever_they_were_saved(tmp_path: Path) -> None:
    one, other = written(tmp_path / "one", "a: 1\n", "b: 2\n"), written(tmp_path / "other", "a: 1\n", "b: 2\n")
    os.utime(tmp_path / "one" / "config.yaml", (1, 1))
    assert one == other == fingerprint(tmp_path / "one", NAMES)
    assert len(one) == 12


@pytest.mark.parametrize(
    "texts",
    [("a: 2\n", "b: 2\n"), ("a: 1\n", None), (None, "a: 1\nb: 2\n"), ("a: 1\nb: 2\n", ""), ("b: 2\n", "a: 1\n")],
)
def test_other_files_have_another(tmp_path: Path, texts: tuple[str | None, ...]) -> None:
    assert written(tmp_path, *texts) != written(tmp_path, "a: 1\n", "b: 2\n")
