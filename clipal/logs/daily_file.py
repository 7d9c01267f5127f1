"""Log files by the day: `clipal-2026-11-23.log`, one for each local day, the old ones removed.

Nothing is opened before the first line, so that the object outlives twistd's fork. Each line is one system
call, unbuffered. A disk that is full, a directory that is gone or a file that was removed never raises:
lines are lost, and once a second it is tried again.
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

LOOK_EVERY = 1.0
"""Seconds between two looks whether the file is still there, or two attempts to open it."""

_NAME = re.compile(r"clipal-([0-9]{4}-[0-9]{2}-[0-9]{2})\.log")


class DailyLogFile:
    """Today's log file.

    Parameters:
        directory: where the files are, absolute; it is created when it is missing, with mode 0700.
        retention_days: files of days longer ago than this are removed when a file is opened; 0 keeps all.
        monotonic: a clock that never jumps, in seconds.
    """

    def __init__(self, directory: Path, retention_days: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._retention_days = retention_days
        self._monotonic = monotonic
        self._path = directory
        self._day: date | None = None
        self._descriptor: int | None = None
        self._identity = (0, 0)
        self._due = 0.0
        self._failing = False
        self._torn = False

    def write(self, day: date, line: str) -> str | None:
        """Append `line` to the file of `day`.

        Parameters:
            day: the local day that the line belongs to.
            line: without its newline; it can be encoded as UTF-8.

        Returns:
            news for the operator, when writing fails for the first time and when it works again; else None.
        """
        try:
            if not self._ready(day):
                return None
            self._append(line)
        except OSError as error:
            return self._failed(error)
        return self._recovered()

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
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._descriptor = descriptor
        status = os.fstat(descriptor)
        self._identity = _identity(status)
        # A file that was there before may be readable by others. A link to a device keeps its mode.
        if stat.S_ISREG(status.st_mode) and stat.S_IMODE(status.st_mode) != 0o600:
            with suppress(OSError):
                os.chmod(self._path, 0o600)

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
        if written < len(encoded):
            self._torn = True
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._torn = False

    def _failed(self, error: OSError) -> str | None:
        self.close()
        self._due = self._monotonic() + LOOK_EVERY
        if self._failing:
            return None
        self._failing = True
        return f"logs cannot be written to {self._path}: {error.strerror}"

    def _recovered(self) -> str | None:
        if not self._failing:
            return None
        self._failing = False
        return f"logs are written to {self._path} again; those in between are lost"


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
