"""`make mutate` makes the changes that it says, and its list of explained ones names changes that are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from mutation.__main__ import ROOT
from mutation.explained import EXPLAINED, Explanation, explanation_of, read, stale
from mutation.sites import Site, changed, sites
from mutation.suites import SUITES, files, suite
from mutation.trial import HANGS, first_failure

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
        "gate.py:4 LIMIT: 3 → 4 in LIMIT = 3",
        "gate.py:8 Gate.opens: 4 → 5 in self, held: int=4",
        "gate.py:9 Gate.opens: held < LIMIT and self is not None → held < LIMIT or self is not None",
        "gate.py:9 Gate.opens: held < LIMIT → held <= LIMIT",
        "gate.py:9 Gate.opens: self is not None → self is None",
        "gate.py:10 Gate.opens: True → False in return True",
        "gate.py:11 Gate.opens: held in (5,) → held not in (5,)",
        "gate.py:11 Gate.opens: 5 → 6 in (5,)",
    }
    (turned,) = [each for each in found if each.change == "held < LIMIT → held <= LIMIT"]
    text = changed(tmp_path, turned)
    assert "if held <= LIMIT and self is not None:" in text
    assert "LIMIT = 3" in text


def test_the_test_that_fails_is_named(tmp_path: Path) -> None:
    for name, right in (("good", True), ("bad", False)):
        (tmp_path / f"test_{name}.py").write_text(f"def test() -> None:\n    assert {right}\n")
    assert first_failure(tmp_path, ["test_good.py"]) is None
    assert first_failure(tmp_path, ["test_good.py", "test_bad.py"]) == "test_bad.py::test"


def test_tests_that_hang_are_ended(tmp_path: Path) -> None:
    (tmp_path / "test_hanging.py").write_text("import time\ndef test() -> None:\n    time.sleep(60)\n")
    assert first_failure(tmp_path, ["test_hanging.py"], 0.2) == HANGS


def test_what_is_changed_and_which_tests_are_to_notice_are_there() -> None:
    assert len(files(ROOT)) > 50
    assert all((ROOT / each).exists() for tests in SUITES.values() for each in tests)


def test_the_quick_tests_are_asked_first() -> None:
    tests = suite(Path("clipal/failover/round.py"))
    assert set(SUITES["clipal/failover"]) < set(tests)
    assert [each.split("/")[1] for each in tests] == [*["pure"] * 3, "in_memory", *["wire"] * (len(tests) - 4)]


def test_each_explained_change_is_one_that_can_be_made() -> None:
    explanations = read(EXPLAINED.read_text())
    assert explanations
    assert stale(explanations, [site for file in files(ROOT) for site in sites(ROOT, file)]) == []


def test_an_explanation_is_of_one_file_and_goes_stale() -> None:
    (explanation,) = read("# a list\nclipal/x.py LIMIT: 1 → *\n    Nobody\n    sees it.\n")
    assert explanation == Explanation("clipal/x.py LIMIT: 1 → *", "Nobody sees it.")
    fitting, other = (
        Site(Path("clipal/x.py"), 0, 1, "LIMIT", "1 → 2"),
        Site(Path("clipal/y.py"), 0, 1, "LIMIT", "1 → 2"),
    )
    assert explanation_of(fitting, [explanation]) is explanation
    assert explanation_of(other, [explanation]) is None
    assert stale([explanation], [fitting]) == []
    assert stale([explanation], [other]) == [explanation]


@pytest.mark.parametrize(
    "text",
    ["clipal/*.py LIMIT: 1 → 2\n    A reason.\n", "clipal/x.py\n    A reason.\n", "clipal/x.py LIMIT: 1 → 2\n"],
    ids=["of any file", "of no change", "without a reason"],
)
def test_an_explanation_of_too_much_or_without_a_reason_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"names no file|has no reason"):
        read(text)
