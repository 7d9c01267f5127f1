"""Log files by the day: `clipal-2026-11-23.log`, one for each local day; old files are removed.

Nothing is opened before the first line, so that the object outlives twistd's fork. Each line is one system call,
unbuffered. When the disk is full, the directory is gone or the path leads to no regular file, lines are lost and
nothing is raised; once a second clipal tries to open the file again.
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Final

from attrs import frozen

from clipal.logs.private_file import is_refused, make_private, open_private

LOOK_EVERY = 1.0
"""Seconds between two checks that the file is still there, and between two attempts to open it."""

_LAST_LINE: Final = 512
"""Bytes that are kept for the last line, which says that `log_max_bytes` is reached."""

_NAME = re.compile(r"clipal-([0-9]{4}-[0-9]{2}-[0-9]{2})\.log")


@frozen
class News:
    """What the operator must know about the file.

    Attributes:
        refused: whether the path leads to something else than a regular file.
    """

    text: str
    refused: bool = False


class DailyLogFile:
    """Today's log file.

    Parameters:
        directory: where the files are, absolute; it is created when it is missing, with mode 0700.
        retention_days: files of days longer ago than this are removed when a file is opened; 0 keeps all.
        monotonic: a clock that never jumps, in seconds.
        max_bytes: the limit for all files of one day together, rotated ones too; 0 for no limit.
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
            news for the operator when writing fails for the first time, when it works again, and when `max_bytes` is
            reached; else None.
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
        """Whether the path still leads to the open file; the file or its directory may have been removed."""
        try:
            return _identity(os.stat(self._path)) == self._identity
        except OSError:
            return False

    def _open(self, day: date) -> None:
        make_private(self._directory)
        self._prune(day)
        self._descriptor = open_private(self._path)
        self._identity = _identity(os.fstat(self._descriptor))

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
        if is_refused(self._path, error):
            problem = "it is no regular file, or a symbolic link; clipal serves without it"
            return News(f"logs are not written to {self._path}: {problem}", refused=True)
        return News(f"logs cannot be written to {self._path}: {error.strerror}")

    def _recovered(self) -> News | None:
        if not self._failing:
            return None
        self._failing = False
        return News(f"logs are written to {self._path} again; those in between are lost")


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _day_of(name: str) -> date | None:
    """The day of the log file with this name; None where the name is not that of a log file."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    try:
        return date.fromisoformat(match[1])
    except ValueError:
        return None
