"""Every way of listening serves as a plain port does: UNIX sockets, TLS, the PROXY protocol."""

from __future__ import annotations

import json
import socket
import ssl
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from clipal.config.endpoint import Endpoint, TLSFiles
from clipal.downstream.capacity import SPARE
from clipal.transport.tcp import EagerServer
from tests.proxy import Proxy, provider
from tests.wirekit.client import request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import Hang, Reset, Send, Wait, answer, chunk, chunked
from tests.wirekit.tls import Authority
from tests.wirekit.waiting import reactor
from tests.world import World

POST = request(b"POST", b"/claudecode/v1/messages", body=b"{}")
STATUS = request(b"GET", b"/status")
WAYS = ("tcp", "unix", "ssl", "haproxy:tcp", "haproxy:unix", "haproxy:ssl", "unix+tls")
HEADER = b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 443\r\n"


def endpoint(way: str, directory: Path, authority: Authority) -> Endpoint:
    certificate, key = authority.issue(directory)
    files = TLSFiles(certificate, key)
    kind = way.rpartition(":")[2]
    made = {
        "tcp": Endpoint.tcp("127.0.0.1", 0),
        "ssl": Endpoint.tcp("127.0.0.1", 0, files),
        "unix": Endpoint("unix:", path=directory / "socket"),
        "unix+tls": Endpoint("unix:", path=directory / "socket", tls=files),
    }[kind]
    return evolve(made, proxied=way.startswith("haproxy:"))


class Blocking:
    """A client of its own thread: a socket, as a program on the other side has it."""

    def __init__(self, way: str, proxy: Proxy, directory: Path, authority: Authority, header: bytes = HEADER) -> None:
        if "unix" in way:
            raw = socket.socket(socket.AF_UNIX)
            raw.settimeout(10)
            raw.connect(str(directory / "socket"))
        else:
            raw = socket.create_connection(("127.0.0.1", proxy.port), 10)
        if way.startswith("haproxy:"):
            for byte in header:  # however it is cut
                raw.send(bytes((byte,)))
        self.raw: Any = raw
        if "ssl" in way or "tls" in way:
            context = ssl.create_default_context(cafile=authority.certificates)
            context.set_alpn_protocols(["http/1.1"])
            self.raw = context.wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False)

    def ask(self, data: bytes) -> bytes:
        """All that comes until the connection ends, and then how it ended."""
        self.raw.sendall(data)
        return self.rest()

    def rest(self) -> bytes:
        found = b""
        try:
            while piece := self.raw.recv(65536):
                found += piece
        except OSError as error:
            found += f"<{type(error).__name__}>".encode()
        self.raw.close()
        return found


def closing(data: bytes) -> bytes:
    return data.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)


@pytest.mark.parametrize("way", WAYS)
@ensure_deferred
async def test_it_serves(world: World, way: str, tmp_path: Path, authority: Authority) -> None:
    big = b"x" * 3_000_000
    upstream = world.upstream(answer(200, big))
    proxy = world.proxy(
        {"claudecode": [provider("one", upstream.base_url)]},
        protected_mode=False,
        listen=(endpoint(way, tmp_path, authority),),
    )

    def talk() -> bytes:
        client = Blocking(way, proxy, tmp_path, authority)
        if isinstance(client.raw, ssl.SSLSocket):
            assert client.raw.selected_alpn_protocol() == "http/1.1"
        return client.ask(closing(request(b"POST", b"/claudecode/v1/messages", body=b"b" * 300_000)))

    said = await deferToThread(talk)
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert body == big
    assert upstream.requests[0].body == b"b" * 300_000


@pytest.mark.parametrize("way", WAYS)
@ensure_deferred
async def test_a_refusal_is_read_to_its_end(world: World, way: str, tmp_path: Path, authority: Authority) -> None:
    """The client is still sending: a plain close would reset the connection under it."""
    proxy = world.proxy(
        {}, protected_mode=False, listen=(endpoint(way, tmp_path, authority),), max_request_body_bytes=10
    )
    body = request(b"POST", b"/claudecode/v1/messages", body=b"b" * 200_000)
    said = await deferToThread(lambda: Blocking(way, proxy, tmp_path, authority).ask(body))
    assert said.startswith(b"HTTP/1.1 413")
    assert said.endswith(b"}"), "a clean end"


@pytest.mark.parametrize("way", WAYS)
@ensure_deferred
async def test_a_cut_answer_does_not_look_whole(world: World, way: str, tmp_path: Path, authority: Authority) -> None:
    upstream = world.upstream((*chunked(b"begin", last=False), Reset()))
    proxy = world.proxy(
        {"claudecode": [provider("one", upstream.base_url)]},
        protected_mode=False,
        listen=(endpoint(way, tmp_path, authority),),
    )
    said = await deferToThread(lambda: Blocking(way, proxy, tmp_path, authority).ask(POST))
    assert b"begin" in said, "all that came before the cut"
    assert not said.endswith(b"0\r\n\r\n")
    if "unix" not in way:  # a UNIX socket cannot be reset
        assert said.endswith((b"<ConnectionResetError>", b"<SSLEOFError>"))


@pytest.mark.parametrize("way", WAYS)
@ensure_deferred
async def test_a_client_that_is_gone_stops_the_provider(
    world: World, way: str, tmp_path: Path, authority: Authority
) -> None:
    upstream = world.upstream((*chunked(b"begin", last=False), Hang()))
    proxy = world.proxy(
        {"claudecode": [provider("one", upstream.base_url)]},
        protected_mode=False,
        listen=(endpoint(way, tmp_path, authority),),
    )

    def leave() -> None:
        client = Blocking(way, proxy, tmp_path, authority)
        client.raw.sendall(POST)
        assert client.raw.recv(1)
        client.raw.close()

    await deferToThread(leave)
    await upstream.next_connection_lost()


@pytest.mark.parametrize("way", WAYS)
@ensure_deferred
async def test_a_client_that_does_not_read_stops_the_provider_and_gets_all(
    world: World, way: str, tmp_path: Path, authority: Authority
) -> None:
    go: Deferred[None] = Deferred()
    piece = b"y" * 1_000_000
    script = (*chunked(piece, last=False), *(Send(chunk(piece)) for _ in range(7)), Wait(go), Send(b"0\r\n\r\n"))
    upstream = world.upstream(script)
    proxy = world.proxy(
        {"claudecode": [provider("one", upstream.base_url)]},
        protected_mode=False,
        listen=(endpoint(way, tmp_path, authority),),
    )
    client = await deferToThread(lambda: Blocking(way, proxy, tmp_path, authority))
    await deferToThread(client.raw.sendall, closing(POST))
    for _ in range(500):
        if any(each.transport.waits_since is not None for each in proxy.service.site.channels):
            break
        await deferLater(reactor, 0.01)
    (channel,) = proxy.service.site.channels
    assert isinstance(channel.transport, EagerServer), "the hot path's transport"
    assert channel.transport.waits_since is not None
    go.callback(None)
    said = await deferToThread(client.rest)
    assert said.count(b"y") == 8_000_000
    assert said.endswith(b"0\r\n\r\n")


# Addresses


@pytest.mark.parametrize(
    "header",
    [
        HEADER,
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack("!H4s4sHH", 12, bytes((192, 0, 2, 7)), bytes(4), 4711, 443),
        b"PROXY TCP6 2001:db8::7 ::1 4711 443\r\n",
    ],
    ids=["version 1", "version 2", "IPv6"],
)
@ensure_deferred
async def test_the_clients_address_comes_by_the_proxy_protocol(
    world: World, header: bytes, tmp_path: Path, authority: Authority
) -> None:
    proxy = world.proxy({}, listen=(endpoint("haproxy:tcp", tmp_path, authority),))
    said = await deferToThread(lambda: Blocking("haproxy:tcp", proxy, tmp_path, authority, header).ask(closing(STATUS)))
    assert said.startswith(b"HTTP/1.1 403")


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY TCP4 127.0.0.1 127.0.0.1 4711 443\r\n",
        b"PROXY UNKNOWN\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00",
    ],
    ids=["loopback", "unknown", "the proxy itself"],
)
@ensure_deferred
async def test_a_proxied_client_is_never_on_this_machine(
    world: World, header: bytes, tmp_path: Path, authority: Authority
) -> None:
    proxy = world.proxy({}, listen=(endpoint("haproxy:tcp", tmp_path, authority),))
    ask: Callable[[bytes], bytes] = lambda what: Blocking(  # noqa: E731
        "haproxy:tcp", proxy, tmp_path, authority, header
    ).ask(closing(what))
    assert (await deferToThread(ask, STATUS)).startswith(b"HTTP/1.1 403")
    assert (await deferToThread(ask, request(b"GET", b"/health"))).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "header",
    [
        POST,
        b"PROXY TCP4 no 127.0.0.1 1 2\r\n",
        b"P" * 200,
        b"PROXY " + b"1" * 200,
        b"PROXY TCP6 1.1.1.1 1.1.1.1 1 1\r\n",
    ],
)
@ensure_deferred
async def test_without_a_header_of_it_nothing_is_served(
    world: World, header: bytes, tmp_path: Path, authority: Authority
) -> None:
    proxy = world.proxy({}, listen=(endpoint("tcp", tmp_path, authority), endpoint("haproxy:tcp", tmp_path, authority)))
    port = int(proxy.service._listening.address.rpartition(":")[2])
    client = await world.connect(port)
    client.send(header)
    assert await client.closed() == "aborted"
    assert not client.received


@ensure_deferred
async def test_a_unix_socket_is_this_machine(world: World, tmp_path: Path, authority: Authority) -> None:
    proxy = world.proxy({}, listen=(endpoint("unix", tmp_path, authority),))
    said = await deferToThread(lambda: Blocking("unix", proxy, tmp_path, authority).ask(closing(STATUS)))
    assert said.startswith(b"HTTP/1.1 200")
    assert json.loads(said.partition(b"\r\n\r\n")[2])["state"] == "serving"
    assert (tmp_path / "socket").stat().st_mode & 0o777 == 0o600
    await proxy.service.stopService()
    assert not (tmp_path / "socket").exists()


@pytest.mark.parametrize("way", ["ssl", "haproxy:tcp", "haproxy:ssl"])
@ensure_deferred
async def test_a_client_that_has_not_begun_http_counts_as_a_connection(
    world: World, way: str, tmp_path: Path, authority: Authority
) -> None:
    listen = (endpoint(way, tmp_path, authority),)
    proxy = world.proxy({}, protected_mode=False, listen=listen, max_connections=1, max_connections_per_address=1)
    silent = [await world.connect(proxy.port) for _ in range(1 + SPARE)]
    late = await world.connect(proxy.port)
    assert await late.closed() == "aborted"
    assert all(each.ended is None for each in silent)
    for each in (silent.pop(0), silent.pop()):
        each.abort()
        await each.closed()
    asking = closing(request(b"GET", b"/health"))
    said = await deferToThread(lambda: Blocking(way, proxy, tmp_path, authority).ask(asking))
    assert said.startswith(b"HTTP/1.1 200")
    refused = closing(POST)
    said = await deferToThread(lambda: Blocking(way, proxy, tmp_path, authority).ask(refused))
    assert b"Too many connections" in said
    for each in silent:
        each.abort()
        await each.closed()
    said = await deferToThread(lambda: Blocking(way, proxy, tmp_path, authority).ask(closing(POST)))
    assert said.startswith(b"HTTP/1.1 503")  # there is no provider
    assert b"Too many connections" not in said
