"""`clipal man`: the man page, made of what every command says of itself."""

from __future__ import annotations

import sys
from importlib.metadata import version

from clipal.commands.described import Described, Option, commands, program
from clipal.commands.options import CommandOptions


class Options(CommandOptions):
    """None of its own."""

    synopsis = "Usage: clipal man [options]"
    longdesc = "Prints the man page; `clipal man | man -l -` shows it."


def run(options: Options) -> int:
    """Prints it: the exit status."""
    sys.stdout.write(page())
    return 0


def page() -> str:
    """The man page, for roff."""
    itself = program()
    lines = [
        f'.TH CLIPAL 1 "" "clipal {version("clipal")}" "clipal"',
        ".SH NAME",
        rf"clipal \- {_text(itself.text)}",
        ".SH SYNOPSIS",
        *_synopsis(itself),
        ".SH DESCRIPTION",
        "clipal is a reverse proxy between a command\\-line agent (Claude Code, Codex CLI, Gemini CLI) and the API",
        "providers that you have keys for. When one of them cannot answer, the same request goes to the next one.",
        _text(itself.more),
        ".SH OPTIONS",
        *_options(itself),
        ".SH COMMANDS",
    ]
    for each in commands():
        lines += [f".SS {each.name}", *_synopsis(each), ".PP", _text(each.more), *_options(each)]
    lines += [*_FILES, *_STATUS, ".SH SEE ALSO", ".BR twistd (1)"]
    return "\n".join(lines) + "\n"


_FILES = (
    ".SH FILES",
    ".TP",
    ".I ~/.clipal",
    "The configuration: config.yaml, and claude\\-code.yaml, codex.yaml, gemini.yaml for each client's providers.",
    "CLIPAL_CONFIG_DIR in the environment names another directory.",
)
_STATUS = (
    ".SH EXIT STATUS",
    "0; 1 where something is wrong; 2 where the command line is.",
    ".B clipal status",
    "ends with 0, 1, 2 or 3, as a monitoring plugin does.",
)


def _synopsis(each: Described) -> list[str]:
    return [line for text in each.synopsis for line in (f".B {_text(text)}", ".br")][:-1]


def _options(each: Described) -> list[str]:
    return [line for option in each.options for line in (".TP", f".B {_words(option)}", _text(option.text))]


def _words(option: Option) -> str:
    value = "=VALUE" if option.takes_value else ""
    return _text(", ".join([*(word for word in option.words if word[1] != "-"), f"--{option.long}{value}"]))


def _text(text: str) -> str:
    """`text` with nothing in it that roff would take for a command."""
    plain = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga")
    return rf"\&{plain}" if plain.startswith((".", "'")) else plain
