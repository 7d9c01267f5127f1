"""How the user calls this program, for a line that says what to type next."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import zipfile


def called() -> str:
    """`clipal` where a shell finds this program by that name; else its path, behind Python for the one-file program."""
    path = sys.argv[0]
    name, ending = os.path.splitext(os.path.basename(path))
    if not os.path.isfile(path):
        return "clipal"
    if ending != ".exe" and zipfile.is_zipfile(path):
        return f"python3 {shlex.quote(path)}"
    if name != "clipal" or _is_found(path):
        return "clipal"
    return shlex.quote(path)


def directory_option(directory: str | None) -> str:
    """The option that names the same configuration directory in another command, behind a space; or nothing."""
    return "" if directory is None else f" --config-dir {shlex.quote(directory)}"


def _is_found(path: str) -> bool:
    found = shutil.which("clipal")
    return found is not None and os.path.samefile(found, path)
