"""The log: one line for each event, to standard output and to a file for each day, without any secret.

`open_logs` composes it: an event that is severe enough becomes text (`clipal.logs.line`), loses its
secrets (`clipal.logs.redaction`), is made one line, and goes to the console and to the day's file
(`clipal.logs.daily_file`). Either may fail without the other; neither is touched before the first event.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import date
from typing import TextIO

from twisted.logger import ILogObserver, LogEvent
from zope.interface import implementer

from clipal.config.model import LogLevel, Settings
from clipal.logs.daily_file import DailyLogFile
from clipal.logs.line import LocalTime, Severity, namespace, one_line, severity, text
from clipal.logs.redaction import Redactor

_LABELS = {level: f"{level.name:<5}" for level in Severity}


class Console:
    """A text stream that may go away, such as a pipe whose reader leaves.

    Parameters:
        stream: where lines go; None (a process without standard streams) for nowhere.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, line: str) -> None:
        """Write one line at once. It is lost, without an error, where that is not possible.

        A stream that is closed, or whose reader is gone, is not tried again.
        """
        stream = self._stream
        if stream is None:
            return
        try:
            _write_encodable(stream, line + "\n")
        except (BrokenPipeError, ValueError):
            self._stream = None
            # Left open, its buffer would make the interpreter's last flush fail: exit status 120.
            with suppress(OSError):
                stream.close()
        except OSError:
            # A full disk behind a redirection, or a terminal that takes no more now: only this line is lost.
            return


@implementer(ILogObserver)
class Logs:
    """The observer of every event.

    Parameters:
        level: the least level that is logged.
        redactor: what takes the secrets out.
        file: the day's file.
        console: where lines go besides, None for nowhere.
        alarm: where it is said that the file cannot be written when there is no `console`.
        wall: seconds since the epoch, for events without a usable time.
    """

    def __init__(
        self,
        level: LogLevel,
        redactor: Redactor,
        file: DailyLogFile,
        console: Console | None,
        alarm: Console,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._redactor = redactor
        self._file = file
        self._console = console
        self._alarm = alarm
        self._wall = wall
        self._time = LocalTime()
        self.set_level(level)

    def __call__(self, event: LogEvent) -> None:
        """Log `event`, if it is severe enough and says anything. Never raises."""
        found = severity(event)
        if found < self._least:
            return
        said = text(event)
        if said:
            stamp, day = self._moment(event.get("log_time"))
            self._write(day, self._line(stamp, found, namespace(event), said), self._console)

    def set_level(self, level: LogLevel) -> None:
        """Log what is at least as severe as `level` from now on."""
        self._least = Severity[level.name]

    def set_secrets(self, secrets: Iterable[str]) -> None:
        """Keep `secrets` out of the log from now on."""
        self._redactor.set_secrets(secrets)

    def close(self) -> None:
        """Close the file; a later event opens it again."""
        self._file.close()

    def _moment(self, when: object) -> tuple[str, date]:
        try:
            return self._time.at(when)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError, OSError):
            return self._time.at(self._wall())

    def _line(self, stamp: str, level: Severity, source: str, said: str) -> str:
        return f"{stamp} {_LABELS[level]} {one_line(self._redactor.redact(f'[{source}] {said}'))}"

    def _write(self, day: date, line: str, console: Console | None) -> None:
        if console is not None:
            console.write(line)
        news = self._file.write(day, line)
        if news is not None:
            # Into the file too, where a reader sees the gap. It ends: a failed file is silent for a second.
            stamp, _ = self._moment(None)
            self._write(day, self._line(stamp, Severity.WARN, __name__, news), console or self._alarm)


def open_logs(settings: Settings, secrets: Iterable[str], stdout: TextIO | None = None) -> Logs:
    """The log that `settings` ask for. Nothing is opened or written before the first event.

    Parameters:
        settings: `log_level`, `log_dir`, `log_retention_days` and `log_stdout` are used.
        secrets: what must never be in a line: keys and tokens.
        stdout: where lines go with `log_stdout`; None for the standard output of this moment, which must not
            yet be the one that `globalLogBeginner.beginLoggingTo` puts in its place.
    """
    console = Console(sys.stdout if stdout is None else stdout) if settings.log_stdout else None
    file = DailyLogFile(settings.log_dir, settings.log_retention_days)
    return Logs(settings.log_level, Redactor(secrets), file, console, Console(sys.stderr))


def _write_encodable(stream: TextIO, line: str) -> None:
    """Write `line`, with escapes for what the stream's encoding lacks.

    Raises:
        OSError, ValueError: when the stream is broken or closed.
    """
    try:
        stream.write(line)
    except UnicodeEncodeError:
        encoding = stream.encoding
        stream.write(line.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()
