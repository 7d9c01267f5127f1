"""The header of the PROXY protocol: whose address it tells, wherever it is cut, and what is no header."""

from __future__ import annotations

import struct

import pytest

from clipal.wire.proxy_protocol import BadHeader, ProxyHeader, read_header

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V4 = struct.pack("!4s4sHH", bytes((192, 0, 2, 7)), bytes((192, 0, 2, 1)), 65535, 0)
V6 = struct.pack("!16s16sHH", bytes(15) + b"\7", bytes(15) + b"\1", 4711, 443)
LONGEST = (
    b"PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"
)


def version_2(kind: int, family: int, body: bytes) -> bytes:
    return SIGNATURE + struct.pack("!BBH", kind, family, len(body)) + body


V4_ADDRESSES = (("192.0.2.7", 65535), ("192.0.2.1", 0))
V6_ADDRESSES = (("::7", 4711), ("::1", 443))
HEADERS = {
    "TCP4": (b"PROXY TCP4 192.0.2.7 192.0.2.1 65535 0\r\n", V4_ADDRESSES),
    "TCP6": (b"PROXY TCP6 ::7 ::1 4711 443\r\n", V6_ADDRESSES),
    "unknown": (b"PROXY UNKNOWN\r\n", (None, None)),
    "unknown, with addresses": (LONGEST, (None, None)),
    "2, IPv4": (version_2(0x21, 0x11, V4), V4_ADDRESSES),
    "2, IPv6": (version_2(0x21, 0x21, V6), V6_ADDRESSES),
    "2, with more about the connection": (version_2(0x21, 0x11, V4 + b"\x03\x00\x01x"), V4_ADDRESSES),
    "2, the proxy itself": (version_2(0x20, 0x11, V4), (None, None)),
    "2, a UNIX socket": (version_2(0x21, 0x31, bytes(216)), (None, None)),
    "2, the longest": (version_2(0x21, 0x11, V4 + bytes(4096 - len(V4))), V4_ADDRESSES),
}


@pytest.mark.parametrize(("header", "addresses"), HEADERS.values(), ids=HEADERS)
def test_a_header_is_complete_at_its_last_byte(
    header: bytes, addresses: tuple[tuple[str, int] | None, tuple[str, int] | None]
) -> None:
    assert [read_header(header[:end]) for end in range(len(header))] == [None] * len(header)
    for rest in (b"", b"GET / HTTP/1.1\r\n"):
        read = read_header(header + rest)
        assert read == ProxyHeader(*addresses, rest)
        assert "GET" not in repr(read)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"\r\n\r\nGET",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 65536 0\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 0 65536\r\n",
        b"PROXY TCP4 ::7 ::1 1 1\r\n",
        b"PROXY TCP6 192.0.2.7 192.0.2.1 1 1\r\n",
        b"PROXY TCP4 192.0.2.7 ::1 1 1\r\n",
        b"PROXY TCP4 192.0.2.777 192.0.2.1 1 1\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 1\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 1 1 \r\n",
        b"PROXY UDP4 192.0.2.7 192.0.2.1 1 1\r\n",
        b"PROXY " + b"1" * 102,
        b" \r\n".join(LONGEST.split(b"\r\n")),
        version_2(0x11, 0x11, V4),
        version_2(0x22, 0x11, V4),
        version_2(0x21, 0x11, V4[:-1]),
        version_2(0x21, 0x21, V6[:-1]),
        version_2(0x21, 0x11, bytes(4097)),
        version_2(0x21, 0x11, bytes(4097))[:16],
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(BadHeader):
        read_header(data)
