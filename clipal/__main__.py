"""The `clipal` command: serves in the foreground, unless its first word is the name of another command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from twisted.python import usage

COMMANDS = {
    "init": "write commented templates of the configuration files",
    "connect": "point clients at this clipal, in their own configuration",
    "disconnect": "put back what was in a client's configuration",
    "demo": "show failover with two built-in upstreams, without any key",
}
"""Each is a module of `clipal.commands` with its `Options` and `run`; imported only when it is asked for."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Returns:
        the exit status: 0, 1 where something is wrong, 2 where the command line is.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if words and not words[0].startswith("-"):
            return _command(words[0], words[1:])
        from clipal.commands import serve

        options = serve.Options(_describe())
        options.parseOptions(words)
        return serve.run(options)
    except usage.UsageError as error:
        print(f"clipal: {error}\nTry `clipal --help`.", file=sys.stderr)
        return 2


def _command(name: str, words: Sequence[str]) -> int:
    if name not in COMMANDS:
        raise usage.UsageError(f"there is no command {name!r}; the commands are {', '.join(sorted(COMMANDS))}")
    command = import_module(f"clipal.commands.{name}")
    options = command.Options()
    options.parseOptions(list(words))
    status: int = command.run(options)
    return status


def _describe() -> str:
    """The commands and what they do, for `--help`."""
    commands = "; ".join(f"`clipal {name}`: {text}" for name, text in COMMANDS.items())
    return f"Without a command, clipal serves in the foreground. Commands: {commands}."


if __name__ == "__main__":
    sys.exit(main())
