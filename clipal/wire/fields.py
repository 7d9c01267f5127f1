"""Header fields: which of them may cross the proxy, and how a head is written.

Fields are the (name, value) pairs of bytes that the parser found. All permitted differences between the fields that
came and the fields that go are in this module:

- Hop-by-hop fields are dropped (RFC 9110, 7.6.1), and the framing of a body is that of the next hop.
- In a request, the client's credentials are dropped, the provider's key takes their place, and Host is the provider's.
- A name that spells one of these with underscores is dropped too, because CGI-like servers take both for one name.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import compress
from typing import Final

from attrs import field, frozen

from clipal.wire.message import Fields, RequestHead, ResponseHead

CREDENTIALS: Final = frozenset([b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key"])
"""Fields in which a client may send its key. The provider's key takes the place of the first of them."""

_HOP_BY_HOP: Final = frozenset([b"connection", b"keep-alive", b"te", b"transfer-encoding", b"upgrade"])
_NOT_UPWARDS: Final = _HOP_BY_HOP | {b"trailer", b"expect", b"http2-settings", b"cookie", b"chatgpt-account-id"}
_REWRITTEN: Final = CREDENTIALS | {b"host", b"content-length", b"transfer-encoding", b"sec-websocket-protocol"}
KEY_AS_PROTOCOL: Final = b"openai-insecure-api-key."
"""The prefix of a subprotocol that holds a key. A web page cannot set Authorization for a WebSocket."""
_FRAMING: Final = frozenset([b"content-length", b"host"])
"""Fields that Connection cannot remove, because the message would be read differently without them."""
_NONE: Final[frozenset[bytes]] = frozenset()
_SETS_UP: Final = 64
_SETS_DOWN: Final = 16
"""How many sets of names are remembered, of requests and of answers. A client sends one or two of them, and a provider
too; an answer's are fewer because its head may be larger.

No value but Connection's is remembered, so no key is.
"""
_SET: Final = 64
"""Names of a set that is remembered, at most, so that the memory for all of them is bounded."""
_NOT_IN_TRAILERS: Final = _HOP_BY_HOP | {
    b"content-length",
    b"host",
    b"trailer",
    b"content-encoding",
    b"content-type",
}
"""Fields that are dropped from a trailer section, because they change how the message is read (RFC 9110, 6.5.1)."""


@frozen
class Credential:
    """A provider's key, ready to be written.

    Attributes:
        key: the lower-case name of the field; empty for a key that travels in the query, and for none at all.
        name: the same in its usual case.
    """

    key: bytes = b""
    name: bytes = b""
    value: bytes = field(default=b"", repr=False)


def _named_by_connection(head: RequestHead | ResponseHead) -> frozenset[bytes]:
    """The lower-case names that the Connection fields list (RFC 9110, 7.6.1)."""
    if b"connection" not in head.table:
        return _NONE
    if len(head.keys) == len(head.table):
        return _tokens(head.table[b"connection"])
    listed = [value for key, (_, value) in zip(head.keys, head.fields, strict=True) if key == b"connection"]
    return _tokens(b",".join(listed))


@lru_cache(maxsize=_SETS_DOWN)  # nearly always one of three
def _tokens(connection: bytes) -> frozenset[bytes]:
    return frozenset(token.strip(b" \t").lower() for token in connection.split(b",")) - _FRAMING


@frozen
class Upwards:
    """What becomes of a request's fields on their way to a provider, as far as their names decide it.

    Attributes:
        kept: for each field whether it goes up.
        rewritten: the fields that go up with another value, from the last to the first: the place among those that go
            up, and the lower-case name.
        shows_key: whether the client shows a key in a field; the first such field goes up, with the provider's key.
    """

    kept: tuple[bool, ...]
    rewritten: tuple[tuple[int, bytes], ...]
    shows_key: bool


@lru_cache(maxsize=_SETS_UP)
def _upwards(keys: tuple[bytes, ...], named: frozenset[bytes]) -> Upwards:
    dropped = _NOT_UPWARDS | named
    kept: list[bool] = []
    rewritten: list[tuple[int, bytes]] = []
    shows_key = False
    for key in keys:
        if key in CREDENTIALS:
            stays, shows_key = not shows_key, True
        else:
            stays = key in _REWRITTEN or not _stays_behind(key, dropped)
        if stays and key in _REWRITTEN:
            rewritten.append((sum(kept), key))
        kept.append(stays)
    return Upwards(tuple(kept), tuple(reversed(rewritten)), shows_key)


def request_fields(head: RequestHead, host: bytes, credential: Credential, length: int) -> Fields:
    """The fields of a request to a provider: the client's own, in their order, with the permitted differences.

    Parameters:
        host: the provider's, as Host names it.
        length: of the body in bytes; it is written where the client announced a body.
    """
    keys, named = tuple(head.keys), _named_by_connection(head)
    upwards = _upwards(keys, named) if len(keys) <= _SET else _upwards.__wrapped__(keys, named)
    fields = list(compress(head.fields, upwards.kept))
    for at, key in upwards.rewritten:
        name = fields[at][0]
        if key == b"host":
            fields[at] = (name, host)
        elif key == b"content-length":
            fields[at] = (name, b"%d" % length)
        elif key in CREDENTIALS:
            mine = (name if key == credential.key else credential.name, credential.value)
            fields[at : at + 1] = [mine] if credential.key else []
        elif key == b"sec-websocket-protocol":
            fields[at : at + 1] = _without_key(fields[at])
        else:
            fields[at] = (b"Content-Length", b"%d" % length)
    if credential.key and not upwards.shows_key:
        fields.append((credential.name, credential.value))
    if b"host" not in head.table:
        fields.insert(0, (b"Host", host))
    return fields


def _stays_behind(key: bytes, dropped: frozenset[bytes]) -> bool:
    """Whether a field does not go up; a name with underscores may spell one that does not go up as it is."""
    if key in dropped or key.startswith(b"proxy-"):
        return True
    plain = key.replace(b"_", b"-")
    return plain != key and (plain in _REWRITTEN or plain in dropped or plain.startswith(b"proxy-"))


def _without_key(protocols: tuple[bytes, bytes]) -> Fields:
    """Sec-WebSocket-Protocol without an item that is a key; no field where nothing else was in it."""
    name, value = protocols
    if KEY_AS_PROTOCOL not in value.lower():
        return [protocols]
    kept = [item for item in value.split(b",") if not item.strip(b" \t").lower().startswith(KEY_AS_PROTOCOL)]
    rest = b",".join(kept).strip(b" \t")
    return [(name, rest)] if rest else []


@lru_cache(maxsize=_SETS_DOWN)
def _downwards(keys: tuple[bytes, ...], named: frozenset[bytes], chunked: bool) -> tuple[bool, ...]:
    """For each field of an answer whether it goes to the client."""
    dropped = _HOP_BY_HOP | named
    return tuple(
        key not in dropped and not key.startswith(b"proxy-") and (chunked or key != b"trailer") for key in keys
    )


def response_head(head: ResponseHead, *, chunked: bool, connection: bytes | None) -> bytes:
    """An answer's head as a client gets it: the provider's own, with the permitted differences.

    Parameters:
        chunked: whether the body goes to the client in chunks.
        connection: what Connection says to the client, or None for nothing.
    """
    keys, named = tuple(head.keys), _named_by_connection(head)
    downwards = _downwards if len(keys) <= _SET else _downwards.__wrapped__
    lines = [b"HTTP/1.1 %d %b" % (head.status, head.reason)]
    lines += map(b": ".join, compress(head.fields, downwards(keys, named, chunked)))
    if chunked:
        lines.append(b"Transfer-Encoding: chunked")
    if connection is not None:
        lines.append(b"Connection: " + connection)
    lines.append(b"\r\n")
    return b"\r\n".join(lines)


def last_chunk(trailers: Fields) -> bytes:
    """What ends a chunked body (RFC 9112, 7.1), with the trailers that may follow it."""
    if not trailers:
        return b"0\r\n\r\n"
    lines = [b"%b: %b\r\n" % pair for pair in trailers if pair[0].lower() not in _NOT_IN_TRAILERS]
    return b"0\r\n%b\r\n" % b"".join(lines)
