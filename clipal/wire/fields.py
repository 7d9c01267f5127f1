"""Header fields: which of them may cross the proxy, and how a head is written.

Fields are the (name, value) pairs of bytes that the parser found. All permitted differences between the fields that
came and the fields that go are in this module:

- Hop-by-hop fields are dropped (RFC 9110, 7.6.1), and the framing of a body is that of the next hop.
- In a request, the client's credentials are dropped, the provider's key takes their place, and Host is the provider's.
- A name that spells one of these with underscores is dropped too, because CGI-like servers take both for one name.
"""

from __future__ import annotations

from functools import lru_cache
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
    if len(head.keys) == len(head.table):
        return _tokens(head.table[b"connection"])
    listed = [value for key, (_, value) in zip(head.keys, head.fields, strict=True) if key == b"connection"]
    return _tokens(b",".join(listed))


@lru_cache(maxsize=64)  # nearly always one of three
def _tokens(connection: bytes) -> frozenset[bytes]:
    return frozenset(token.strip(b" \t").lower() for token in connection.split(b",")) - _FRAMING


def request_fields(head: RequestHead, host: bytes, credential: Credential, length: int) -> Fields:
    """The fields of a request to a provider: the client's own, in their order, with the permitted differences.

    Parameters:
        host: the provider's, as Host names it.
        length: of the body in bytes; it is written where the client announced a body.
    """
    fields: Fields = [] if b"host" in head.table else [(b"Host", host)]
    dropped = _NOT_UPWARDS | _named_by_connection(head) if b"connection" in head.table else _NOT_UPWARDS
    underscores = b"_" in b"".join(head.keys)  # one look at all of them: hardly any request has one
    pending = credential.key
    for key, pair in zip(head.keys, head.fields, strict=True):
        if key not in _REWRITTEN:
            if key in dropped or key.startswith(b"proxy-") or (underscores and _stays_behind(key, dropped)):
                continue
            fields.append(pair)
        elif key == b"host":
            fields.append((pair[0], host))
        elif key in CREDENTIALS:
            if pending:
                fields.append((pair[0] if key == pending else credential.name, credential.value))
                pending = b""
        elif key == b"content-length":
            fields.append((pair[0], b"%d" % length))
        elif key == b"sec-websocket-protocol":
            fields += _without_key(pair)
        else:
            fields.append((b"Content-Length", b"%d" % length))
    if pending:
        fields.append((credential.name, credential.value))
    return fields


def _stays_behind(key: bytes, dropped: frozenset[bytes]) -> bool:
    """Whether a name with underscores spells one that does not go up as it is."""
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


def response_head(head: ResponseHead, *, chunked: bool, connection: bytes | None) -> bytes:
    """An answer's head as a client gets it: the provider's own, with the permitted differences.

    Parameters:
        chunked: whether the body goes to the client in chunks.
        connection: what Connection says to the client, or None for nothing.
    """
    lines = [b"HTTP/1.1 %d %b\r\n" % (head.status, head.reason)]
    dropped = _HOP_BY_HOP | _named_by_connection(head) if b"connection" in head.table else _HOP_BY_HOP
    for key, (name, value) in zip(head.keys, head.fields, strict=True):
        if key not in dropped and not key.startswith(b"proxy-") and (chunked or key != b"trailer"):
            lines.append(b"%b: %b\r\n" % (name, value))
    if chunked:
        lines.append(b"Transfer-Encoding: chunked\r\n")
    if connection is not None:
        lines.append(b"Connection: %b\r\n" % connection)
    lines.append(b"\r\n")
    return b"".join(lines)


def last_chunk(trailers: Fields) -> bytes:
    """What ends a chunked body (RFC 9112, 7.1), with the trailers that may follow it."""
    if not trailers:
        return b"0\r\n\r\n"
    lines = [b"%b: %b\r\n" % pair for pair in trailers if pair[0].lower() not in _NOT_IN_TRAILERS]
    return b"0\r\n%b\r\n" % b"".join(lines)
