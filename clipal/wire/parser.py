"""HTTP/1.1 messages out of bytes, for both sides, sans-IO: what `RequestParser` and `ResponseParser` share.

llhttp (through httptools) does the parsing and most of the refusing: a repeated or malformed Content-Length, one
beside Transfer-Encoding, bad chunk sizes, bare CR and LF, control characters, folded lines, blanks before the colon.
This module and the two parsers add what llhttp leaves to its caller, and the limits, so that each rule about the form
of a message stands once and holds for both sides.

A parser is fed what a socket brought and returns what that completed, in order: a head, the body bytes of this feed
in one piece, `END`; or a `BadMessage` as the last item, after which it is done for good. Nothing is called back, so
nothing that a caller does can run inside llhttp.
"""

from __future__ import annotations

from typing import Any, Final

import httptools

from clipal.wire.message import BadMessage, Fields

TARGET_LIMIT: Final = 8 * 1024
"""Bytes of a request's target."""
_READ: Final = 64 * 1024
"""What one read of a socket brings at most: by so much a limit that counts whole reads may be passed."""
_QUIET_LIMIT: Final = 16 * 1024
"""Bytes that a body may bring without any content: chunk extensions, trailers."""

_SEEN: Final = 2 * _READ
"""Bytes of a head that are kept to look at; what is longer is looked at field by field."""

_SINGLE: Final = frozenset([b"host", b"transfer-encoding"])


class Refuse(Exception):
    """Carries a BadMessage out of one of llhttp's callbacks."""

    def __init__(self, problem: str, status: int = 400) -> None:
        self.bad = BadMessage(status, problem)


class Parser:
    """What requests and answers have in common: fields, pieces of a body, limits. Subclasses make the heads."""

    def __init__(self, head_limit: int, fields_limit: int) -> None:
        self._head_limit = head_limit
        self._fields_limit = fields_limit
        self._least_limit = min(head_limit, _READ)
        self._items: list[Any] = []
        self._pieces: list[bytes] = []
        self.on_body = self._pieces.append  # llhttp's callback, with no call in Python for each of many small chunks
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
        """Called for each field, so it does the least: `_close_head` looks at all of them in a few passes in C."""
        self._fields.append((name, value.rstrip(b" \t")))

    # Rules about heads

    def _close_head(self) -> Fields:
        """The fields of a complete head; what comes from now on is trailers. One pass, where no rule asks for more."""
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
        """Refuses what llhttp takes for HTTP/1.0 (RTSP/1.0, ICE/1.0), and words with more than one space between.

        Interim answers may stand before it in what was seen.
        """
        if not self._seen.startswith(line) and b"\n" + line not in self._seen:
            raise Refuse("malformed start line")
        self._end_head()

    def _end_head(self) -> None:
        self._seen = b""
        self._in_head = False

    def _is_chunked(self, version: str) -> bool:
        """Whether chunks frame the body; any other coding, and one in HTTP/1.0, is refused (RFC 9112, 6.1)."""
        coding = self._table.get(b"transfer-encoding")
        if coding is None:
            return False
        if coding.lower() != b"chunked" or version != "1.1":
            raise Refuse("unsupported Transfer-Encoding")
        return True

    # Feeding

    def _collect(self, data: bytes) -> list[Any]:
        """The items that `data` completes; a refusal is the last one of all."""
        try:
            self._feed(data)
        except Refuse as refuse:
            self._failed = True
            self._flush()
            self._items.append(refuse.bad)
        items, self._items = self._items, []  # nothing of them is kept while the connection is idle
        return items

    def _feed(self, data: bytes) -> None:
        """Adds to `_items` what `data` completes; raises Refuse."""
        raise NotImplementedError

    def _flush(self) -> None:
        """Adds the body bytes of this feed, in one piece, so that they can go out in one write."""
        pieces = self._pieces
        if pieces:
            self._items.append(pieces[0] if len(pieces) == 1 else b"".join(pieces))
            pieces.clear()

    def _feed_llhttp(self, parser: httptools.HttpRequestParser | httptools.HttpResponseParser, data: bytes) -> None:
        """In the middle of a body, `parser.feed_data` alone does it: no head begins there."""
        self._now = data
        if self._open and self._in_head and len(self._seen) < _SEEN:
            self._seen += data
        try:
            parser.feed_data(data)
        finally:
            self._now = b""

    def _bound(self, data: bytes) -> None:
        """Bounds what is held below without a callback: a field, a chunk extension or a trailer that never ends.

        Called with what completed nothing; whoever calls it sets `_quiet` back when something was.
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
    """Bytes of a header section."""
    return sum([len(name) + len(value) + 4 for name, value in fields])
