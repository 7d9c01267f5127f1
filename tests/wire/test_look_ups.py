"""Providers whose names do not resolve: they delay nobody else, and a client that disconnects waits no longer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from attrs import define, field
from twisted.internet.task import deferLater

from clipal.config.reach import ForwardProxy
from tests.proxy import provider
from tests.wirekit.client import request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import chunked
from tests.wirekit.waiting import reactor
from tests.world import World

POST = request(b"POST", b"/claudecode/v1/messages", body=b"{}")
HANDSHAKE = request(
    b"GET",
    b"/codex/v1/responses",
    (
        (b"Host", b"127.0.0.1"),
        (b"Connection", b"Upgrade"),
        (b"Upgrade", b"websocket"),
        (b"Sec-WebSocket-Version", b"13"),
        (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    ),
)


@define
class Names:
    """The system's resolver, which hangs for every name that ends in `.hangs`, and counts what it is asked."""

    released: threading.Event = field(factory=threading.Event)
    asked: list[str] = field(factory=list)

    def getaddrinfo(self, host: str, port: object, *args: Any, **options: Any) -> Any:
        self.asked.append(host)
        if host.endswith(".hangs"):
            self.released.wait()
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        if host == "unknown.example":
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    async def asked_for(self, host: str) -> None:
        while host not in self.asked:
            await deferLater(reactor, 0.005, lambda: None)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    made = Names()
    monkeypatch.setattr(socket, "getaddrinfo", made.getaddrinfo)
    yield made
    made.released.set()
    for thread in threading.enumerate():
        if thread.name == "look-up":
            thread.join()


@ensure_deferred
async def test_hosts_that_hang_delay_no_other_provider(world: World, names: Names) -> None:
    """More of them than the reactor has threads, and more requests than hosts."""
    upstream = world.upstream(chunked(b"hello"))
    hanging = [provider(f"h{number}", f"http://h{number}.hangs") for number in range(15)]
    good = provider("good", f"http://good.example:{upstream.port}")
    proxy = world.proxy({"claudecode": [*hanging, good]}, connect_timeout=0.1)
    clients = [await world.connect(proxy.port) for _ in range(3)]
    for client in clients:
        client.send(POST)
    for client in clients:
        assert (await client.read_response()).body == b"hello"
    assert sorted(names.asked) == sorted([*(f"h{number}.hangs" for number in range(15)), "good.example"])


@ensure_deferred
async def test_a_host_that_hangs_costs_its_requests_connect_timeout(world: World, names: Names) -> None:
    second = world.upstream(chunked(b"other"))
    providers = [provider("one", "http://one.hangs"), provider("two", f"http://two.example:{second.port}")]
    proxy = world.proxy({"claudecode": providers}, connect_timeout=0.05)
    client = await world.connect(proxy.port)
    client.send(POST)
    assert (await client.read_response()).body == b"other"
    assert "one: connection timed out" in proxy.requests[0]


@ensure_deferred
async def test_a_name_that_is_not_known_fails_over(world: World, names: Names) -> None:
    second = world.upstream(chunked(b"other"))
    providers = [provider("one", "http://unknown.example"), provider("two", f"http://two.example:{second.port}")]
    proxy = world.proxy({"claudecode": providers})
    client = await world.connect(proxy.port)
    client.send(POST)
    assert (await client.read_response()).body == b"other"
    assert "one: host name not found" in proxy.requests[0]


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("politely", [True, False])
@ensure_deferred
async def test_a_client_that_disconnects_meanwhile_is_no_reason_to_ask_another(
    world: World,
    names: Names,
    scheme: str,
    politely: bool,
) -> None:
    second = world.upstream(chunked(b"other"))
    providers = [provider("one", f"{scheme}://one.hangs"), provider("two", second.base_url)]
    proxy = world.proxy({"claudecode": providers})
    client = await world.connect(proxy.port)
    client.send(POST)
    await names.asked_for("one.hangs")
    client.close() if politely else client.abort()
    await proxy.logged("waiting for an answer")
    assert not second.connections
    (line,) = proxy.requests
    assert "attempts: 1 [" in line
    route = proxy.service.failovers["claudecode"].route
    assert (route.cursor, route.providers[0].unwell_at) == (None, None)
    assert all(provider.usable(0) for provider in route.providers)


@ensure_deferred
async def test_so_it_is_with_a_websockets_handshake(world: World, names: Names) -> None:
    second = world.upstream(chunked(b"other"))
    urls = ["http://one.hangs", second.base_url]
    proxy = world.proxy({"codex": [provider(f"p{n}", url, websocket=True) for n, url in enumerate(urls)]})
    client = await world.connect(proxy.port)
    client.send(HANDSHAKE)
    await names.asked_for("one.hangs")
    client.abort()
    await proxy.logged("/v1/responses → -")
    assert not second.connections
    assert proxy.service.failovers["codex"].route.providers[0].unwell_at is None


@pytest.mark.parametrize("scheme", ["http", "https"])
@ensure_deferred
async def test_a_client_that_disconnects_while_a_named_host_is_connected_to(
    world: World, names: Names, scheme: str
) -> None:
    """A full backlog: the kernel takes no further connection; and a server that never says hello."""
    silent = socket.create_server(("127.0.0.1", 0), backlog=0 if scheme == "http" else 5)
    fillers = []
    for _ in range(4 if scheme == "http" else 0):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(silent.getsockname())
        fillers.append(filler)
    try:
        second = world.upstream(chunked(b"other"))
        first = provider("one", f"{scheme}://one.example:{silent.getsockname()[1]}")
        proxy = world.proxy({"claudecode": [first, provider("two", second.base_url)]})
        client = await world.connect(proxy.port)
        client.send(POST)
        await names.asked_for("one.example")
        await deferLater(reactor, 0.05, lambda: None)
        client.abort()
        await proxy.logged("waiting for an answer")
        assert not second.connections
        assert proxy.service.failovers["claudecode"].route.providers[0].unwell_at is None
    finally:
        for each in (silent, *fillers):
            each.close()


@pytest.mark.parametrize(
    ("host", "proxy", "problem"),
    [
        ("one.hangs", "127.0.0.1", "one: connection timed out"),
        ("one.example", "proxy.hangs", "one: forward proxy: no answer in time"),
        ("one.example", "unknown.example", "one: forward proxy: its host name was not found"),
        ("unknown.example", "127.0.0.1", "one: host name not found"),
    ],
)
@ensure_deferred
async def test_whose_name_it_is_that_does_not_resolve_says_whose_fault_it_is(
    world: World, names: Names, host: str, proxy: str, problem: str
) -> None:
    """With `socks5`, clipal looks up both the proxy's name and the provider's."""
    through = ForwardProxy("socks5", proxy, world.forward_proxy("socks5").port)
    providers = [provider("one", f"http://{host}", proxy=through)]
    running = world.proxy({"claudecode": providers}, connect_timeout=0.1)
    client = await world.connect(running.port)
    client.send(POST)
    assert (await client.read_response()).status == 503
    assert problem in running.requests[0]
