"""A client's requests out of bytes.

llhttp's form, and here what it leaves to its caller: limits on the target, the two versions that are served, leaving
HTTP/1.1 only where it is allowed, and bodies of a known length, which need no parsing.
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

_SOME_METHOD = re.compile(rb"(?:\r\n)*[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64} ")


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
        self._left = 0
        self._closes = self._last_is_in = False
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
        if self._left:
            data = self._take_counted(data)
            if not data:
                return
        if self._last_is_in:
            if data.strip(b"\r\n"):  # an empty line there is one that clients of long ago send behind a body
                raise Refuse("bytes behind the last request")
            return
        try:
            self._feed_llhttp(self._parser, data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError as error:
            raise self._refusal(error) from None
        if self._open and not self._in_head and b"content-length" in self._table:
            self._count()
        self._flush()
        if self._items:
            self._quiet = 0
        else:
            self._bound(data)

    def _count(self) -> None:
        """Takes the rest of a body of a known length as it comes: there is nothing to parse, and llhttp copies it.

        The next request begins with another parser. (0.15 ms a megabyte.)
        """
        self._left = int(self._table[b"content-length"]) - sum(map(len, self._pieces))
        self._closes = not self._parser.should_keep_alive()
        self._parser = httptools.HttpRequestParser(self)

    def _take_counted(self, data: bytes) -> bytes:
        """Takes what is the body's; returns what is not."""
        rest = data[self._left :]
        if rest:
            data = data[: self._left]
        self._items.append(data)
        self._left -= len(data)
        if not self._left:
            self.on_message_complete()
            self._last_is_in = self._closes
        return rest

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
