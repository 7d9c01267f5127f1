"""The command line as data: every command with its options and names, for shells' completion and the man page."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from clipal.commands import serve
from clipal.commands.options import COMMANDS, CommandOptions, command
from clipal.commands.recipes import RECIPES
from clipal.config.settings import LogLevel
from clipal.connect.registry import PROGRAMS

DIRECTORIES: Final = frozenset({"config-dir", "home"})
"""Options whose value is a directory."""
VALUES: Final = {
    "client": tuple(PROGRAMS),
    "log-level": tuple(each.value for each in LogLevel),
    "provider": tuple(RECIPES),
}
"""The values of options that take one of a few, by their long names."""
_LETTERS: Final = 1


@frozen
class Option:
    """An option.

    Attributes:
        long: its long name, without hyphens.
        short: its short name, without hyphen; empty if it has none.
        takes_value: whether a value follows.
        text: what it does.
    """

    long: str
    short: str
    takes_value: bool
    text: str

    @property
    def words(self) -> tuple[str, ...]:
        """How it can be written."""
        return (f"--{self.long}", *([f"-{self.short}"] if self.short else []))

    @property
    def is_directory(self) -> bool:
        """Whether its value is a directory."""
        return self.long in DIRECTORIES

    @property
    def values(self) -> tuple[str, ...]:
        """Its values, where they are known beforehand."""
        return VALUES.get(self.long, ())


@frozen
class Described:
    """A command, or the program itself.

    Attributes:
        name: empty for the program itself.
        text: what it does, in half a sentence.
        synopsis: how it is written.
        more: what it does, in sentences.
        options: in order of their long names.
        names: words that can stand as its arguments, as far as they are known beforehand.
    """

    name: str
    text: str
    synopsis: tuple[str, ...]
    more: str
    options: tuple[Option, ...]
    names: tuple[str, ...]


def program() -> Described:
    """clipal without a command."""
    return _described("", "a failover proxy for LLM command-line agents", serve.Options())


def commands() -> list[Described]:
    """All of its commands, in the order of the table."""
    return [_described(name, text, command(name).Options()) for name, text in COMMANDS.items()]


def _described(name: str, text: str, options: CommandOptions) -> Described:
    synopsis = tuple(line.strip().removeprefix("Usage: ") for line in options.synopsis.splitlines())
    return Described(name, text, synopsis, options.longdesc, tuple(_options(options)), tuple(options.names))


def _options(options: CommandOptions) -> list[Option]:
    shorts = {options.synonyms[each]: each for each in sorted(options.synonyms, reverse=True) if len(each) == _LETTERS}
    longs = sorted(each for each in options.longOpt if len(each.rstrip("=")) > _LETTERS)
    return [
        Option(name, shorts.get(name, ""), each.endswith("="), " ".join(options.docs[name].split()))
        for each in longs
        for name in (each.rstrip("="),)
    ]
