"""What the documentation says of the project's own files is true."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from clipal.config.reload import READ_ONCE

ROOT = Path(__file__).parents[2]
TESTS = {each.name: each for each in (ROOT / "tests").rglob("test_*.py")}
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")])


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_each_test_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text("utf-8")
    files = set(re.findall(r"\b(test_[a-z0-9_]+\.py)\b", text))
    assert files <= TESTS.keys()
    functions = set(re.findall(r"(?:::|`)(test_[a-z0-9_]+)`", text))
    defined = {name for each in TESTS.values() for name in re.findall(r"def (test_\w+)", each.read_text("utf-8"))}
    assert functions <= defined


def test_each_threat_names_the_test_that_shows_that_it_is_met() -> None:
    text = (ROOT / "SECURITY.md").read_text("utf-8").partition("## Threat model")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in text.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 20
    assert all(re.fullmatch(r"`test_[a-z0-9_]+`", row[3]) for row in rows if row[2])


def test_no_test_file_has_the_name_of_another() -> None:
    names = Counter(each.name for each in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, times in names.items() if times > 1] == []


def test_the_settings_that_need_a_restart_are_named() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    sentence = text.partition("These settings need a restart:")[2].partition(".\n")[0]
    assert set(re.findall(r"`(\w+)`", sentence)) == set(READ_ONCE)
