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
from enum import Enum
from pathlib import Path
from typing import Final

from attrs import define, frozen

from clipal.logs.private_file import PrivateFile, is_refused, make_private

LOOK_EVERY = 1.0
"""Seconds between two checks that the file is still there, and between two attempts to open it."""

_LAST_LINE: Final = 512
"""Bytes that are kept for the last line, which says that `log_max_bytes` is reached."""

_NAME = re.compile(r"clipal-([0-9]{4}-[0-9]{2}-[0-9]{2})\.log")


class LogFileEvent(Enum):
    """What has happened to the file."""

    FAILED = "lines cannot be written"
    REFUSED = "the path leads to something else than a regular file"
    RECOVERED = "lines are written again"
    USED_UP = "nothing more is written on this day"


@frozen
class News:
    """What the operator must know about the file."""

    event: LogFileEvent
    text: str


@define
class _Day:
    """One day's lines.

    Attributes:
        used: bytes in all files of this day, as far as was last seen.
        torn: whether a full disk has cut the last line.
    """

    date: date
    path: Path
    used: int = 0
    torn: bool = False


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
        self._day: _Day | None = None
        self._file: PrivateFile | None = None
        self._failing = False
        self._look_at = 0.0  # when the file is looked for, or opened again
        self._used_up: date | None = None  # the last day that has reached `max_bytes`

    def write(self, day: date, line: str) -> News | None:
        """Appends `line` to the file of `day`.

        Parameters:
            day: the local day that the line belongs to.
            line: without its newline; it can be encoded as UTF-8.

        Returns:
            news for the operator when writing fails for the first time, when it works again, and when `max_bytes` is
            reached; else None.
        """
        if self.is_used_up(day):
            return None
        current = self._turn_to(day)
        try:
            file = self._ready(current)
            if file is None:
                return None
            if self._max_bytes and current.used + len(line.encode()) + 2 + _LAST_LINE > self._max_bytes:
                self._used_up = day
                return News(
                    LogFileEvent.USED_UP,
                    f"log_max_bytes ({self._max_bytes}) is reached: "
                    "nothing more is logged today but errors, to standard error",
                )
            _append(file, current, line)
        except OSError as error:
            return self._failed(current, error)
        return self._recovered(current) if self._failing else None

    def is_used_up(self, day: date) -> bool:
        """Whether nothing more is written to the files of `day`."""
        return self._used_up is not None and day <= self._used_up

    def write_last(self, line: str) -> None:
        """Appends `line`, which says that the day's bytes are used up, if there is room for it; closes the file."""
        file, day = self._file, self._day
        if file is not None and day is not None and day.used + len(line.encode()) + 2 <= self._max_bytes:
            with suppress(OSError):
                _append(file, day, line)
        self.close()

    def close(self) -> None:
        """Closes the file; the next line opens it again."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _turn_to(self, day: date) -> _Day:
        if self._day is None or self._day.date != day:
            self.close()
            self._day = _Day(day, self._directory / f"clipal-{day.isoformat()}.log")
        return self._day

    def _ready(self, day: _Day) -> PrivateFile | None:
        """The open file of `day`; None while it is not yet time to try again."""
        now = self._monotonic()
        if now >= self._look_at or (self._file is None and not self._failing):
            self._look_at = now + LOOK_EVERY
            if self._file is None or not self._file.is_at(day.path):
                self.close()
                make_private(self._directory)
                self._prune(day.date)
                self._file = PrivateFile.at(day.path)
            if self._max_bytes:
                day.used = self._bytes_of(day.date)
        return self._file

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
        """Removes the files that are too old; one that cannot be removed stays."""
        if self._retention_days == 0:
            return
        for name in os.listdir(self._directory):
            written = _day_of(name)
            if written is not None and (day - written).days > self._retention_days:
                with suppress(OSError):
                    (self._directory / name).unlink()

    def _failed(self, day: _Day, error: OSError) -> News | None:
        self.close()
        self._look_at = self._monotonic() + LOOK_EVERY
        if self._failing:
            return None
        self._failing = True
        if is_refused(day.path, error):
            problem = "it is no regular file, or a symbolic link; clipal serves without it"
            return News(LogFileEvent.REFUSED, f"logs are not written to {day.path}: {problem}")
        return News(LogFileEvent.FAILED, f"logs cannot be written to {day.path}: {error.strerror}")

    def _recovered(self, day: _Day) -> News:
        self._failing = False
        return News(LogFileEvent.RECOVERED, f"logs are written to {day.path} again; those in between are lost")


def _append(file: PrivateFile, day: _Day, line: str) -> None:
    """Writes a line.

    Raises:
        OSError: it cannot be written, or not whole.
    """
    # After a line that was cut by a full disk, the next one must not continue it.
    data = (("\n" if day.torn else "") + line + "\n").encode()
    written = os.write(file.descriptor, data)
    day.used += written
    day.torn = written < len(data)
    if day.torn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _day_of(name: str) -> date | None:
    """The day of the log file with this name; None where the name is not that of a log file."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    try:
        return date.fromisoformat(match[1])
    except ValueError:
        return None
