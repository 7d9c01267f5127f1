"""From an event of twisted.logger to one line of text.

Pure: an event goes in, text comes out. Control characters are escaped, so that paths, header fields and a provider's
words stay in their line and cannot control a terminal. An event that cannot be formatted becomes a line that says so.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from enum import IntEnum
from typing import Final

from twisted.logger import LogEvent
from twisted.logger import LogLevel as EventLevel


class LineSeverity(IntEnum):
    """The levels that clipal knows, the least first, under the names of `clipal.config.settings.LogLevel`."""

    DEBUG = 0
    INFO = 1
    WARN = 2
    ERROR = 3


_SEVERITIES = {
    EventLevel.debug: LineSeverity.DEBUG,
    EventLevel.info: LineSeverity.INFO,
    EventLevel.warn: LineSeverity.WARN,
    EventLevel.error: LineSeverity.ERROR,
    EventLevel.critical: LineSeverity.ERROR,
}

_CHATTER = ("twisted.", "log_legacy")
"""Namespaces of Twisted: its modules, and `twisted.python.log.msg`, which clipal itself does not call."""

# C0, DEL and C1 controls, line and paragraph separators, bidirectional controls (they reorder a line on a
# terminal), and lone surrogates, which UTF-8 cannot encode.
UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def severity(event: LogEvent) -> LineSeverity:
    """The level of `event`; what Twisted logs about itself at info counts as debug.

    An operator does not need `Site starting on 3333` or `Timing out client`. Twisted's warnings keep their level.
    """
    found = _SEVERITIES.get(event.get("log_level"), LineSeverity.INFO)
    if found is LineSeverity.INFO and str(event.get("log_namespace", "")).startswith(_CHATTER):
        return LineSeverity.DEBUG
    return found


def event_text(event: LogEvent) -> str:
    """The text of `event`, then its traceback if there is one; may be several lines, or empty."""
    message = _message(event)
    if "log_failure" not in event:
        return message
    return "\n".join(part for part in (message, _traceback(event)) if part)


def one_line(text: str) -> str:
    r"""`text` with every unprintable character escaped as in Python: `\n`, `\x1b`, `\u2028`."""
    return UNPRINTABLE.sub(_escape, text)


def _message(event: LogEvent) -> str:
    """The event's format, filled in.

    `twisted.logger.formatEvent` is not used, because it shows every field of an event that it cannot format, and a
    field may hold a secret.
    """
    template = event.get("log_format")
    if template is None:
        return ""
    try:
        return str.format_map(template, event)
    except Exception as error:
        return f"event that cannot be formatted ({type(error).__name__}): {template!r}"


def _traceback(event: LogEvent) -> str:
    """The traceback of the event's failure: files, lines and code, never a variable's value."""
    failure = event.get("log_failure")
    if failure is None:
        return ""
    try:
        return str(failure.getTraceback(detail="default")).rstrip("\n")
    except Exception as error:
        return f"traceback that cannot be formatted ({type(error).__name__})"


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")


class LocalTime:
    """Formats local time; the calendar is asked only when a new second begins."""

    def __init__(self) -> None:
        self._second: int | None = None
        self._clock = ""
        self._offset = ""
        self._day = date.min

    def at(self, when: float) -> tuple[str, date]:
        """The moment `when` and its local day.

        Parameters:
            when: seconds since the epoch.

        Returns:
            such as `2026-11-23T14:05:06.123+0100`, and its day.

        Raises:
            TypeError, ValueError, OverflowError, OSError: when `when` is no moment that a calendar has.
        """
        # By way of whole microseconds: as a float, .123 may be a bit less than 123 ms.
        second, microsecond = divmod(round(when * 1_000_000), 1_000_000)
        if second != self._second:
            local = datetime.fromtimestamp(second).astimezone()
            self._clock, self._offset = local.strftime("%Y-%m-%dT%H:%M:%S"), local.strftime("%z")
            self._second, self._day = second, local.date()
        return f"{self._clock}.{microsecond // 1000:03}{self._offset}", self._day
