"""The messages between a parent and its workers: each that one side sends is understood by the other, and described."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from clipal.process import control

PACKAGE = Path(control.__file__).parents[1]
OF_PARENT = ("parent.py", "process/workers.py", "process/worker.py")
OF_WORKER = ("parent_connection.py", "providers/shared.py")


def found(pattern: str, files: Iterable[str]) -> set[str]:
    return {each for file in files for each in re.findall(pattern, (PACKAGE / file).read_text(encoding="utf-8"))}


def told(files: Iterable[str]) -> set[str]:
    return found(r'tell\("([a-z ]+)"', files)


def understood(files: Iterable[str]) -> set[str]:
    return found(r'(?:what|message\["do"\]) == "([a-z ]+)"', files)


def described(beginning: str) -> set[str]:
    assert control.__doc__ is not None
    part = control.__doc__.partition(beginning)[2].partition("What a parent")[0]
    return {each for line in re.findall(r"^- ([^:]+):", part, re.M) for each in re.findall("`([a-z ]+)`", line)}


def test_a_worker_understands_what_it_is_told() -> None:
    assert told(OF_PARENT) == understood(OF_WORKER) == described("What a worker is told")


def test_a_parent_understands_what_it_is_told() -> None:
    assert told(OF_WORKER) == understood(OF_PARENT) == described("What a parent is told")
