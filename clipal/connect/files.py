"""Changes of files, all of them or none.

The new content is written to a copy, which then takes the file's place, with its mode and owner. Where the path is a
link, the file that it leads to is changed and the link stays. A change names the content that it was planned for; where
the file has other content by then, because its client wrote it, the file is left alone. Only the owner can read new
files.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from attrs import field, frozen

LARGEST_SETTINGS_FILE: Final = 4 * 1024 * 1024
"""Bytes; a larger file is not read, because it is no configuration."""


_UNFINISHED: Final = re.compile(r"\.clipal-([1-9][0-9]*)-[a-z0-9_]{8}")
"""The name of a copy that has not taken its file's place yet; the number is that of the process."""


class FileError(Exception):
    """A file that cannot be read, understood or written: `PATH:LINE: problem`, and never a value."""

    def __init__(self, path: Path, line: int | None, problem: str) -> None:
        super().__init__(f"{path}{'' if line is None else f':{line}'}: {problem}")


@frozen
class Replacement:
    """A change of a file's content from `before` to `after`; None means that there is no file."""

    path: Path
    before: bytes | None = field(repr=False)
    after: bytes | None = field(repr=False)


def read_settings_file(path: Path) -> bytes | None:
    """What is in the file at `path`; None if there is none.

    Raises:
        FileError: it cannot be read, is no file, or is larger than LARGEST_SETTINGS_FILE.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise FileError(path, None, "is not a file")  # reading a pipe would block
        with path.open("rb") as file:
            data = file.read(LARGEST_SETTINGS_FILE + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FileError(path, None, f"cannot be read: {_reason(error)}") from None
    except ValueError:  # the path holds a NUL, for example
        raise FileError(path, None, "is no name of a file") from None
    if len(data) > LARGEST_SETTINGS_FILE:
        raise FileError(path, None, f"is larger than {LARGEST_SETTINGS_FILE // 1024} KiB")
    return data


def decoded(path: Path, data: bytes) -> str:
    """`data`, which came from the file at `path`, as text with its byte order mark and its line endings.

    Raises:
        FileError: it is not UTF-8.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileError(path, data.count(b"\n", 0, error.start) + 1, "is not UTF-8 text") from None


def missing_directories(path: Path) -> tuple[Path, ...]:
    """The directories that must be made for the file at `path`, outermost first."""
    missing = [each for each in _target(path).parents if not os.path.lexists(each)]
    return tuple(reversed(missing))


def write_all(changes: Sequence[Replacement]) -> None:
    """Carries out `changes` in their order, and takes them back if one fails.

    Raises:
        FileError: a change failed, and nothing is changed.
    """
    done: list[Replacement] = []
    made: list[Path] = []
    for change in changes:
        try:
            for directory in missing_directories(change.path) if change.after is not None else ():
                directory.mkdir(mode=0o700)
                made.append(directory)
            _write(change)
            done.append(change)
        except BaseException as error:
            for each in reversed(done):
                with suppress(OSError, FileError):  # its client has written the file since; that content stays
                    _write(Replacement(each.path, each.after, each.before))
            remove_directories(made)
            if not isinstance(error, OSError):
                raise
            raise FileError(change.path, None, f"cannot be written: {_reason(error)}") from None


def remove_directories(directories: Sequence[Path]) -> None:
    """Removes those of `directories` that are empty; they are given outermost first."""
    for directory in reversed(directories):
        with suppress(OSError):
            directory.rmdir()


def remove_leftovers(path: Path) -> None:
    """Removes the unfinished copies that a killed `clipal` left beside the file at `path`."""
    if sys.platform == "win32":  # os.kill would end the process instead of looking for it
        return
    with suppress(OSError, FileError):
        for each in _target(path).parent.iterdir():
            match = _UNFINISHED.fullmatch(each.name)
            if match is not None and not _runs(int(match[1])):
                with suppress(OSError):
                    each.unlink()


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def _write(change: Replacement) -> None:
    target = _target(change.path)
    if read_settings_file(target) != change.before:
        raise FileError(change.path, None, "was changed in the meantime; nothing is written")
    if change.after is None:
        target.unlink(missing_ok=True)
    else:
        _replace(target, change.after)


def _replace(target: Path, content: bytes) -> None:
    """Puts `content` in the place of the file `target`, or makes it."""
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".clipal-{os.getpid()}-")
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        if target.exists():
            _dress(Path(name), target.stat())
        os.replace(name, target)
    except BaseException:
        Path(name).unlink()
        raise


def _dress(path: Path, like: os.stat_result) -> None:
    """Gives the file at `path` the owner and the mode of another file."""
    mine = path.stat()
    if sys.platform != "win32" and (mine.st_uid, mine.st_gid) != (like.st_uid, like.st_gid):
        os.chown(path, like.st_uid, like.st_gid)
    path.chmod(stat.S_IMODE(like.st_mode))


def _target(path: Path) -> Path:
    """The file that the links of `path` lead to.

    Raises:
        FileError: the links form a circle.
    """
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # which of the two depends on the version of Python
        raise FileError(path, None, "is a link that leads in a circle") from None


def _reason(error: OSError) -> str:
    return (error.strerror or "not possible").lower()
