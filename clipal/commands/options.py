"""The command line: its commands, and how words become options.

twisted.python.usage reads them. This module adds options that stand anywhere, `-h` and `-V`, clipal's version, and
suggestions for unknown words.
"""

from __future__ import annotations

import getopt
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import version
from typing import ClassVar, Final, NoReturn, Protocol

from twisted.python import usage

COMMANDS: Final = {
    "init": "ask for clients and providers, and write the configuration files",
    "connect": "point clients at this clipal, in their own configuration",
    "disconnect": "put back what was in a client's configuration",
    "check": "read the configuration as clipal would, and show every problem",
    "status": "show which provider each client is on, why, and until when",
    "use": "pin a client to one provider, or let it fail over again",
    "reset": "take all of a client's providers for healthy again",
    "token": "make a token with which somebody may use this clipal",
    "service": "let systemd or launchd start clipal",
    "upgrade": "let the installed code take the place of the clipal that runs",
    "demo": "show failover with two built-in upstreams, without any key",
    "completion": "print a script with which bash, zsh or fish completes these",
    "man": "print the man page",
}
"""Each is a module of `clipal.commands` with `Options` and `run`, which is imported when the command is given."""


class CommandOptions(usage.Options):
    """Options of the program and of its commands, which stand before or after names.

    Attributes:
        synopsis: how the command is written.
        longdesc: what it does.
        wrong: the exit status of a wrong command line.
        names: words that can stand as arguments, as far as they are known beforehand; shells complete them.
    """

    synopsis: str
    longdesc: str
    wrong: ClassVar[int] = 2
    names: ClassVar[Sequence[str]] = ()

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Reads `options` in any order.

        Raises:
            usage.UsageError: the options are wrong.
        """
        opts, names = self.separated(sys.argv[1:] if options is None else options)
        super().parseOptions([*opts, "--", *names])

    def separated(self, words: Sequence[str]) -> tuple[list[str], list[str]]:
        """The options among `words`, each with its value in one word or the next, and the other words.

        Raises:
            usage.UsageError: an option is not known, lacks its value, or has one that it does not take.
        """
        try:
            found, names = getopt.gnu_getopt(list(words), self.shortOpt, self.longOpt)
        except getopt.GetoptError as error:
            raise usage.UsageError(_problem(error, self.longOpt)) from None
        options: list[str] = []
        for name, value in found:
            if name.startswith("--"):
                options.append(f"{name}={value}" if f"{name[2:]}=" in self.longOpt else name)
            else:
                options += [name, value] if f"{name[1:]}:" in self.shortOpt else [name]
        return options, names

    def parseArgs(self, *names: str) -> None:
        """Takes none; commands that take names have their own.

        Raises:
            usage.UsageError: there is one.
        """
        if names:
            raise usage.UsageError(f"{names[0]!r} is one word too many: this command takes options only")

    def opt_help(self) -> NoReturn:
        """Show this help and exit."""
        print(str(self).rstrip())
        sys.exit(0)

    def opt_version(self) -> NoReturn:
        """Show the version and exit."""
        print(f"clipal {version('clipal')}")
        sys.exit(0)

    opt_h = opt_help
    opt_V = opt_version


class Command(Protocol):
    """A module of `clipal.commands`."""

    Options: type[CommandOptions]

    @staticmethod
    def run(options: CommandOptions) -> int:
        """Runs the command: the exit status."""


def command(name: str) -> Command:
    """The module of the command `name`.

    Raises:
        usage.UsageError: there is no such command.
    """
    if name not in COMMANDS:
        raise usage.UsageError(f"there is no command {name!r}; {hint(name, COMMANDS, 'the commands are')}")
    found: Command = import_module(f"clipal.commands.{name}")  # type: ignore[assignment]  # as Command says
    return found


def chosen(words: Sequence[str]) -> str | None:
    """The name of the command among `words`; None where no word is one."""
    unfit: list[str] = []
    for name in dict.fromkeys(word for word in words if word in COMMANDS):
        try:
            names = command(name).Options().separated(words)[1]
        except usage.UsageError:
            unfit.append(name)
            continue
        if names and names[0] == name:  # else the word is the value of an option
            return name
    return unfit[0] if unfit else None  # the error is told when its options are read


def parse_command(name: str, words: Sequence[str]) -> CommandOptions:
    """The options of the command `name`, out of all `words`.

    Raises:
        usage.UsageError: they are wrong.
    """
    options = command(name).Options()
    found, names = options.separated(words)
    options.parseOptions([*found, "--", *names[1:]])
    return options


def hint(word: str, known: Iterable[str], else_: str) -> str:
    """A hint at the known word that resembles `word`; at all known words where none does."""
    known = list(known)
    near = get_close_matches(word, known, 1)
    return f"did you mean {near[0]!r}?" if near else f"{else_} {', '.join(known)}"


def listing() -> str:
    """The commands and what they do, one a line."""
    width = max(map(len, COMMANDS))
    lines = (f"  {name:{width}}  {text}\n" for name, text in COMMANDS.items())
    return f"Commands:\n{''.join(lines)}\n`clipal help COMMAND` tells more of one.\n"


def _problem(error: getopt.GetoptError, known: Iterable[str]) -> str:
    """getopt's error, with the option that was meant, and without a value, because a value may be a key."""
    names = [each.rstrip("=") for each in known]
    if "not recognized" not in error.msg:
        return error.msg
    near = get_close_matches(error.opt.partition("=")[0], names, 1) if len(error.opt) > 1 else []
    return f"there is no option {'-' * min(2, len(error.opt))}{error.opt.partition('=')[0]}" + (
        f"; did you mean --{near[0]}?" if near else ""
    )
