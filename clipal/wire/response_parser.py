"""Parses a provider's answers.

Added to llhttp here: which request an answer belongs to, interim answers, where a body ends, and whether the connection
can carry another request.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

import httptools

from clipal.wire.message import END, BadMessage, ResponseHead, ResponseItem
from clipal.wire.parser import Parser, Refuse, size_of

ANSWER_HEAD_LIMIT: Final = 1024 * 1024
"""Bytes of an answer's header section, together with all interim answers before it."""

_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class Body(NamedTuple):
    """The middle of a body, for a caller that feeds it to the parser itself.

    Attributes:
        feed: takes what the socket brought; it may raise an exception of llhttp's.
        pieces: gets the content of what was fed. The caller takes the content out.
    """

    feed: Callable[[bytes], None]
    pieces: list[bytes]


class ResponseParser(Parser):
    """The answers on one connection to a provider, each to a request that was announced with `expect`."""

    def __init__(self) -> None:
        super().__init__(ANSWER_HEAD_LIMIT, ANSWER_HEAD_LIMIT)
        self._parser = httptools.HttpResponseParser(self)
        self._head: ResponseHead | None = None
        self._complete = True
        self._spent = 0
        self.expect(b"GET")

    def expect(self, method: bytes, *, upgrade: bool = False) -> None:
        """Prepares for the answer to a request of this method; an answer to HEAD has no body.

        Parameters:
            upgrade: whether the request asked for a 101. All bytes behind a 101 are its body.
        """
        self._to_head = method == b"HEAD"
        self._upgrade = upgrade
        self._raw = False
        self._complete = False
        self._in_head = True
        self._head = None
        self._reason = b""
        self._spent = 0
        self.reusable = False
        """Whether the connection can carry another request. It is True only after an END."""

    def feed(self, data: bytes) -> list[ResponseItem]:
        """The items that `data` completes, in order; none after a `BadMessage`. Surplus bytes are dropped."""
        if self._failed or self._complete:
            self.reusable = False
            return []
        return [data] if self._raw else self._collect(self._feed, data)

    def body(self) -> Body | None:
        """The body that is coming; None where none is, and where its bytes have no framing.

        The caller feeds it, and calls `fed` after each feed that raised an exception or brought no content.
        """
        if self._in_head or self._raw or self._complete or self._failed:
            return None
        self._taken = -1
        return Body(self._parser.feed_data, self._pieces)

    def fed(self, data: bytes, error: Exception | None, taken: int) -> list[ResponseItem]:
        """The items that a feed of `body` has completed, as `feed` returns them.

        Parameters:
            error: what the feed raised.
            taken: the bytes of content that the caller has taken out so far.
        """
        if taken != self._taken:
            self._taken, self._quiet = taken, 0

        def already_fed(data: bytes) -> None:
            if error is not None:
                raise error

        return self._collect(lambda data: self._feed(data, already_fed), data)

    def _feed(self, data: bytes, feed: Callable[[bytes], None] | None = None) -> None:
        try:
            if feed is not None:
                feed(data)
            elif self._in_head:
                self._feed_llhttp(self._parser, data)
            else:
                self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            rest = data[upgrade.args[0] :]
            if rest:
                self._pieces.append(rest)
        except httptools.HttpParserError as raised:
            if self._complete:
                self.reusable = False
            elif isinstance(raised.__context__, Refuse):
                raise raised.__context__ from None
            else:
                raise Refuse("malformed HTTP") from None
        if self._complete:
            if self._pieces:  # surplus bytes behind an answer to HEAD, in the same read as its head
                self._pieces.clear()
                self.reusable = False
            return
        self._flush()
        if self._items:
            self._quiet = 0
        else:
            self._bound(data)

    def eof(self) -> ResponseItem:
        """What an orderly end of the connection means: END for a body without a length, else a broken answer."""
        if self._failed or self._complete or self._head is None or not self._head.until_close:
            return BadMessage(502, "connection closed in the middle of the answer")
        self._complete = True
        return END

    def _end(self) -> None:
        self._flush()
        self._items.append(END)
        self._complete = True
        assert self._head is not None
        self.reusable = self._head.keep_alive and not self._head.until_close
        self._head = None

    def _says_close(self, version: str) -> bool:
        """Whether the provider closes the connection after an answer to HEAD; llhttp cannot tell."""
        return version != "1.1" or b"close" in self._table.get(b"connection", b"").lower()

    # llhttp's callbacks

    def on_message_begin(self) -> None:
        if self._complete:
            raise Refuse("bytes behind the end of the answer")
        self._new_message()
        self._open = True
        self._reason = b""
        self._size = self._spent  # interim answers count towards the limit of one head

    def on_status(self, piece: bytes) -> None:
        self._reason += piece

    def on_headers_complete(self) -> None:
        parser, reason = self._parser, self._reason
        version, status = parser.get_http_version(), parser.get_status_code()
        fields = self._close_head()
        if version not in ("1.1", "1.0") or not 100 <= status <= 599 or (status == 101 and not self._upgrade):
            raise Refuse("dubious status line")
        self._check_start_line(b"HTTP/%b %d" % (version.encode("ascii"), status))
        if _CONTROL.search(reason):
            raise Refuse("control character in the reason phrase")
        chunked = self._is_chunked(version)
        if status < 200 and status != 101:
            self._spent += size_of(fields) + 32
            return
        has_body = not self._to_head and status not in (204, 304)
        head = self._head = ResponseHead(
            version=version,
            fields=fields,
            keys=self._keys,
            table=self._table,
            keep_alive=parser.should_keep_alive() or (self._to_head and not self._says_close(version)),
            chunked=chunked,
            status=status,
            reason=reason,
            until_close=status == 101 or (has_body and not chunked and b"content-length" not in self._table),
            has_body=has_body,
        )
        self._items.append(head)
        if self._to_head:
            self._parser = httptools.HttpResponseParser(self)  # the old one would wait for a body that never comes
            self._end()

    def on_message_complete(self) -> None:
        self._open = False
        self._in_head = True  # after an interim answer, the head of the final one comes
        if self._head is not None and self._head.status == 101:
            self._raw = True
        elif self._head is not None and not self._complete:
            self._end()
