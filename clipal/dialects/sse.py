"""An incremental scanner of server-sent events, sans-IO: bytes in, events out.

It follows "Interpreting an event stream" of the WHATWG HTML standard (9.2.6), with the stream cut into pieces
anywhere. An unfinished line is kept as its pieces and joined once, when it ends, so that a long one costs
linear time. A CR ends its line at once; an LF that comes next, perhaps in the next piece, belongs to it.
The scanner sets no limits: its caller counts the bytes.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from typing import Final

from attrs import define, field

EVENT_FIELDS: Final = (b":", b"data:", b"event:", b"id:", b"retry:")
"""What a line of a stream begins with: a comment, or one of the fields."""


@define  # not frozen, because that doubles the cost of making one
class Event:
    """One event.

    Attributes:
        event: the `event:` field, empty where there was none.
        data: the `data:` lines, joined with LF; not in the repr, because it is a part of an answer.
    """

    event: bytes
    data: bytes = field(repr=False)


class Scanner:
    """Finds the events of one stream. `id` and `retry` are ignored, and so are comments."""

    def __init__(self) -> None:
        self._line: list[bytes] = []
        self._first_line = True
        self._after_cr = False
        self._event = b""
        self._data: list[bytes] = []

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data`, the next piece of the stream, completes."""
        if self._after_cr and data:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        if not data:
            return []
        self._after_cr = data.endswith(b"\r")
        lines = data.splitlines()  # of bytes: at CR, LF and CRLF, and nowhere else
        rest = [] if data.endswith((b"\r", b"\n")) else [lines.pop()]
        if lines:
            lines[0] = b"".join([*self._line, lines[0]])
            self._line = rest
        else:
            self._line += rest
        return [event for line in lines if (event := self._take(line)) is not None]

    def _take(self, line: bytes) -> Event | None:
        """Takes one whole line, without its end; an empty one completes an event."""
        if self._first_line:
            self._first_line = False
            line = line.removeprefix(BOM_UTF8)
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._event = value
        return None

    def _dispatch(self) -> Event | None:
        event, self._event = self._event, b""
        data, self._data = self._data, []
        return Event(event, b"\n".join(data)) if data else None
