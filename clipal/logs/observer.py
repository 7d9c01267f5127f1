"""The log: one line for each event, to standard output and to a file for each day, without any secret.

An event that is severe enough becomes text (`clipal.logs.line`), loses its secrets (`clipal.logs.redaction`), is made
one line, or a line of JSON (`clipal.logs.json_line`), and goes to the console and to the day's file
(`clipal.logs.daily_file`). Each of the two may fail without the other. Neither is opened before the first event.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from datetime import date
from typing import Final, TextIO

from twisted.logger import ILogObserver, LogEvent
from zope.interface import implementer

from clipal.config.settings import LogFormat, LogLevel, Settings
from clipal.logs.console import Console
from clipal.logs.daily_file import DailyLogFile, LogFileEvent, News
from clipal.logs.json_line import json_line
from clipal.logs.line import LineSeverity, LocalTime, event_text, one_line, severity
from clipal.logs.redaction import Redactor

_NOTHING: Final[LogEvent] = {}
_LABELS = {level: f"{level.name:<5}" for level in LineSeverity}


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
        """Logs `event`, if it is severe enough and says anything. Never raises."""
        found = severity(event)
        if found < self._least:
            return
        said = event_text(event)
        if said:
            stamp, day = self._moment(event.get("log_time"))
            line = self._line(stamp, found, str(event.get("log_namespace", "-")), said, event)
            if not self._file.is_used_up(day):
                self._write(day, line, self._console)
            elif found is LineSeverity.ERROR:
                self._alarm.write(line)

    def set_level(self, level: LogLevel) -> None:
        """Logs what is at least as severe as `level` from now on."""
        self._least = LineSeverity[level.name]

    def set_format(self, log_format: LogFormat) -> None:
        """Writes lines in this way from now on."""
        self._as_json = log_format is LogFormat.JSON

    def set_secrets(self, secrets: Iterable[str]) -> None:
        """Keeps `secrets` out of the log from now on."""
        self._redactor.set_secrets(secrets)

    def close(self) -> None:
        """Closes the file and the descriptors of the consoles; a later event opens them again."""
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
            return self._time.at(when)  # type: ignore[arg-type]  # whatever an event has there
        except (TypeError, ValueError, OverflowError, OSError):
            return self._time.at(self._wall())

    def _line(self, stamp: str, level: LineSeverity, source: str, said: str, event: LogEvent = _NOTHING) -> str:
        if self._as_json:
            return json_line(stamp, level, said, event, self._redactor.redact)
        text = self._redactor.redact(f"[{source}] {said}")
        return f"{stamp} {_LABELS[level]} {text if text.isprintable() else one_line(text)}"

    def _write(self, day: date, line: str, console: Console | None) -> None:
        if console is not None:
            if console.missed:
                text = f"{console.missed} lines are missing here: nobody read them"
                console.note(self._own_line(LineSeverity.WARN, text))
            console.write(line)
        news = self._file.write(day, line)
        if news is not None:
            self._tell(news, day, console or self._alarm)

    def _tell(self, news: News, day: date, console: Console) -> None:
        """Tells the operator of the file, in the file too where that helps a reader."""
        if news.event is LogFileEvent.REFUSED:
            self._alarm.write(self._own_line(LineSeverity.ERROR, news.text))
            return
        line = self._own_line(LineSeverity.WARN, news.text)
        if news.event is LogFileEvent.USED_UP:
            self._file.write_last(line)
            console.write(line)
        else:
            # In the file, the line shows where others are missing. This recursion ends, because a file that has failed
            # has no news for a second.
            self._write(day, line, console)

    def _own_line(self, level: LineSeverity, text: str) -> str:
        """A line about the log itself."""
        stamp, _ = self._moment(None)
        return self._line(stamp, level, __name__, text)


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
