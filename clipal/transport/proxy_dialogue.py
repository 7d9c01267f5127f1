"""What is said to a forward proxy until it makes a tunnel, and how its answers are understood; no I/O.

The proxy is asked with CONNECT (RFC 9110, 9.3.6), or with SOCKS5 (RFC 1928, 1929), whose messages python-socks makes
and reads.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Generator
from typing import Final, TypeAlias

from attrs import define
from python_socks._protocols import socks5
from python_socks._protocols.errors import ReplyError

from clipal.config.reach import ForwardProxy

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: [^\r\n]*)?\r\n")
_UNREACHED: Final = {502, 503, 504}
"""Answers to CONNECT that speak of the host (RFC 9110, 15.6)."""
_SOCKS_UNREACHED: Final = {3, 4, 5, 6}
"""SOCKS5's: network or host unreachable, connection refused, TTL expired (RFC 1928, 6)."""

AnswerLength: TypeAlias = "Callable[[bytes], int | None]"
"""Finds where an answer ends: its length, from all bytes that have come; None while the answer is not complete."""
ProxyDialogue: TypeAlias = "Generator[tuple[bytes, AnswerLength], bytes, None]"
"""A generator that yields the bytes to send, with what finds the end of their answer, and is sent that answer."""


class ProxyFailed(Exception):
    """The proxy cannot be reached, or makes no tunnel. Its text speaks of the proxy, without an address or password."""


class HostUnreached(Exception):
    """The proxy says that it cannot reach the host."""


@define(eq=False)
class Progress:
    """How far one connection has come.

    Attributes:
        asked: whether a delay is the host's: the proxy has been asked for the host, or the host's name is looked up
            here.
    """

    asked: bool = False


def dialogue_with(proxy: ForwardProxy, host: str, port: int, progress: Progress) -> ProxyDialogue:
    """The dialogue with a proxy of any kind.

    Parameters:
        host: the tunnel's other end, a name in ASCII or an address.
    """
    return (ask_socks if proxy.scheme.startswith("socks") else ask_http)(proxy, host, port, progress)


def socks_failure(error: ReplyError) -> ProxyFailed | HostUnreached:
    """The exception for a SOCKS5 proxy's refusal."""
    kind = HostUnreached if error.error_code in _SOCKS_UNREACHED else ProxyFailed
    return kind(_SAID.get(error.error_code or 0, "it refused"))


# CONNECT


def ask_http(proxy: ForwardProxy, host: str, port: int, progress: Progress) -> ProxyDialogue:
    """The dialogue with an HTTP proxy."""
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [b"CONNECT %b HTTP/1.1" % place.encode("ascii"), b"Host: %b" % place.encode("ascii")]
    if proxy.user:
        credentials = b64encode(proxy.user.reveal() + b":" + proxy.password.reveal())
        lines.append(b"Proxy-Authorization: Basic %b" % credentials)
    progress.asked = True
    reply = yield b"\r\n".join([*lines, b"", b""]), _head_length
    while (status := _status(reply)) < 200:
        reply = yield b"", _head_length
    if status in _UNREACHED:
        raise HostUnreached(f"the forward proxy answered {status}")
    if status in (401, 407):
        raise ProxyFailed(f"it wants another user or password ({status})")
    if not 200 <= status < 300:
        raise ProxyFailed(f"it refused the connection ({status})")


def _head_length(data: bytes) -> int | None:
    if not data.startswith(b"HTTP/1."[: len(data)]):
        raise ProxyFailed("it speaks no HTTP")
    end = data.find(b"\r\n\r\n")
    return None if end < 0 else end + 4


def _status(head: bytes) -> int:
    line = _STATUS_LINE.match(head)
    if line is None:
        raise ProxyFailed("it speaks no HTTP")
    return int(line[1])


# SOCKS5

_SAID: Final = {
    2: "it does not allow this connection",
    3: "network unreachable behind the forward proxy",
    4: "host unreachable behind the forward proxy",
    5: "connection refused behind the forward proxy",
    6: "no way to the host behind the forward proxy",
    7: "it does not make connections",
    8: "it does not know this kind of address",
}


def ask_socks(proxy: ForwardProxy, host: str, port: int, progress: Progress) -> ProxyDialogue:
    """The dialogue with a SOCKS5 proxy."""
    user, password = (secret.reveal().decode("ascii") for secret in (proxy.user, proxy.password))
    socks = socks5.Connection()
    reply = yield socks.send(socks5.AuthMethodsRequest(user, password)), _two_bytes
    if reply[:1] != b"\x05":
        raise ProxyFailed("it speaks no SOCKS5")
    if reply == b"\x05\xff":
        raise ProxyFailed("it wants another user or password")
    chosen = socks.receive(reply)
    if isinstance(chosen, socks5.AuthMethodReply) and chosen.method is socks5.AuthMethod.USERNAME_PASSWORD:
        reply = yield socks.send(socks5.AuthRequest(user, password)), _two_bytes
        if reply[1:] != b"\x00":
            raise ProxyFailed("it wants another user or password")
        socks.receive(reply)
    progress.asked = True
    reply = yield socks.send(socks5.ConnectRequest(host, port)), _socks_length
    if reply[:1] != b"\x05":
        raise ProxyFailed("it speaks no SOCKS5")
    socks.receive(reply)


def _two_bytes(data: bytes) -> int | None:
    return 2 if len(data) >= 2 else None


def _socks_length(data: bytes) -> int | None:
    """The length of a reply, whose address may be of any kind. A reply that refuses may end behind its second byte."""
    if len(data) >= 2 and data[1:2] != b"\x00":
        return len(data)
    if len(data) >= 4 and data[3] not in (1, 3, 4):
        raise ProxyFailed("it speaks no SOCKS5")
    if len(data) < 5:
        return None
    length = {1: 10, 3: 7 + data[4], 4: 22}[data[3]]
    return length if len(data) >= length else None
