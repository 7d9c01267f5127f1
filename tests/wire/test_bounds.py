"""What one client can make clipal hold is bounded, whatever it sends and does not read."""

from __future__ import annotations

import gc
import json
import socket

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from clipal.downstream.channel import Channel
from clipal.downstream.incoming import READ_AHEAD
from clipal.downstream.request import Request
from tests.proxy import Proxy, provider
from tests.wirekit.client import RawClient, request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import Hang, Send, Wait, answer, chunked
from tests.wirekit.waiting import reactor
from tests.world import World

KIB = 1024
HOST = (b"Host", b"localhost")
PATH = b"/claudecode/v1/messages"


def held(proxy: Proxy) -> int:
    """The bytes that clipal keeps of what clients sent and of what they are to get."""
    return sum(len(each._incoming._ahead) + written(each) for each in proxy.service.site.channels)


def written(channel: Channel) -> int:
    return len(channel.transport.dataBuffer) + sum(map(len, channel.transport._tempDataBuffer))


def narrow(proxy: Proxy) -> None:
    """Lets the kernel hold little of what clients are to get."""
    for channel in proxy.service.site.channels:
        channel.transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 * KIB)


async def flood(client: RawClient, data: bytes) -> None:
    """Sends until nothing more is taken."""
    flooding = client.flood(data, 2000)
    sending = Deferred.fromCoroutine(flooding)
    sending.addErrback(lambda _: None)
    taken = -1
    while taken != client.taken:
        taken = client.taken
        await deferLater(reactor, 0.3)


PIPELINED = {
    "an answer of our own": request(b"GET", b"/health"),
    "a 404": request(b"GET", b"/nothing/at/all"),
    "a 405": request(b"POST", b"/health", body=b"{}"),
    "a provider's answer": request(b"GET", b"/claudecode/v1/models"),
    "a 503": request(b"GET", b"/codex/v1/models"),
    "a declined upgrade": request(b"GET", b"/health", (HOST, (b"Connection", b"upgrade"), (b"Upgrade", b"h2c"))),
}


@pytest.mark.parametrize("asked", PIPELINED.values(), ids=PIPELINED.keys())
@ensure_deferred
async def test_nothing_is_begun_for_a_client_that_pipelines_and_never_reads(world: World, asked: bytes) -> None:
    upstream = world.upstream(answer(200, b"x" * 1000))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port, receive_buffer=4 * KIB)
    narrow(proxy)
    client.pause()
    await flood(client, asked * (64 * KIB // len(asked)))
    (channel,) = proxy.service.site.channels
    while not channel.transport.producerPaused:
        await deferLater(reactor, 0.01)
    assert held(proxy) <= READ_AHEAD + 3 * 64 * KIB
    begun = int(proxy.service.site.new_id()[-6:], 16)
    await deferLater(reactor, 0.2)
    assert int(proxy.service.site.new_id()[-6:], 16) == begun + 1, "nothing was begun meanwhile"
    before = len(client.received)
    client.resume()
    await client.wait_for(before + 10 * KIB)  # and it goes on
    client.abort()


@ensure_deferred
async def test_what_is_pipelined_behind_a_request_is_kept_as_it_came(world: World) -> None:
    """2500 requests in 64 KiB were 2500 parsed heads."""
    go: Deferred[None] = Deferred()
    upstream = world.upstream((Wait(go), *answer(200, b"one")))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    small = b"GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    count = 64 * KIB // len(small)
    client.send(request(b"POST", PATH, body=b"{}") + small * count)
    await upstream.next_request()
    await deferLater(reactor, 0.05)
    assert sum(isinstance(each, Request) for each in gc.get_objects()) == 1
    go.callback(None)
    assert (await client.read_response()).body == b"one"
    for _ in range(count):
        assert (await client.read_response()).status == 200


@ensure_deferred
async def test_any_number_of_declined_upgrades_in_one_read_is_answered(world: World) -> None:
    proxy = world.proxy({})
    client = await world.connect(proxy.port)
    asked = request(b"GET", b"/health", (HOST, (b"Connection", b"upgrade"), (b"Upgrade", b"foo")))
    client.send(asked * 700)
    for _ in range(700):
        assert (await client.read_response()).status == 200


# All bodies together


@pytest.mark.parametrize("prefix", ["claudecode", "codex", "gemini"])
@ensure_deferred
async def test_bodies_that_wait_are_bounded_together(world: World, prefix: str) -> None:
    """A declared length counts at once, before any of it is here."""
    upstream = world.upstream(answer(200, b"one"))
    proxy = world.proxy({prefix: [provider("one", upstream.base_url)]}, max_buffered_bytes=1000)
    path = f"/{prefix}/v1/messages".encode()
    first, second, third = [await world.connect(proxy.port) for _ in range(3)]
    whole = request(b"POST", path, body=b"x" * 600)
    first.send(whole[:-1])
    await deferLater(reactor, 0.05)
    second.send(request(b"POST", path, (HOST, (b"Content-Length", b"401"))))
    refused = await second.read_response()
    assert (refused.status, refused.values(b"retry-after")) == (503, [b"1"])
    assert "Please retry in 1s." in json.loads(refused.body)["error"]["message"]
    assert await second.closed() == "close"
    third.send(request(b"POST", path, body=b"y" * 400))
    assert (await third.read_response()).body == b"one"
    first.send(whole[-1:])
    assert (await first.read_response()).body == b"one"
    assert proxy.service.site.bodies.held == 0


@ensure_deferred
async def test_a_chunked_body_counts_as_it_comes(world: World) -> None:
    upstream = world.upstream(answer(200, b"one"))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]}, max_buffered_bytes=1000)
    client = await world.connect(proxy.port)
    client.send(request(b"POST", PATH, (HOST, (b"Transfer-Encoding", b"chunked"))) + b"3e8\r\n" + b"x" * 1000)
    await deferLater(reactor, 0.05)
    assert proxy.service.site.bodies.held == 1000
    client.send(b"\r\n1\r\nx\r\n")
    response = await client.read_response()
    assert (response.status, response.values(b"retry-after")) == (503, [b"1"])
    assert proxy.service.site.bodies.held == 0
    assert not upstream.requests


@ensure_deferred
async def test_a_body_counts_until_its_answer_begins_to_stream(world: World) -> None:
    go: Deferred[None] = Deferred()
    upstream = world.upstream((Wait(go), *chunked(b"begin", last=False), Hang()))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]}, max_buffered_bytes=1000)
    client = await world.connect(proxy.port)
    client.send(request(b"POST", PATH, body=b"x" * 900))
    await upstream.next_request()
    assert proxy.service.site.bodies.held == 900
    go.callback(None)
    await client.wait_for(b"begin")
    assert proxy.service.site.bodies.held == 0


@pytest.mark.parametrize("sent", [500, 900], ids=["in the body", "while it is answered"])
@ensure_deferred
async def test_a_body_counts_no_more_when_its_client_has_gone(world: World, sent: int) -> None:
    proxy = world.proxy({"claudecode": [provider("one", world.upstream((Hang(),)).base_url)]})
    client = await world.connect(proxy.port)
    client.send(request(b"POST", PATH, body=b"x" * 900)[: sent - 900 or None])
    while not proxy.service.site.bodies.held:
        await deferLater(reactor, 0.01)
    client.abort()
    while proxy.service.site.channels:
        await deferLater(reactor, 0.01)
    assert proxy.service.site.bodies.held == 0


@ensure_deferred
async def test_a_body_that_trickles_for_too_long_is_a_408(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipal.downstream.incoming.BODY_DEADLINE", 0.5)
    proxy = world.proxy({})
    client = await world.connect(proxy.port)
    client.send(request(b"POST", PATH, (HOST, (b"Content-Length", b"1000"))))
    for _ in range(30):
        await deferLater(reactor, 0.05)
        if client.received:
            break
        client.send(b"x")
    assert (await client.read_response()).status == 408
    assert await client.closed() == "close"


# A client that takes nothing


@pytest.mark.parametrize("size", [110 * KIB, 1024 * KIB], ids=["a little", "much"])
@pytest.mark.parametrize("fields", [(HOST,), (HOST, (b"Connection", b"close"))], ids=["kept", "closed"])
@ensure_deferred
async def test_a_client_that_takes_nothing_is_aborted(
    world: World,
    size: int,
    fields: tuple[tuple[bytes, bytes], ...],
) -> None:
    """Also when its answer is short enough to wait in clipal's own buffer."""
    upstream = world.upstream(answer(200, b"x" * size))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]}, client_idle_timeout=0.5)
    client = await world.connect(proxy.port, receive_buffer=2 * KIB)
    client.pause()
    narrow(proxy)
    client.send(request(b"GET", PATH, fields))
    began = reactor.seconds()
    await upstream.next_request()
    while proxy.service.site.channels:
        await deferLater(reactor, 0.02)
        assert reactor.seconds() - began < 5
    assert reactor.seconds() - began > 0.4


@ensure_deferred
async def test_a_client_that_takes_a_little_now_and_then_is_not_aborted(world: World) -> None:
    upstream = world.upstream(answer(200, b"x" * 400 * KIB))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]}, client_idle_timeout=0.6)
    client = await world.connect(proxy.port, receive_buffer=16 * KIB)
    narrow(proxy)
    client.transport.bufferSize = 32 * KIB
    client.pause()
    client.send(request(b"GET", PATH, (HOST,)))
    while len(client.received) < 250 * KIB:
        await deferLater(reactor, 0.15)
        before = len(client.received)
        client.resume()
        await client.wait_for(before + 1)
        client.pause()
    client.resume()
    assert len((await client.read_response()).body) == 400 * KIB


@ensure_deferred
async def test_a_silent_stream_is_no_client_that_takes_nothing(world: World) -> None:
    go: Deferred[None] = Deferred()
    upstream = world.upstream((*chunked(b"a", last=False), Wait(go), Send(b"1\r\nb\r\n0\r\n\r\n")))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]}, client_idle_timeout=0.2)
    client = await world.connect(proxy.port)
    client.send(request(b"GET", PATH, (HOST,)))
    await client.wait_for(b"a\r\n")
    await deferLater(reactor, 0.6)
    go.callback(None)
    assert (await client.read_response()).body == b"ab"
