"""Log files by the day: `clipal-2026-11-23.log`, one for each local day, the old ones removed.

Nothing is opened before the first line, so that the object outlives twistd's fork. Each line is one system
call, unbuffered. A disk that is full, a directory that is gone or a file that was removed never raises:
lines are lost, and once a second it is tried again. So it is with a path that is no regular file: a pipe would block,
and a symbolic link would have us write, and change the mode of, what somebody else chose.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Final

from attrs import frozen

LOOK_EVERY = 1.0
"""Seconds between two looks whether the file is still there, or two attempts to open it."""

_REFUSED: Final = frozenset({errno.ELOOP, errno.ENXIO, errno.EISDIR, errno.ENOTSUP, errno.EMLINK})
"""What opening anything but a regular file fails with; FreeBSD says EMLINK of a link."""
_LAST_LINE: Final = 512
"""Bytes kept for the line that says why there are no more."""

_NAME = re.compile(r"clipal-([0-9]{4}-[0-9]{2}-[0-9]{2})\.log")


@frozen
class News:
    """What the operator must know about the file.

    Attributes:
        refused: whether the path is none that is written to.
    """

    text: str
    refused: bool = False


class DailyLogFile:
    """Today's log file.

    Parameters:
        directory: where the files are, absolute; it is created when it is missing, with mode 0700.
        retention_days: files of days longer ago than this are removed when a file is opened; 0 keeps all.
        monotonic: a clock that never jumps, in seconds.
        max_bytes: of all files of one day, rotated ones too, after which nothing more is written; 0 for no limit.
    """

    def __init__(
        self,
        directory: Path,
        retention_days: int,
        monotonic: Callable[[], float] = time.monotonic,
        max_bytes: int = 0,
    ) -> None:
        self._directory = directory
        self._retention_days = retention_days
        self._monotonic = monotonic
        self._max_bytes = max_bytes
        self._used = 0
        self._used_up: date | None = None
        self._path = directory
        self._day: date | None = None
        self._descriptor: int | None = None
        self._identity = (0, 0)
        self._due = 0.0
        self._failing = False
        self._torn = False

    def write(self, day: date, line: str) -> News | None:
        """Append `line` to the file of `day`.

        Parameters:
            day: the local day that the line belongs to.
            line: without its newline; it can be encoded as UTF-8.

        Returns:
            news for the operator, when writing fails for the first time, when it works again, and when the bytes of
            the day are used up; else None.
        """
        if self.is_used_up(day):
            return None
        try:
            if not self._ready(day):
                return None
            if self._max_bytes and self._used + len(line.encode()) + 2 + _LAST_LINE > self._max_bytes:
                self._used_up = day
                return News(
                    f"log_max_bytes ({self._max_bytes}) is reached: "
                    "nothing more is logged today but errors, to standard error"
                )
            self._append(line)
        except OSError as error:
            return self._failed(error)
        return self._recovered()

    def is_used_up(self, day: date) -> bool:
        """Whether nothing more is written to the files of `day`."""
        return self._used_up is not None and day <= self._used_up

    def write_last(self, line: str) -> None:
        """Append `line`, which says that the day's bytes are used up, if there is room for it, and close the file."""
        if self._descriptor is not None and self._used + len(line.encode()) + 2 <= self._max_bytes:
            with suppress(OSError):
                self._append(line)
        self.close()

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)

    def _ready(self, day: date) -> bool:
        """Have the file of `day` open; False while it is not yet time to try again."""
        if day != self._day:
            self.close()
            self._day, self._path, self._torn = day, self._directory / f"clipal-{day.isoformat()}.log", False
        now = self._monotonic()
        if now >= self._due or (self._descriptor is None and not self._failing):
            self._due = now + LOOK_EVERY
            if self._descriptor is None or not self._in_place():
                self.close()
                self._open(day)
            if self._max_bytes:
                self._used = self._bytes_of(day)
        return self._descriptor is not None

    def _in_place(self) -> bool:
        """Whether the open file is still what its path names: it, or its directory, may have been removed."""
        try:
            return _identity(os.stat(self._path)) == self._identity
        except OSError:
            return False

    def _open(self, day: date) -> None:
        _make_private(self._directory)
        self._prune(day)
        descriptor = os.open(self._path, _FLAGS, 0o600)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise OSError(errno.ENXIO, os.strerror(errno.ENXIO))
        self._descriptor = descriptor
        self._identity = _identity(status)
        # A file that was there before may be readable by others.
        if hasattr(os, "fchmod") and stat.S_IMODE(status.st_mode) != 0o600:
            with suppress(OSError):
                os.fchmod(descriptor, 0o600)

    def _bytes_of(self, day: date) -> int:
        """Bytes in all files of `day`: also those that were rotated, or that another process writes."""
        total, prefix = 0, f"clipal-{day.isoformat()}"
        with os.scandir(self._directory) as entries:
            for each in entries:
                if each.name.startswith(prefix):
                    with suppress(OSError):
                        total += each.stat(follow_symlinks=False).st_size
        return total

    def _prune(self, day: date) -> None:
        """Remove the files that are too old; one that cannot be removed stays."""
        if self._retention_days == 0:
            return
        for name in os.listdir(self._directory):
            written = _day_of(name)
            if written is not None and (day - written).days > self._retention_days:
                with suppress(OSError):
                    (self._directory / name).unlink()

    def _append(self, line: str) -> None:
        assert self._descriptor is not None
        # After a line that was cut by a full disk, the next one must not continue it.
        data = ("\n" if self._torn else "") + line + "\n"
        encoded = data.encode()
        written = os.write(self._descriptor, encoded)
        self._used += written
        if written < len(encoded):
            self._torn = True
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._torn = False

    def _failed(self, error: OSError) -> News | None:
        self.close()
        self._due = self._monotonic() + LOOK_EVERY
        if self._failing:
            return None
        self._failing = True
        if self._descriptor is None and error.errno in _REFUSED and not _is_regular(self._path):
            problem = "it is no regular file, or a symbolic link; clipal serves without it"
            return News(f"logs are not written to {self._path}: {problem}", refused=True)
        return News(f"logs cannot be written to {self._path}: {error.strerror}")

    def _recovered(self) -> News | None:
        if not self._failing:
            return None
        self._failing = False
        return News(f"logs are written to {self._path} again; those in between are lost")


_FLAGS: Final = (
    os.O_WRONLY
    | os.O_APPEND
    | os.O_CREAT
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a pipe without a reader would block
    | getattr(os, "O_NOCTTY", 0)
)


def _is_regular(path: Path) -> bool:
    """Whether `path` is a regular file itself, or nothing yet."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return True


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _day_of(name: str) -> date | None:
    """The day of the log file with this name, None when it is no log file of ours."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    try:
        return date.fromisoformat(match[1])
    except ValueError:
        return None


def _make_private(directory: Path) -> None:
    """Create `directory` and what is missing above it, for its owner only, whatever the umask.

    One that exists keeps its mode: it may be shared with others on purpose.

    Raises:
        OSError: when it cannot be created.
    """
    if directory.is_dir():
        return
    _make_private(directory.parent)
    directory.mkdir(mode=0o700, exist_ok=True)
    directory.chmod(0o700)
