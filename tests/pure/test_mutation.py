"""`make mutate` makes the changes that it says, and its list of explained ones names changes that are there."""

from __future__ import annotations

from pathlib import Path

from mutation.__main__ import EXPLAINED, ROOT, explained_patterns, is_explained, stale_patterns
from mutation.sites import Site, changed, sites
from mutation.suites import SUITES, files
from mutation.trial import fails

SOURCE = '''
"""Not a number: 1 < 2."""

LIMIT = 3


class Gate:
    def opens(self, held: int = 4) -> bool:
        if held < LIMIT and self is not None:
            return True
        return held in (5,)
'''


def test_each_kind_of_change_is_made_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "gate.py").write_text(SOURCE)
    found = sites(tmp_path, Path("gate.py"))
    assert {str(each) for each in found} == {
        "gate.py:4 module: 3 → 4",
        "gate.py:8 Gate.opens: 4 → 5",
        "gate.py:9 Gate.opens: held < LIMIT and self is not None → held < LIMIT or self is not None",
        "gate.py:9 Gate.opens: held < LIMIT → held <= LIMIT",
        "gate.py:9 Gate.opens: self is not None → self is None",
        "gate.py:10 Gate.opens: True → False",
        "gate.py:11 Gate.opens: held in (5,) → held not in (5,)",
        "gate.py:11 Gate.opens: 5 → 6",
    }
    (turned,) = [each for each in found if each.change == "held < LIMIT → held <= LIMIT"]
    text = changed(tmp_path, turned)
    assert "if held <= LIMIT and self is not None:" in text
    assert "LIMIT = 3" in text


def test_a_test_that_fails_is_told_from_one_that_does_not(tmp_path: Path) -> None:
    for name, right in (("good", True), ("bad", False)):
        (tmp_path / f"test_{name}.py").write_text(f"def test() -> None:\n    assert {right}\n")
    assert not fails(tmp_path, "test_good.py")
    assert fails(tmp_path, "test_good.py", "test_bad.py")


def test_what_is_changed_and_which_tests_are_to_notice_are_there() -> None:
    assert len(files(ROOT)) > 30
    assert all((ROOT / each).exists() for suite in SUITES.values() for each in suite)


def test_each_explained_change_is_one_that_can_be_made() -> None:
    every = [site for file in files(ROOT) for site in sites(ROOT, file)]
    patterns = explained_patterns(EXPLAINED.read_text())
    assert patterns
    assert stale_patterns(patterns, every) == []
    assert not is_explained(Site(Path("x.py"), 0, 1, "module", "1 → 2"), patterns)
