"""A WebSocket through clipal, byte by byte: failover at the handshake, both directions, and every end of it."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from tests.proxy import Proxy, StartProxy, provider
from tests.wirekit.client import RawClient, request
from tests.wirekit.fixtures import FlushLoggedFailures
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.message import Fields
from tests.wirekit.steps import Close, Flood, Hang, Reset, Send, Steps, StopReading, Wait, WaitFor, answer, head
from tests.wirekit.upstream import ScriptedUpstream
from tests.wirekit.waiting import reactor
from tests.world import World

MIB = 1024 * 1024
# The example of RFC 6455, 1.3.
KEY, ACCEPT = b"dGhlIHNhbXBsZSBub25jZQ==", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
OPENING: Fields = (
    (b"Host", b"127.0.0.1"),
    (b"Connection", b"Upgrade"),
    (b"Upgrade", b"websocket"),
    (b"Sec-WebSocket-Version", b"13"),
    (b"Sec-WebSocket-Key", KEY),
    (b"Sec-WebSocket-Extensions", b"permessage-deflate"),
    (b"Authorization", b"Bearer dummy"),
)
HANDSHAKE = request(b"GET", b"/codex/v1/responses", OPENING)
SWITCHING = (
    (b"Upgrade", b"websocket"),
    (b"Connection", b"Upgrade"),
    (b"Sec-WebSocket-Accept", ACCEPT),
    (b"X-Other", b"kept"),
)
ACCEPTED = head(101, SWITCHING, b"Switching Protocols")
NOT_OURS = head(101, ((b"Upgrade", b"websocket"), (b"Connection", b"Upgrade"), (b"Sec-WebSocket-Accept", KEY)))


def tunnelled(proxies: StartProxy, *upstreams: ScriptedUpstream | str, keys: int = 1, **settings: object) -> Proxy:
    """A proxy whose Codex has these providers, in this order, all with `websocket: true`."""
    urls = [each if isinstance(each, str) else each.base_url for each in upstreams]
    names = tuple(f"key-{number}" for number in range(keys))
    providers = [
        provider(name, url, *names, priority=at, websocket=True)
        for at, (name, url) in enumerate(zip(("one", "two"), urls, strict=False))
    ]
    return proxies({"codex": providers}, **settings)


async def opened(client: RawClient) -> None:
    """Sends the handshake, and takes a good answer to it."""
    client.send(HANDSHAKE)
    assert (await client.read_response(bodyless=True)).status == 101


@ensure_deferred
async def test_the_handshake_goes_up_with_the_providers_key_and_comes_down_as_it_is(world: World) -> None:
    upstream = world.upstream((Send(ACCEPTED), Hang()))
    proxy = tunnelled(world.proxy, upstream)
    client = await world.connect(proxy.port)
    client.send(HANDSHAKE)
    response = await client.read_response(bodyless=True)
    assert (response.status, response.reason) == (101, b"Switching Protocols")
    assert sorted(response.fields) == sorted(SWITCHING)
    (asked,) = upstream.requests
    assert (asked.method, asked.target, asked.values(b"authorization")) == (b"GET", b"/v1/responses", [b"Bearer key-0"])
    assert (asked.values(b"upgrade"), asked.values(b"connection")) == ([b"websocket"], [b"Upgrade"])
    names = (b"sec-websocket-key", b"sec-websocket-version", b"sec-websocket-extensions")
    assert [asked.values(name) for name in names] == [[KEY], [b"13"], [b"permessage-deflate"]]
    assert b"dummy" not in asked.raw_head


@ensure_deferred
async def test_bytes_pass_both_ways_also_those_that_came_with_the_handshake(world: World) -> None:
    script = (Send(ACCEPTED + b"early down"), WaitFor(b"early up, late up"), Send(b", late down"), Close())
    upstream = world.upstream(script)
    proxy = tunnelled(world.proxy, upstream)
    client = await world.connect(proxy.port)
    client.send(HANDSHAKE + b"early up")
    assert (await client.read_response(bodyless=True)).status == 101
    await client.wait_for(b"early down")
    client.send(b", late up")
    assert await client.to_the_end() == b"early down, late down"
    assert client.ended == "close"
    await proxy.logged(" → ")
    (line,) = proxy.requests
    assert "codex GET /v1/responses → 101 via one in " in line
    assert "17 bytes up, 21 bytes down, attempts: 1 [" in line


@ensure_deferred
async def test_bytes_that_come_during_the_handshake_wait(world: World) -> None:
    go_on: Deferred[None] = Deferred()
    asked: Deferred[None] = Deferred()

    def script(_: object) -> Steps:
        asked.callback(None)
        return (Wait(go_on), Send(ACCEPTED), WaitFor(b"soon"), Send(b"heard"), Hang())

    upstream = world.upstream(script)
    proxy = tunnelled(world.proxy, upstream)
    client = await world.connect(proxy.port)
    client.send(HANDSHAKE)
    await asked
    client.send(b"soon")
    await deferLater(reactor, 0.05)
    go_on.callback(None)
    await client.wait_for(b"heard")


FAILING: dict[str, tuple[Steps, str]] = {
    "401": (answer(401, b"{}"), "one: 401 auth"),
    "429": (answer(429, b"{}"), "one: 429 rate limit"),
    "503": (answer(503, b"{}"), "one: 503 unavailable"),
    "404": (answer(404, b"{}"), "one: no WebSocket)"),
    "405": (answer(405), "one: no WebSocket)"),
    "426": (answer(426), "one: no WebSocket)"),
    "an ordinary answer": (answer(200, b"hello"), "one: no WebSocket)"),
    "a 101 that is for another key": ((Send(NOT_OURS), Hang()), "one: broken answer)"),
    "a 101 without Upgrade": ((Send(head(101)), Hang()), "one: broken answer)"),
    "a reset": ((Reset(),), "one: connection lost)"),
    "no answer": ((Hang(),), "one: no answer in time)"),
}


@pytest.mark.parametrize(("steps", "trail"), FAILING.values(), ids=FAILING.keys())
@ensure_deferred
async def test_the_next_provider_takes_the_handshake(world: World, steps: Steps, trail: str) -> None:
    first, second = world.upstream(steps), world.upstream((Send(ACCEPTED + b"hi"), Close()))
    proxy = tunnelled(world.proxy, first, second, response_header_timeout=0.3)
    client = await world.connect(proxy.port)
    await opened(client)
    assert await client.to_the_end() == b"hi"
    await proxy.logged("→ 101 via two")
    assert trail in proxy.requests[0]


@ensure_deferred
async def test_another_key_is_tried_first_and_a_dead_port_fails_over(world: World) -> None:
    second = world.upstream(answer(401, b"{}"), (Send(ACCEPTED), Hang()))
    proxy = tunnelled(world.proxy, "http://127.0.0.1:1", second, keys=2)
    client = await world.connect(proxy.port)
    await opened(client)
    assert [each.values(b"authorization") for each in second.requests] == [[b"Bearer key-0"], [b"Bearer key-1"]]


@pytest.mark.parametrize("pinned", [None, "one"])
@ensure_deferred
async def test_without_a_provider_for_it_the_client_is_told_to_send_a_post(world: World, pinned: str | None) -> None:
    upstream = world.upstream(answer(404, b"{}"), answer(200, b"posted"))
    proxy = tunnelled(world.proxy, upstream, pinned=pinned)
    client = await world.connect(proxy.port)
    client.send(HANDSHAKE + b"early")
    response = await client.read_response()
    assert (response.status, response.values(b"connection")) == (426, [b"close"])
    client.close()
    again = await world.connect(proxy.port)
    again.send(request(b"POST", b"/codex/v1/responses", body=b"{}"))
    assert (await again.read_response()).body == b"posted"
    await proxy.logged(" → ", 2)
    assert "→ 426 in" in proxy.requests[0]


@ensure_deferred
async def test_providers_without_websocket_are_not_asked(world: World) -> None:
    plain, speaking = world.upstream(answer(500)), world.upstream((Send(ACCEPTED), Hang()))
    providers = [provider("plain", plain.base_url), provider("ws", speaking.base_url, websocket=True)]
    proxy = world.proxy({"codex": providers, "claudecode": [provider("plain", plain.base_url)]})
    client = await world.connect(proxy.port)
    await opened(client)
    other = await world.connect(proxy.port)
    other.send(request(b"GET", b"/claudecode/v1/messages", OPENING))
    assert (await other.read_response()).status == 426
    assert not plain.requests


MALFORMED: dict[str, Fields] = {
    "another version": (*OPENING[:3], (b"Sec-WebSocket-Version", b"8"), *OPENING[4:]),
    "no key": (*OPENING[:4], *OPENING[5:]),
    "half a key": (*OPENING[:4], (b"Sec-WebSocket-Key", b"dGhl")),
    "a key that is none": (*OPENING[:4], (b"Sec-WebSocket-Key", b"dGhlIHNhb&BsZSBub25jZQ==")),
    "a body": (*OPENING, (b"Content-Length", b"2")),
}


@pytest.mark.parametrize("fields", MALFORMED.values(), ids=MALFORMED.keys())
@ensure_deferred
async def test_what_is_no_handshake_is_not_tunnelled(world: World, fields: Fields) -> None:
    upstream = world.upstream(answer(500))
    proxy = tunnelled(world.proxy, upstream)
    client = await world.connect(proxy.port)
    client.send(request(b"GET", b"/codex/v1/responses", fields))
    assert (await client.read_response()).status == 426
    assert not upstream.requests


# Its ends


@pytest.mark.parametrize(("last", "ended"), [(Close(), "close"), (Reset(), "aborted")], ids=["a close", "a reset"])
@ensure_deferred
async def test_the_providers_end_is_the_clients(world: World, last: Close | Reset, ended: str) -> None:
    upstream = world.upstream((Send(ACCEPTED), WaitFor(b"go"), Send(b"x" * 100_000), WaitFor(b"gone"), last))
    proxy = tunnelled(world.proxy, upstream)
    client = await world.connect(proxy.port)
    await opened(client)
    client.send(b"go")
    assert len(await client.up_to(100_000)) == 100_000
    client.send(b"gone")
    assert await client.closed() == ended
    await proxy.logged("→ 101 via one")
    assert ("provider broke off" in proxy.requests[0]) is (ended == "aborted")


@pytest.mark.parametrize(("politely", "ended"), [(True, "close"), (False, "aborted")])
@ensure_deferred
async def test_the_clients_end_is_the_providers(world: World, politely: bool, ended: str) -> None:
    upstream = world.upstream((Send(ACCEPTED), Hang()))
    proxy = tunnelled(world.proxy, upstream)
    client = await world.connect(proxy.port)
    await opened(client)
    client.send(b"last words")
    (connection,) = upstream.connections
    await connection.wait_for(b"last words")
    client.close() if politely else client.abort()
    assert (await upstream.next_connection_lost()).ended == ended
    await proxy.logged("→ 101 via one")
    assert ("client left" in proxy.requests[0]) is not politely


@ensure_deferred
async def test_a_client_that_disconnects_in_the_handshake_ends_the_providers_connection(world: World) -> None:
    upstream = world.upstream((Hang(),))
    proxy = tunnelled(world.proxy, upstream)
    client = await world.connect(proxy.port)
    client.send(HANDSHAKE)
    await upstream.next_request()
    client.abort()
    await upstream.next_connection_lost()
    await proxy.logged("→ -, client left")


@ensure_deferred
async def test_an_open_tunnel_counts_when_clipal_stops(world: World) -> None:
    upstream = world.upstream((Send(ACCEPTED), Hang()))
    proxy = tunnelled(world.proxy, upstream)
    client = await world.connect(proxy.port)
    await opened(client)
    cut = await proxy.service.site.drain.run(0.05, Deferred(), patient=False, accepting=True)
    assert cut == 1
    assert await client.closed() == "aborted"


@ensure_deferred
async def test_a_bug_in_clipal_is_a_500(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    flush_logged_failures: FlushLoggedFailures,
) -> None:
    def bug(_: object) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr("clipal.downstream.tunnel_exchange.switching_head", bug)
    upstream = world.upstream((Send(ACCEPTED), Hang()))
    proxy = tunnelled(world.proxy, upstream)
    client = await world.connect(proxy.port)
    client.send(HANDSHAKE)
    assert (await client.read_response()).status == 500
    await upstream.next_connection_lost()
    assert flush_logged_failures(ZeroDivisionError)


# Backpressure


@ensure_deferred
async def test_a_client_that_does_not_read_stops_the_provider(world: World) -> None:
    upstream = world.upstream((Send(ACCEPTED), Flood(b"x" * 65536, 240 * 16)))
    proxy = tunnelled(world.proxy, upstream)
    client = await world.connect(proxy.port, receive_buffer=64 * 1024)
    client.pause()
    client.send(HANDSHAKE)
    await upstream.next_request()
    (connection,) = upstream.connections
    taken = -1
    while taken != connection.taken or not taken:
        taken = connection.taken
        await deferLater(reactor, 0.2)
    assert taken < 40 * MIB
    client.resume()
    await client.wait_for(2 * taken)
    client.abort()


@ensure_deferred
async def test_a_client_that_takes_nothing_is_aborted(world: World) -> None:
    upstream = world.upstream((Send(ACCEPTED), Flood(b"x" * 65536, 240 * 16)))
    proxy = world.proxy({"codex": [provider("one", upstream.base_url, websocket=True)]}, client_idle_timeout=0.5)
    client = await world.connect(proxy.port, receive_buffer=64 * 1024)
    client.pause()
    client.send(HANDSHAKE)
    await upstream.next_request()
    await upstream.next_connection_lost()
    assert not proxy.service.site.channels


@ensure_deferred
async def test_a_provider_that_does_not_read_stops_the_client(world: World) -> None:
    upstream = world.upstream((Send(ACCEPTED), StopReading(), Hang()))
    proxy = tunnelled(world.proxy, upstream)
    client = await world.connect(proxy.port)
    await opened(client)
    flooding = Deferred.fromCoroutine(client.flood(b"x" * 65536, 240 * 16))
    taken = -1
    while taken != client.taken or not taken:
        taken = client.taken
        await deferLater(reactor, 0.2)
    assert taken < 40 * MIB
    (connection,) = upstream.connections
    connection.resume()
    await connection.wait_for(2 * taken)
    flooding.addErrback(lambda _: None)
    client.abort()
