"""The `clipal` command: serves in the foreground, unless one of its words is the name of another command."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

from twisted.python import usage

from clipal.commands.options import chosen, command, parse_command
from clipal.process.early_signals import hold_signal, ignore_user_signals

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Returns:
        the exit status: 0 where all went well, 1 where a command failed, 2 where the command line is wrong.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a name may have a character that the terminal lacks
    try:
        status = _run(words)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of standard output has ended, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return INTERRUPTED
    return status


def _run(words: list[str]) -> int:
    name = None
    try:
        if words and words[0] == "help":
            return _help(words[1:])
        if (name := chosen(words)) is not None:
            return command(name).run(parse_command(name, words))
        return _serve(words)
    except usage.UsageError as error:
        print(f"clipal: {error}\nTry `clipal help{'' if name is None else f' {name}'}`.", file=sys.stderr)
        return 2 if name is None else command(name).Options.wrong


def _serve(words: list[str]) -> int:
    hold_signal("SIGHUP")
    ignore_user_signals()
    from clipal.commands import serve

    if words and not words[0].startswith("-"):
        command(words[0])  # raises: there is no such command, which tells more than an error about its options would
    options = serve.Options()
    options.parseOptions(words)
    return serve.run(options)


def _help(names: list[str]) -> int:
    """Prints the help of the named command, as its `--help` does."""
    from clipal.commands import serve

    if len(names) > 1:
        raise usage.UsageError("help takes the name of one command")
    options = command(names[0]).Options() if names and names[0] != "help" else serve.Options()
    print(str(options).rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
