"""Providers over TLS, through the whole proxy: which endings of an answer count, and what failures are called."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import frozen
from twisted.internet.defer import Deferred

from tests.proxy import Proxy, provider
from tests.wirekit.client import request
from tests.wirekit.connection import RawConnection
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import Close, Hang, Send, Steps, answer, chunked, head
from tests.wirekit.tls import Authority
from tests.world import World

MODELS = request(b"GET", b"/claudecode/v1/models")
TO_CLOSE = Send(head(200) + b"hello")


@frozen
class Fin:
    """Close the connection below TLS, without a close_notify; the last step."""

    async def run(self, connection: RawConnection) -> None:
        connection._tcp().loseConnection()
        await Deferred()


Start = Callable[..., Proxy]


@pytest.fixture
def start(world: World, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Start:
    """A proxy that trusts the tests' authority, with a provider for each URL."""
    for name, value in authority.environment.items():
        monkeypatch.setenv(name, value)

    def started(*urls: str, **settings: object) -> Proxy:
        return world.proxy({"claudecode": [provider(f"p{at}", url) for at, url in enumerate(urls)]}, **settings)

    return started


@pytest.mark.parametrize("end", [Close(), Fin()], ids=["close_notify", "FIN"])
@ensure_deferred
async def test_a_body_until_close_is_whole_only_after_a_close_notify(
    start: Start, world: World, authority: Authority, end: Close | Fin
) -> None:
    """A FIN may come from anybody on the way: RFC 8446, 6.1, and RFC 9112, 9.8."""
    upstream = world.upstream((TO_CLOSE, end), tls=authority.server)
    client = await world.connect(start(upstream.base_url).port)
    client.send(MODELS)
    got = await client.read_response()
    assert got.body == b"hello"
    assert got.complete is isinstance(end, Close)


@pytest.mark.parametrize("script", [answer(200, b"hello"), chunked(b"hello")], ids=["length", "chunked"])
@ensure_deferred
async def test_a_body_that_says_where_it_ends_needs_no_close_notify(
    start: Start, world: World, authority: Authority, script: Steps
) -> None:
    upstream = world.upstream((*script, Fin()), tls=authority.server)
    client = await world.connect(start(upstream.base_url).port)
    for number in range(2):
        client.send(MODELS)
        got = await client.read_response()
        assert got.complete
        assert got.body == b"hello"
        assert (await upstream.next_connection_lost()).number == number


@ensure_deferred
async def test_a_connection_is_used_again_for_large_bodies_both_ways(
    start: Start, world: World, authority: Authority
) -> None:
    body = bytes(range(256)) * 8192
    upstream = world.upstream(lambda asked: answer(200, asked.body), tls=authority.server)
    client = await world.connect(start(upstream.base_url).port)
    for _ in range(3):
        client.send(request(b"POST", b"/claudecode/v1/messages", body=body))
        assert (await client.read_response()).body == body
    assert len(upstream.connections) == 1


@ensure_deferred
async def test_a_certificate_for_another_host_is_named(start: Start, world: World, authority: Authority) -> None:
    stranger = world.upstream(answer(200), tls=authority.stranger)
    good = world.upstream(answer(200, b"good"), tls=authority.server)
    by_name = good.base_url.replace("127.0.0.1", "localhost")
    proxy = start(stranger.base_url, by_name)
    client = await world.connect(proxy.port)
    client.send(MODELS)
    assert (await client.read_response()).body == b"good"
    assert "p0: the certificate is for another host" in proxy.requests[0]
    assert not stranger.requests


@ensure_deferred
async def test_a_silent_handshake_ends_with_the_connect_timeout(start: Start, world: World) -> None:
    silent = world.upstream(on_connect=(Hang(),), scheme="https")
    proxy = start(silent.base_url, connect_timeout=0.1)
    client = await world.connect(proxy.port)
    client.send(MODELS)
    assert (await client.read_response()).status == 503
    await silent.next_connection_lost()
    assert "p0: connection timed out" in proxy.requests[0]
