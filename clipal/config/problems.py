"""What is wrong with the configuration: where it is, what it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from pathlib import Path

from attrs import define, evolve, field, frozen


class Severity(Enum):
    """Whether clipal can serve with a problem."""

    ERROR = "error"
    WARNING = "warning"


@frozen
class Problem:
    """One mistake, or one thing that the operator should know.

    Attributes:
        file: None for an option of the command line, whose name is the `key`.
        key: dotted and with indices, as in `providers[0].base_url`.
        message: what is wrong; never a value of the file, which may be a provider's key.
        hint: what to do, possibly empty.
    """

    file: Path | None
    line: int | None
    key: str | None
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        place = "" if self.file is None else f"{self.file}{'' if self.line is None else f':{self.line}'}: "
        return f"{place}{f'{self.key}: ' if self.key else ''}{self.text}"

    @property
    def text(self) -> str:
        """The message, and the hint behind it."""
        return f"{self.message}; {self.hint}" if self.hint else self.message

    @classmethod
    def from_text(cls, file: Path | None, line: int | None, key: str | None, text: str) -> Problem:
        """An error from a text such as `must be text; put it in quotes`, whose second half is the hint."""
        message, _, hint = text.partition("; ")
        return cls(file, line, key, message, hint)


class ConfigurationError(Exception):
    """The configuration cannot be used. Its text is a line for each problem: `FILE:LINE: KEY: message; hint`."""

    def __init__(self, file: Path | None, line: int | None, key: str | None, text: str) -> None:
        self.problems: tuple[Problem, ...] = (Problem.from_text(file, line, key, text),)
        super().__init__(file, line, key, text)

    @classmethod
    def from_problems(cls, problems: Iterable[Problem]) -> ConfigurationError:
        """One for all of `problems`, of which there is at least one."""
        every = tuple(problems)
        error = cls(every[0].file, every[0].line, every[0].key, every[0].text)
        error.problems = every
        return error

    @property
    def first(self) -> str:
        """The first problem, by the name of its file alone, and how many others there are."""
        first, *others = self.problems
        shown = str(first if first.file is None else evolve(first, file=Path(first.file.name)))
        return f"{shown} (and {len(others)} more)" if others else shown

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


@define
class Problems:
    """Gathers the problems of all files, so that every one of them can be shown at once."""

    found: list[Problem] = field(factory=list)

    def error(self, file: Path | None, line: int | None, key: str | None, text: str) -> None:
        """Adds a mistake; behind a semicolon, `text` may say what to do."""
        self.found.append(Problem.from_text(file, line, key, text))

    def warn(self, file: Path | None, line: int | None, key: str | None, message: str, hint: str = "") -> None:
        """Adds something that the operator should know."""
        self.found.append(Problem(file, line, key, message, hint, Severity.WARNING))

    def sort(self) -> None:
        """Puts those of one file together, in the order of its lines; the files stay in order."""
        files = list(dict.fromkeys(problem.file for problem in self.found))
        self.found.sort(key=lambda problem: (files.index(problem.file), problem.line or 0))

    def of(self, severity: Severity) -> tuple[Problem, ...]:
        """Those of one severity, in the order in which they were found."""
        return tuple(problem for problem in self.found if problem.severity is severity)
