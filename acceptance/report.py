"""The table: printed row by row, and written as a whole in the end."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from datetime import date
from typing import Final

from attrs import define, field, frozen

from acceptance.isolation import Isolation

_HEAD: Final = ("client", "version", "scenario", "what happened", "result", "seconds")


@frozen
class Row:
    """One row.

    Attributes:
        happened: what happened; where it failed, why.
        seconds: how long the client ran.
    """

    client: str
    version: str
    scenario: str
    happened: str
    passed: bool
    seconds: float


@define
class Report:
    """The rows that have been played so far."""

    isolation: Isolation
    rows: list[Row] = field(factory=list)
    complete: bool = False

    def begin(self) -> None:
        """Prints the text above the rows."""
        print(f"{self._setting()}\n\n{_line(_HEAD)}\n{_line(['---'] * len(_HEAD))}", flush=True)

    def add(self, row: Row) -> None:
        """Prints a row."""
        self.rows.append(row)
        print(_row(row), flush=True)

    def end(self) -> None:
        """Prints the sum; to be called after the last row."""
        self.complete = True
        print(f"\n{self._sum()}", flush=True)

    @property
    def passed(self) -> bool:
        """Whether all rows were played, at least one, and none failed."""
        return self.complete and bool(self.rows) and all(row.passed for row in self.rows)

    def markdown(self) -> str:
        """The whole report."""
        table = "\n".join([_line(_HEAD), _line(["---"] * len(_HEAD)), *map(_row, self.rows)])
        return f"# Acceptance with the real programs\n\n{self._setting()}\n\n{table}\n\n{self._sum()}\n"

    def _setting(self) -> str:
        machine = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, Node {_node()}"
        return f"{date.today().isoformat()}; {machine}. No way out: {self.isolation.value}."

    def _sum(self) -> str:
        failed = sum(not row.passed for row in self.rows)
        ended = "" if self.complete else " The run was broken off."
        return f"{len(self.rows)} rows, {failed} failed, {sum(row.seconds for row in self.rows):.0f} s.{ended}"


def _row(row: Row) -> str:
    result = "pass" if row.passed else "**fail**"
    return _line((row.client, row.version, row.scenario, row.happened, result, f"{row.seconds:.1f}"))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    """`text` without control characters, so that it stays in its cell and cannot colour the terminal."""
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x1f\x7f]", " ", text)
    return " ".join(plain.split()).replace("|", "\\|")


def _node() -> str:
    if shutil.which("node") is None:
        return "none"
    return subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip()
