"""The changes that no test can notice, or should, each with its reason: `mutation/explained.txt`."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from attrs import frozen

from mutation.sites import Site

EXPLAINED: Final = Path(__file__).with_name("explained.txt")


@frozen
class Explanation:
    """Why a change need not be noticed.

    Attributes:
        pattern: the name of the change, with `*` for any text; never in the file's name.
        reason: what a reader of the list is told.
    """

    pattern: str
    reason: str

    def fits(self, site: Site) -> bool:
        """Whether it is about this change."""
        return fnmatchcase(site.name, self.pattern.replace("[", "[[]"))


def read(text: str) -> list[Explanation]:
    """The explanations of a text: a line with the pattern, and the reason in indented lines below it.

    Raises:
        ValueError: a pattern names no file of its own, or has no reason.
    """
    found: list[Explanation] = []
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith(" ") and found:
            found[-1] = Explanation(found[-1].pattern, f"{found[-1].reason} {line.strip()}".strip())
        else:
            found.append(Explanation(line, ""))
    for each in found:
        file, _, change = each.pattern.partition(" ")
        if "*" in file or not file.endswith(".py") or not change:
            raise ValueError(f"names no file: {each.pattern}")
        if not each.reason:
            raise ValueError(f"has no reason: {each.pattern}")
    return found


def explanation_of(site: Site, explanations: Iterable[Explanation]) -> Explanation | None:
    """The first that is about the change."""
    return next((each for each in explanations if each.fits(site)), None)


def stale(explanations: Iterable[Explanation], every: Iterable[Site]) -> list[Explanation]:
    """Those that are about no change any more."""
    kept = list(every)
    return [each for each in explanations if not any(each.fits(site) for site in kept)]
