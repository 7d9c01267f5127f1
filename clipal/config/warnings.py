"""Warnings of the configuration's files, and of who can connect: what the operator should know."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from clipal.config.original import unread_files
from clipal.config.problems import Problems
from clipal.config.settings import Settings


def warn_of_files(directory: Path, names: tuple[str, ...], problems: Problems) -> None:
    """Warns if there is nothing to read, a file that is not read, or one that others can read."""
    if not directory.is_dir():
        problems.warn(directory, None, None, "there is no such directory", "run `clipal init` to write templates")
        return
    if not any(path.exists() or unread_files(path) for path in (directory / name for name in names[1:])):
        problems.warn(directory, None, None, "no client has a provider", "run `clipal init` to write templates")
    for name in names:
        path = directory / name
        for other in unread_files(path):
            problems.warn(other, None, None, f"is not read, because clipal reads {name}", _merge(path))
        if os.name == "posix" and _is_open_to_others(path):
            problems.warn(path, None, None, "others can read it, and keys may be in it", f"run `chmod 600 {path}`")


def warn_of_access(path: Path, settings: Settings, problems: Problems) -> None:
    """Warns if other machines can connect and no token is asked of them."""
    if settings.client_tokens or not any(each.reaches_others for each in settings.endpoints if not each.inherited):
        return
    if settings.protected_mode:
        message = "other machines can connect, and get a 403"
        hint = "set client_tokens, or protected_mode: false to serve whoever can connect"
    else:
        message, hint = "whoever can connect may use your providers", "set client_tokens, or listen on 127.0.0.1"
    problems.warn(path, None, "listen" if settings.listen else "listen_addr", message, hint)


def _merge(path: Path) -> str:
    return f"move what you need of it to {path.name}" if path.exists() else f"rename it to {path.name}"


def _is_open_to_others(path: Path) -> bool:
    """Whether it is a file with a mode that lets others read it; what is no file is an error already."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) and bool(mode & (stat.S_IRWXG | stat.S_IRWXO))
