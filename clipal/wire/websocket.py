"""WebSocket's opening handshake (RFC 6455, 4). The frames behind it are opaque bytes to clipal."""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error
from hashlib import sha1
from typing import Final

from clipal.wire.fields import response_head
from clipal.wire.message import Fields, RequestHead, ResponseHead

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455, 1.3."""
UPGRADE_FIELDS: Final[Fields] = [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")]
"""Fields of a handshake to a provider. The client's own are hop-by-hop and stay behind."""


def asks_for_websocket(head: RequestHead) -> bool:
    """Whether a request asks for WebSocket, in a valid handshake or not."""
    values = [value for key, (_, value) in zip(head.keys, head.fields, strict=True) if key == b"upgrade"]
    return any(_names(value, b"websocket") for value in values)


def opens_websocket(head: RequestHead) -> bool:
    """Whether a request is a client's handshake (RFC 6455, 4.2.1)."""
    table = head.table
    return (
        head.upgrade
        and head.method == b"GET"
        and head.version == "1.1"
        and not head.chunked
        and not head.content_length
        and table.get(b"sec-websocket-version") == b"13"
        and _is_key(table.get(b"sec-websocket-key", b""))
        and asks_for_websocket(head)
    )


def accepts_websocket(request: RequestHead, answer: ResponseHead) -> bool:
    """Whether an answer is the valid handshake of a server that has seen `request` (RFC 6455, 4.1)."""
    digest = sha1(request.table[b"sec-websocket-key"] + _GUID, usedforsecurity=False).digest()
    return (
        answer.status == 101
        and _names(answer.table.get(b"upgrade", b""), b"websocket")
        and _names(answer.table.get(b"connection", b""), b"upgrade")
        and answer.table.get(b"sec-websocket-accept") == b64encode(digest)
    )


def switching_head(head: ResponseHead) -> bytes:
    """A server's handshake as the client gets it: the head of any answer, with the upgrade fields of this hop."""
    return response_head(head, chunked=False, connection=b"Upgrade")[:-2] + b"Upgrade: websocket\r\n\r\n"


def _names(value: bytes, protocol: bytes) -> bool:
    return any(token.strip(b" \t").lower() == protocol for token in value.split(b","))


def _is_key(value: bytes) -> bool:
    """Whether it is 16 bytes in base64."""
    try:
        return len(b64decode(value, validate=True)) == 16
    except Error:
        return False
