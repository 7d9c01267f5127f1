"""HTTP/1.1 messages out of bytes, for both sides, sans-IO.

llhttp (through httptools) does the parsing and most of the refusing: a repeated or malformed Content-Length, one
beside Transfer-Encoding, bad chunk sizes, bare CR and LF, control characters, folded lines, blanks before the colon.
This module adds what llhttp leaves to its caller, and the limits, so that each rule about the form of a message
stands once and holds for both sides.

A parser is fed what a socket brought and returns what that completed, in order: a head, the body bytes of this feed
in one piece, `END`; or a `BadMessage` as the last item, after which it is done for good. Nothing is called back, so
nothing that a caller does can run inside llhttp.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import httptools

from clipal.wire.llhttp import TARGET_LIMIT, Parser, Refuse, size_of
from clipal.wire.message import END, BadMessage, RequestHead, RequestItem, ResponseHead, ResponseItem

HEAD_LIMIT: Final = 16 * 1024
"""Bytes of a request's header section, without its first line."""
FIELDS_LIMIT: Final = 500
"""Fields of a request's head."""
ANSWER_HEAD_LIMIT: Final = 1024 * 1024
"""Bytes of an answer's header section, together with all interim answers before it."""

_SOME_METHOD = re.compile(rb"(?:\r\n)*[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64} ")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class RequestParser(Parser):
    """The requests of one client connection, one after another.

    Parameters:
        leaves: whether a request that asks to leave HTTP/1.1 may; one that may is the last one, and `rest` is what came
            behind it.
    """

    def __init__(self, leaves: Callable[[RequestHead], bool] = lambda head: False) -> None:
        super().__init__(HEAD_LIMIT, FIELDS_LIMIT)
        self._leaves = leaves
        self.rest = b""
        self._target = b""
        self._was_idle = True
        self._seen_from_start = True
        self._parser = httptools.HttpRequestParser(self)

    @property
    def idle(self) -> bool:
        """Whether no request has begun since the last one ended."""
        return not self._open

    @property
    def in_head(self) -> bool:
        """Whether a request has begun whose head is not complete."""
        return self._open and self._in_head

    def feed(self, data: bytes) -> list[RequestItem]:
        """What `data` completes, in order; nothing after a `BadMessage`."""
        if self._failed:
            return []
        self._was_idle = not self._open
        return self._collect(data)

    def _feed(self, data: bytes) -> None:
        try:
            self._feed_llhttp(self._parser, data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError as error:
            raise self._refusal(error) from None
        self._flush()
        if self._items:
            self._quiet = 0
        else:
            self._bound(data)

    def _refusal(self, error: httptools.HttpParserError) -> Refuse:
        if isinstance(error.__context__, Refuse):
            return error.__context__
        if str(error).startswith("Invalid method") and self._seen_from_start and _SOME_METHOD.match(self._seen):
            return Refuse("unknown method", 501)
        return Refuse("malformed HTTP")

    def _upgrade(self, rest: bytes) -> None:
        """Leaves HTTP/1.1 behind a head that asked for it, or goes on in it, as RFC 9110, 7.8 allows.

        llhttp takes such a message for complete and would read its body as the next one. So another parser is told
        of the body's framing, and goes on with the rest.
        """
        assert self._items[-1] is END
        head = self._items[-2]
        assert isinstance(head, RequestHead)
        if self._leaves(head):
            self.rest = rest
            return
        del self._items[-1]
        framing = b"Transfer-Encoding: chunked" if head.chunked else b"Content-Length: %d" % (head.content_length or 0)
        again = len(self._items)
        self._parser = httptools.HttpRequestParser(self)
        self._feed_llhttp(self._parser, b"POST / HTTP/1.1\r\n" + framing + b"\r\n\r\n")
        del self._items[again]
        if rest:
            self._feed(rest)

    # llhttp's callbacks

    def on_message_begin(self) -> None:
        self._new_message()
        self._open = True
        self._seen_from_start = self._was_idle and not self._items

    def on_url(self, piece: bytes) -> None:
        self._target += piece
        if len(self._target) > TARGET_LIMIT:
            raise Refuse("request target too long", 414)

    def on_headers_complete(self) -> None:
        parser = self._parser
        version, method, target = parser.get_http_version(), parser.get_method(), self._target
        self._target = b""
        if version not in ("1.1", "1.0"):
            raise Refuse("unsupported HTTP version")
        fields = self._close_head()
        self._check_start_line(b"%b %b HTTP/%b\r\n" % (method, target, version.encode("ascii")))
        if b"#" in target:
            raise Refuse("a fragment in the request target")
        head = RequestHead(
            version=version,
            fields=fields,
            keys=self._keys,
            table=self._table,
            keep_alive=parser.should_keep_alive(),
            chunked=self._is_chunked(version),
            method=method,
            target=target,
            upgrade=parser.should_upgrade(),
        )
        self._items.append(head)

    def on_message_complete(self) -> None:
        self._flush()
        self._items.append(END)
        self._open = False


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
        """Begins with the answer to a request of this method: one to HEAD has no body, whatever it says.

        Parameters:
            upgrade: whether a 101 was asked for: then its body is whatever comes behind it, until close.
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
        """Whether the connection can carry another request; True only behind an END."""

    def feed(self, data: bytes) -> list[ResponseItem]:
        """What `data` completes, in order; nothing after a `BadMessage`. Bytes behind the END are dropped."""
        if self._failed or self._complete:
            self.reusable = False
            return []
        return [data] if self._raw else self._collect(data)

    def _feed(self, data: bytes) -> None:
        try:
            if self._in_head:
                self._feed_llhttp(self._parser, data)
            else:
                self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            rest = data[upgrade.args[0] :]
            if rest:
                self._pieces.append(rest)
        except httptools.HttpParserError as error:
            if self._complete:
                self.reusable = False
            elif isinstance(error.__context__, Refuse):
                raise error.__context__ from None
            else:
                raise Refuse("malformed HTTP") from None
        if self._complete:
            if self._pieces:  # a body behind an answer to HEAD, in the same read as its head
                self._pieces.clear()
                self.reusable = False
            return
        self._flush()
        if self._items:
            self._quiet = 0
        else:
            self._bound(data)

    def eof(self) -> ResponseItem:
        """What the orderly end of the connection means: the END of a body without a length, else something broken."""
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
        """Whether the provider closes behind an answer to HEAD, which llhttp takes for one until close."""
        return version != "1.1" or b"close" in self._table.get(b"connection", b"").lower()

    # llhttp's callbacks

    def on_message_begin(self) -> None:
        if self._complete:
            raise Refuse("bytes behind the end of the answer")
        self._new_message()
        self._open = True
        self._reason = b""
        self._size = self._spent  # interim answers count: together they are as long as one head may be

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
            self._parser = httptools.HttpResponseParser(self)  # this one would wait for a body that never comes
            self._end()

    def on_message_complete(self) -> None:
        self._open = False
        self._in_head = True  # where this was an interim answer; the final one is still to come
        if self._head is not None and self._head.status == 101:
            self._raw = True
        elif self._head is not None and not self._complete:
            self._end()
