"""The log: one line for each event, to standard output and to a file for each day, without any secret.

An event that is severe enough becomes text (`clipal.logs.line`), loses its secrets (`clipal.logs.redaction`), is made
one line, or a line of JSON (`clipal.logs.json_line`), and goes to the console and to the day's file
(`clipal.logs.daily_file`). Each of the two may fail without the other. Neither is opened before the first event.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import date
from typing import Final, TextIO

from twisted.logger import ILogObserver, LogEvent
from zope.interface import implementer

from clipal.config.settings import LogFormat, LogLevel, Settings
from clipal.logs.daily_file import DailyLogFile
from clipal.logs.json_line import json_line
from clipal.logs.line import LineSeverity, LocalTime, event_text, namespace, one_line, severity
from clipal.logs.redaction import Redactor
from clipal.logs.stream import UnwaitingStream

_NOTHING: Final[LogEvent] = {}
_LABELS = {level: f"{level.name:<5}" for level in LineSeverity}


class Console:
    """A text stream whose reader may end, or may read nothing for a while.

    Parameters:
        stream: where lines go; None (a process without standard streams) for nowhere.

    Attributes:
        missed: lines dropped since the stream last took a line.
        dropped: lines dropped in all.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._unwaiting: UnwaitingStream | None = None
        self._set_up = False
        self.missed = 0
        self.dropped = 0

    def write(self, line: str) -> None:
        """Write one line at once. It is dropped, without an error, where that is not possible.

        A stream that is closed, or whose reader is gone, is not tried again.
        """
        stream = self._stream
        if stream is None:
            return
        try:
            taken = self._write(stream, line + "\n")
        except (BrokenPipeError, ValueError):
            self._give_up(stream)
        except OSError:
            taken = False  # a full disk behind a redirection, or a terminal that takes no more now
        else:
            if taken:
                self.missed = 0
                return
        self.missed += 1
        self.dropped += 1

    def close(self) -> None:
        """Close the descriptor that was opened for this console; the next line opens it again. `stream` stays open."""
        unwaiting, self._unwaiting, self._set_up = self._unwaiting, None, False
        if unwaiting is not None:
            unwaiting.close()

    def _write(self, stream: TextIO, line: str) -> bool:
        if not self._set_up:
            self._unwaiting, self._set_up = _unwaiting(stream), True
        if self._unwaiting is not None:
            return self._unwaiting.write(line.encode(stream.encoding or "utf-8", "backslashreplace"))
        _write_encodable(stream, line)
        return True

    def _give_up(self, stream: TextIO) -> None:
        self._stream = None
        # Left open, its buffer would make the interpreter's last flush fail: exit status 120.
        with suppress(OSError):
            stream.close()
        self.close()


@implementer(ILogObserver)
class Logs:
    """The observer of every event.

    Parameters:
        level: the least level that is logged.
        redactor: takes the secrets out.
        file: the day's file.
        console: where lines go too; None for nowhere.
        alarm: standard error. It gets the file's problems when there is no `console`, the refusal of a file, and
            errors after `log_max_bytes` is reached.
        wall: seconds since the epoch, for events without a usable time.
        log_format: how a line is written.
    """

    def __init__(
        self,
        level: LogLevel,
        redactor: Redactor,
        file: DailyLogFile,
        console: Console | None,
        alarm: Console,
        wall: Callable[[], float] = time.time,
        log_format: LogFormat = LogFormat.TEXT,
    ) -> None:
        self._redactor = redactor
        self._file = file
        self._console = console
        self._alarm = alarm
        self._wall = wall
        self._time = LocalTime()
        self.set_level(level)
        self.set_format(log_format)

    def __call__(self, event: LogEvent) -> None:
        """Log `event`, if it is severe enough and says anything. Never raises."""
        found = severity(event)
        if found < self._least:
            return
        said = event_text(event)
        if said:
            stamp, day = self._moment(event.get("log_time"))
            line = self._line(stamp, found, namespace(event), said, event)
            if not self._file.is_used_up(day):
                self._write(day, line, self._console)
            elif found is LineSeverity.ERROR:
                self._alarm.write(line)

    def set_level(self, level: LogLevel) -> None:
        """Log what is at least as severe as `level` from now on."""
        self._least = LineSeverity[level.name]

    def set_format(self, log_format: LogFormat) -> None:
        """Write lines in this way from now on."""
        self._as_json = log_format is LogFormat.JSON

    def set_secrets(self, secrets: Iterable[str]) -> None:
        """Keep `secrets` out of the log from now on."""
        self._redactor.set_secrets(secrets)

    def close(self) -> None:
        """Close the file and the descriptors of the consoles; a later event opens them again."""
        self._file.close()
        self._alarm.close()
        if self._console is not None:
            self._console.close()

    @property
    def dropped(self) -> int:
        """Lines that standard output has not taken, because nobody read it."""
        return 0 if self._console is None else self._console.dropped

    def _moment(self, when: object) -> tuple[str, date]:
        try:
            return self._time.at(when)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError, OSError):
            return self._time.at(self._wall())

    def _line(self, stamp: str, level: LineSeverity, source: str, said: str, event: LogEvent = _NOTHING) -> str:
        if self._as_json:
            return json_line(stamp, level, said, event, self._redactor.redact)
        return f"{stamp} {_LABELS[level]} {one_line(self._redactor.redact(f'[{source}] {said}'))}"

    def _write(self, day: date, line: str, console: Console | None) -> None:
        if console is not None:
            if console.missed:
                self._tell_missed(console)
            console.write(line)
        news = self._file.write(day, line)
        if news is None:
            return
        stamp, _ = self._moment(None)
        told = self._line(stamp, LineSeverity.ERROR if news.refused else LineSeverity.WARN, __name__, news.text)
        if news.refused:
            self._alarm.write(told)
        elif self._file.is_used_up(day):
            self._file.write_last(told)
            (console or self._alarm).write(told)
        else:
            # Into the file too, where a reader sees the gap. This recursion ends, because a file that failed reports
            # no news for a second.
            self._write(day, told, console or self._alarm)

    def _tell_missed(self, console: Console) -> None:
        """Writes the number of the missing lines in their place, as soon as the stream takes lines again."""
        stamp, _ = self._moment(None)
        missed = console.missed
        console.write(
            self._line(stamp, LineSeverity.WARN, __name__, f"{missed} lines are missing here: nobody read them")
        )
        if console.missed:  # not taken either; this line is not counted, because it is no event
            console.missed, console.dropped = missed, console.dropped - 1


def open_logs(settings: Settings, secrets: Iterable[str], stdout: TextIO | None = None) -> Logs:
    """The log that `settings` ask for. Nothing is opened or written before the first event.

    Parameters:
        settings: of these, the ones that begin with `log_` are used.
        secrets: what must never be in a line: keys and tokens.
        stdout: where lines go with `log_stdout`; None for `sys.stdout` as it is now. `beginLoggingTo` of
            `globalLogBeginner` must not have replaced it yet.
    """
    console = Console(sys.stdout if stdout is None else stdout) if settings.log_stdout else None
    file = DailyLogFile(settings.log_dir, settings.log_retention_days, max_bytes=settings.log_max_bytes)
    return Logs(
        settings.log_level, Redactor(secrets), file, console, Console(sys.stderr), log_format=settings.log_format
    )


def _unwaiting(stream: TextIO) -> UnwaitingStream | None:
    """Writes to the descriptor of `stream` without waiting; None where the stream has no descriptor."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return None
    stream.flush()
    return UnwaitingStream(descriptor)


def _write_encodable(stream: TextIO, line: str) -> None:
    """Write `line`, with escapes for characters that the stream's encoding lacks.

    Raises:
        OSError, ValueError: when the stream is broken or closed.
    """
    try:
        stream.write(line)
    except UnicodeEncodeError:
        encoding = stream.encoding
        stream.write(line.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()
