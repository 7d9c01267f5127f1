"""Parses a client's requests.

Added to llhttp here: limits on the target, the two versions that are served, an upgrade only where it is allowed, where
each request ends, and bodies of a known length, which are taken without parsing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import httptools

from clipal.wire.message import END, RequestHead, RequestItem
from clipal.wire.parser import TARGET_LIMIT, Parser, Refuse

HEAD_LIMIT: Final = 16 * 1024
"""Bytes of a request's header section, without its first line."""
FIELDS_LIMIT: Final = 500
"""Fields of a request's head."""

_VERSIONS: Final = {"1.1": b"1.1", "1.0": b"1.0"}
"""The versions that are served, as llhttp names them and as they stand in a start line."""
_EMPTY_LINE: Final = b"\r\n\r\n"
_SOME_METHOD = re.compile(rb"(?:\r\n)*[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64} ")


class RequestParser(Parser):
    """The requests of one client connection, one after another.

    Parameters:
        may_upgrade: whether a request that asks for an upgrade may have it. Such a request is the last one.

    Attributes:
        rest: the bytes behind the end of a request, not parsed. The caller takes them with `take_rest` and feeds them
            again for the next request.
    """

    def __init__(self, may_upgrade: Callable[[RequestHead], bool] = lambda head: False) -> None:
        super().__init__(HEAD_LIMIT, FIELDS_LIMIT)
        self._may_upgrade = may_upgrade
        self.rest = b""
        self._target = b""
        self._tail = b""
        self._left = 0
        self._closes = self._last_is_in = False
        self._parser = httptools.HttpRequestParser(self)

    @property
    def idle(self) -> bool:
        """Whether no request has begun since the last one ended."""
        return not self._open

    @property
    def in_head(self) -> bool:
        """Whether a request has begun whose head is not complete."""
        return self._open and self._in_head

    def take_rest(self) -> bytes:
        """Returns `rest` and keeps nothing of it."""
        rest, self.rest = self.rest, b""
        return rest

    def feed(self, data: bytes) -> list[RequestItem]:
        """The items that `data` completes of one request, in order; none after a `BadMessage`.

        Parsing stops at the end of a request, so that a pipelined request is parsed only when it is its turn.
        """
        return [] if self._failed else self._collect(self._feed, data)

    def _feed(self, data: bytes) -> None:
        if self._left:
            self._take_counted(data)
            return
        if self._last_is_in:
            if data.strip(b"\r\n"):  # some clients send an empty line behind a body (RFC 9112, 2.2)
                raise Refuse("bytes behind the last request")
            return
        at, end = 0, len(data)
        while at < end:
            start, at = at, self._after_empty_line(data, at)
            self._parse(data if at - start == end else data[start:at])
            if not self._open and self._items:
                self.rest = data[at:]
                break
            if self._open and not self._in_head and b"content-length" in self._table:
                self._count()
                if at < end:
                    self._take_counted(data[at:])
                break
        self._tail = (self._tail + data[-3:])[-3:] if self._open else b""
        if self._pieces:
            self._flush()
        if self._items:
            self._quiet = 0
        else:
            self._bound(data)

    def _after_empty_line(self, data: bytes, start: int) -> int:
        """Where the first empty line behind `start` ends; the end of `data` if there is none.

        llhttp does not say where in its input a request ends. A head, a chunked body and a trailer section all end with
        an empty line. So llhttp is fed up to the end of an empty line, and no piece contains the end of one request and
        the beginning of the next. The empty line may have begun in the bytes before `data`, which are in `_tail`.
        """
        if not start and self._tail:
            found = (self._tail + data[:3]).find(_EMPTY_LINE)
            if found >= 0:
                return found + 4 - len(self._tail)
        found = data.find(_EMPTY_LINE, max(0, start - 3))
        return len(data) if found < 0 else found + 4

    def _parse(self, piece: bytes) -> None:
        try:
            self._feed_llhttp(self._parser, piece)
        except httptools.HttpParserUpgrade:
            self._upgrade()
        except httptools.HttpParserError as error:
            raise self._refusal(error) from None

    def _count(self) -> None:
        """Begins a body of a known length. There is nothing to parse in it, so llhttp does not get it.

        llhttp waits for the body, so the next request gets a new parser, which costs less than to feed it the body.
        """
        self._left = int(self._table[b"content-length"])
        self._closes = not self._parser.should_keep_alive()
        self._parser = httptools.HttpRequestParser(self)

    def _take_counted(self, data: bytes) -> None:
        """Takes the bytes that belong to the body. Bytes behind its end become `rest`."""
        if len(data) > self._left:
            self.rest = data[self._left :]
            data = data[: self._left]
        self._items.append(data)
        self._left -= len(data)
        if not self._left:
            self.on_message_complete()
            self._last_is_in = self._closes

    def _refusal(self, error: httptools.HttpParserError) -> Refuse:
        if isinstance(error.__context__, Refuse):
            return error.__context__
        if str(error).startswith("Invalid method") and _SOME_METHOD.match(self._seen):
            return Refuse("unknown method", 501)
        return Refuse("malformed HTTP")

    def _upgrade(self) -> None:
        """Ends HTTP/1.1 behind a head that may be upgraded, or ignores the wish, as RFC 9110, 7.8 allows.

        llhttp takes a message with an upgrade for complete and would parse its body as the next message. So a new
        parser is told of the body's framing.
        """
        assert self._items[-1] is END
        head = self._items[-2]
        assert isinstance(head, RequestHead)
        if self._may_upgrade(head):
            return
        del self._items[-1]
        framing = b"Transfer-Encoding: chunked" if head.chunked else b"Content-Length: %d" % (head.content_length or 0)
        again = len(self._items)
        self._parser = httptools.HttpRequestParser(self)
        self._feed_llhttp(self._parser, b"POST / HTTP/1.1\r\n" + framing + b"\r\n\r\n")
        del self._items[again]

    # llhttp's callbacks

    def on_url(self, piece: bytes) -> None:
        self._target += piece
        if len(self._target) > TARGET_LIMIT:
            raise Refuse("request target too long", 414)

    def on_headers_complete(self) -> None:
        parser = self._parser
        version, method, target = parser.get_http_version(), parser.get_method(), self._target
        self._target = b""
        if version not in _VERSIONS:
            raise Refuse("unsupported HTTP version")
        fields = self._close_head()
        if not self._seen.lstrip(b"\r\n").startswith(b"%b %b HTTP/%b\r\n" % (method, target, _VERSIONS[version])):
            raise Refuse("malformed start line")  # only empty lines may stand before it
        self._seen, self._in_head = b"", False
        if b"#" in target:
            raise Refuse("a fragment in the request target")
        head = RequestHead(
            version=version,
            fields=fields,
            keys=self._keys,
            table=self._table,
            keep_alive=parser.should_keep_alive(),
            chunked=b"transfer-encoding" in self._table and self._is_chunked(version),
            method=method,
            target=target,
            upgrade=parser.should_upgrade(),
        )
        self._items.append(head)

    def on_message_complete(self) -> None:
        if self._pieces:
            self._flush()
        self._items.append(END)
        self._open = False
