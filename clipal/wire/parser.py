"""Parses HTTP/1.1 messages, without any I/O: what `RequestParser` and `ResponseParser` have in common.

llhttp (through httptools) parses, and refuses most of what is malformed: a repeated or malformed Content-Length,
Content-Length beside Transfer-Encoding, bad chunk sizes, bare CR and LF, control characters, folded lines, blanks
before the colon. This module and the two parsers add the limits and the checks that llhttp leaves to its caller. A rule
that holds for requests and answers stands here.

A parser is fed what a socket brought. It returns the items that are complete, in order: a head, the body bytes of this
feed in one piece, `END`. A `BadMessage` is the last item; the parser returns nothing after it. Items are returned, not
called back, so a caller's code never runs inside llhttp.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import httptools

from clipal.wire.message import BadMessage, Fields

TARGET_LIMIT: Final = 8 * 1024
"""Bytes of a request's target."""
_READ: Final = 64 * 1024
"""Bytes that one read of a socket brings at most. A limit that counts whole reads may be exceeded by so much."""
_QUIET_LIMIT: Final = 16 * 1024
"""Bytes of chunk extensions and trailers that may come without any byte of content between them."""

_SEEN: Final = 2 * _READ
"""Bytes of a head that are kept for the check of its start line and of its size."""

_SINGLE: Final = frozenset([b"host", b"transfer-encoding"])


class Refuse(Exception):
    """Raised in one of llhttp's callbacks, to carry a BadMessage to the parser's caller."""

    def __init__(self, problem: str, status: int = 400) -> None:
        self.bad = BadMessage(status, problem)


class Parser:
    """Collects fields and pieces of a body, and enforces the limits. Subclasses make the heads."""

    def __init__(self, head_limit: int, fields_limit: int) -> None:
        self._head_limit = head_limit
        self._fields_limit = fields_limit
        self._least_limit = min(head_limit, _READ)
        self._items: list[Any] = []
        self._pieces: list[bytes] = []
        self.on_body = self._pieces.append  # llhttp's callback: small chunks cost no call of a Python function
        self._failed = False
        self._open = False
        self._now = b""
        self._keys: list[bytes] = []
        self._table: dict[bytes, bytes] = {}
        self._new_message()

    def _new_message(self) -> None:
        self._in_head = True
        self._size = self._held = self._quiet = 0
        self._fields: Fields = []
        self.trailers: Fields = []
        self._seen = self._now

    # llhttp's callbacks

    def on_message_begin(self) -> None:
        self._new_message()
        self._open = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called for each field, so it only collects: `_close_head` checks all fields of a head at once."""
        self._fields.append((name, value.rstrip(b" \t")))

    # Rules about heads

    def _close_head(self) -> Fields:
        """Checks the fields of a complete head and returns them. Fields that come after this are trailers."""
        fields, self._fields = self._fields, self.trailers
        table = self._table = {name.lower(): value for name, value in fields}
        keys = self._keys = list(table)
        if len(keys) < len(fields):
            keys = self._keys = [name.lower() for name, _ in fields]
            if any(keys.count(key) > 1 for key in _SINGLE):
                raise Refuse("a field that may come only once came twice")
        if self._size + len(self._seen) > self._least_limit:
            self._size += size_of(fields)
            if self._size > self._head_limit:
                raise Refuse("header section too large", 431)
        if len(keys) > self._fields_limit:
            raise Refuse("too many header fields", 431)
        return fields

    def _check_start_line(self, line: bytes) -> None:
        """Refuses start lines that llhttp accepts: RTSP/1.0, ICE/1.0, and words with more than one space between them.

        Interim answers may precede `line` in the bytes that were kept.
        """
        if not self._seen.startswith(line) and b"\n" + line not in self._seen:
            raise Refuse("malformed start line")
        self._seen, self._in_head = b"", False

    def _is_chunked(self, version: str) -> bool:
        """Whether chunks frame the body. Refuses any other coding, and any coding in HTTP/1.0 (RFC 9112, 6.1)."""
        coding = self._table.get(b"transfer-encoding")
        if coding is None:
            return False
        if coding.lower() != b"chunked" or version != "1.1":
            raise Refuse("unsupported Transfer-Encoding")
        return True

    # Feeding

    def _collect(self, feed: Callable[[bytes], None], data: bytes) -> list[Any]:
        """The items that `feed` completes with `data`; it may raise Refuse. A BadMessage is the last one."""
        try:
            feed(data)
        except Refuse as refuse:
            self._failed = True
            self._flush()
            self._items.append(refuse.bad)
        items, self._items = self._items, []  # an idle connection keeps no items
        return items

    def _flush(self) -> None:
        """Adds the body bytes of this feed as one item, so that they can go out in one write."""
        pieces = self._pieces
        if pieces:
            self._items.append(pieces[0] if len(pieces) == 1 else b"".join(pieces))
            pieces.clear()

    def _feed_llhttp(self, parser: httptools.HttpRequestParser | httptools.HttpResponseParser, data: bytes) -> None:
        """Feeds `parser` and keeps what may belong to a head. In the middle of a body, `parser.feed_data` is enough."""
        self._now = data
        if self._open and self._in_head and len(self._seen) < _SEEN:
            self._seen += data
        try:
            parser.feed_data(data)
        finally:
            self._now = b""

    def _bound(self, data: bytes) -> None:
        """Limits what llhttp buffers without a callback: a field, a chunk extension or a trailer that never ends.

        Called with data that completed no item. The caller resets `_quiet` when data completes one.
        """
        if self._in_head:
            self._held += len(data)
            if self._held > self._head_limit + TARGET_LIMIT + _READ:
                raise Refuse("header section too large", 431)
        else:
            self._quiet += len(data)
            if self._quiet > _QUIET_LIMIT:
                raise Refuse("chunk extension or trailer too large")


def size_of(fields: Fields) -> int:
    """The size of a header section in bytes."""
    return sum([len(name) + len(value) + 4 for name, value in fields])
