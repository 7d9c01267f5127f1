"""The header of the PROXY protocol (versions 1 and 2), which tells for whom a proxy has opened a connection.

Twisted's own reader is private, and wants the first 16 bytes in one read.
"""

from __future__ import annotations

import re
import struct
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, TypeAlias

from attrs import field, frozen

SocketAddress: TypeAlias = "tuple[str, int]"

_V1: Final = b"PROXY "
_V2: Final = b"\r\n\r\n\0\r\nQUIT\n"
_LONGEST_V1: Final = 107
"""Bytes, with the line's end (the specification, 2.1)."""
_LONGEST_V2: Final = 16 + 4096
_V1_LINE = re.compile(rb"PROXY (TCP4|TCP6) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) ([0-9]{1,5}) ([0-9]{1,5})")


class BadHeader(ValueError):
    """What came is no header of the PROXY protocol."""


@frozen
class ProxyHeader:
    """What a header says.

    Attributes:
        client: the address that connected to the proxy; None where the proxy speaks for itself, or does not know.
        server: the address that it connected to.
        rest: the bytes behind the header.
    """

    client: SocketAddress | None
    server: SocketAddress | None
    rest: bytes = field(repr=False)


def read_header(data: bytes) -> ProxyHeader | None:
    """The header at the beginning of `data`; None while it is not complete.

    Raises:
        BadHeader: there is none.
    """
    if data.startswith(_V2):
        return _read_v2(data)
    if data.startswith(_V1):
        return _read_v1(data)
    if _V1.startswith(data) or _V2.startswith(data):
        return None
    raise BadHeader


def _read_v1(data: bytes) -> ProxyHeader | None:
    line, end, rest = data.partition(b"\r\n")
    if len(line) + len(end) > _LONGEST_V1:
        raise BadHeader
    if not end:
        return None
    if line.startswith(b"PROXY UNKNOWN"):
        return ProxyHeader(None, None, rest)
    match = _V1_LINE.fullmatch(line)
    if match is None:
        raise BadHeader
    version = 4 if match[1] == b"TCP4" else 6
    return ProxyHeader(_address(match[2], match[4], version), _address(match[3], match[5], version), rest)


def _address(host: bytes, port: bytes, version: int) -> SocketAddress:
    try:
        address = ip_address(host.decode("ascii"))
    except ValueError:
        raise BadHeader from None
    if address.version != version or int(port) > 65535:
        raise BadHeader
    return str(address), int(port)


def _read_v2(data: bytes) -> ProxyHeader | None:
    if len(data) < 16:
        return None
    kind, family, length = struct.unpack("!BBH", data[12:16])
    if kind not in (0x20, 0x21) or 16 + length > _LONGEST_V2:
        raise BadHeader
    if len(data) < 16 + length:
        return None
    body, rest = data[16 : 16 + length], data[16 + length :]
    if kind == 0x20 or family not in (0x11, 0x21):  # the proxy itself, or what has no internet address
        return ProxyHeader(None, None, rest)
    size = 4 if family == 0x11 else 16
    if length < 2 * size + 4:
        raise BadHeader
    make = IPv4Address if family == 0x11 else IPv6Address
    client, server = make(body[:size]), make(body[size : 2 * size])
    client_port, server_port = struct.unpack("!HH", body[2 * size : 2 * size + 4])
    return ProxyHeader((str(client), client_port), (str(server), server_port), rest)
