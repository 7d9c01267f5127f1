"""`clipal init`: writes commented templates of the configuration files, and overwrites no file.

The templates are the files of `examples/`. A file is made and opened in one step, which fails where the file exists, so
that no race can overwrite it. The file is made with mode 0600, because keys will be written into it.
"""

from __future__ import annotations

import os
import shlex
import sys
from importlib.resources import files
from pathlib import Path

from clipal.commands.options import CommandOptions
from clipal.config.directory import configuration_directory
from clipal.config.loader import CONFIG_FILE
from clipal.config.original import unread_files
from clipal.dialects.registry import DIALECTS

_NEXT = """
Next:
  1. Put your keys into {clients}, and remove the providers that you do not use.
  2. Run `{serve}`.
  3. Point the clients at it: `{connect}`, or by hand, with the lines of docs/setup.md.
"""


class Options(CommandOptions):
    """The directory of the files."""

    synopsis = "Usage: clipal init [options]"
    longdesc = "Writes commented templates of the configuration files, and never over what is there."
    optParameters = [
        [
            "config-dir",
            "c",
            None,
            "Directory of the configuration files (default: $CLIPAL_CONFIG_DIR, else ~/.clipal).",
        ],
    ]


def run(options: Options) -> int:
    """Writes the templates of missing files, and prints what it did.

    Returns:
        the exit status: 0, or 1 with a line on standard error where something could not be written.
    """
    directory = configuration_directory(options["config-dir"])
    names = [CONFIG_FILE, *(dialect.config_file for dialect in DIALECTS)]
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in names:
            print(_write(directory / name))
    except OSError as error:
        print(f"clipal: {_problem(error, directory)}", file=sys.stderr)
        return 1
    where = "" if options["config-dir"] is None else f" --config-dir {shlex.quote(options['config-dir'])}"
    print(_NEXT.format(clients=", ".join(names[1:]), serve=f"clipal{where}", connect=f"clipal connect{where}"), end="")
    return 0


def _write(path: Path) -> str:
    """Writes a template to `path`, unless the user has a file there of this or another name; returns what it did."""
    others = unread_files(path)
    if others and not os.path.lexists(path):
        other = others[0]
        return f"left out {path}: {other.name} is there, which clipal does not read; rename it to {path.name}"
    return f"wrote {path}" if write_new(path, template(path.name)) else f"kept {path} (it exists)"


def template(name: str) -> bytes:
    """The template of the configuration file `name`."""
    return (files("clipal.commands") / "templates" / name).read_bytes()


def write_new(path: Path, content: bytes) -> bool:
    """Makes a file that only its owner can read.

    Returns:
        whether the file was made; False where something of this name exists, also a broken link.

    Raises:
        OSError: the file could not be made or written; then there is no file.
    """
    try:
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    except FileExistsError:
        return False
    try:
        with open(made, "wb") as file:
            file.write(content)
    except OSError:
        path.unlink()  # else the next try would keep half a template
        raise
    return True


def _problem(error: OSError, directory: Path) -> str:
    """What went wrong, for the operator."""
    if isinstance(error, FileExistsError | NotADirectoryError):
        return f"cannot write to {directory}: it, or a part of its path, is no directory"
    return f"cannot write to {directory}: {(error.strerror or 'not possible').lower()}"
