"""From an event of twisted.logger to one line of JSON, for programs that read logs: `log_format: json`.

Every line has the same fields; a field is null where the event has no value for it. Secrets are taken out of each text
before the line is made, so that the line stays JSON whatever a secret looks like.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

from twisted.logger import LogEvent

from clipal.logs.line import UNPRINTABLE, LineSeverity

_SOURCES: Final = {
    "request_id": "id",
    "client": "client",
    "method": "method",
    "path": "path",
    "status": "status",
    "provider": "provider",
    "attempts": "attempts",
    "trail": "steps",
    "ms": "milliseconds",
    "first_byte_ms": "first_byte_ms",
    "bytes_in": "bytes_in",
    "bytes_out": "bytes_out",
    "tokens": "tokens",
    "token_name": "token_name",
    "peer": "peer",
}
"""The name in an event of each field of a line."""


def json_line(stamp: str, level: LineSeverity, said: str, event: LogEvent, redact: Callable[[str], str]) -> str:
    """One line.

    Parameters:
        stamp: local time, such as `2026-11-23T14:05:06.123+0100`.
        said: the event's text.
        redact: takes the secrets out of a text.
    """
    line: dict[str, Any] = {
        "time": f"{stamp[:-2]}:{stamp[-2:]}",  # as RFC 3339 has it
        "level": level.name.lower(),
        "event": redact(said),
    }
    for name, source in _SOURCES.items():
        line[name] = _plain(event.get(source), redact)
    text = json.dumps(line, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return UNPRINTABLE.sub(_escaped, text)


def _plain(value: object, redact: Callable[[str], str]) -> object:
    """`value` in JSON's types, without secrets. The names of a dictionary are clipal's own and stay as they are."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, dict):
        return {str(name): _plain(each, redact) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, redact) for each in value]
    return redact(value if isinstance(value, str) else repr(value))


def _escaped(match: re.Match[str]) -> str:
    """The escape of a character that could control a terminal; json.dumps escapes only some of these."""
    return f"\\u{ord(match[0]):04x}"
