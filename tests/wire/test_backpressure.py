"""Whoever does not read stops whoever sends, in both directions, within bounds of memory."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
from twisted.internet.task import deferLater
from twisted.internet.tcp import Client

from clipal.downstream import closing
from tests.proxy import provider
from tests.wirekit.client import request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import Flood, Send, StopReading, WaitFor, answer, chunk, chunked, event, event_stream, head
from tests.wirekit.upstream import ScriptedUpstream
from tests.wirekit.waiting import reactor
from tests.world import World

MIB = 1024 * 1024
QUEUED = MIB + 64 * 1024
"""Bytes that may wait in a transport: what `Connection` gives it at once, behind what Twisted lets it hold before it
pauses a producer (`bufferSize`)."""


def connections_to(upstream: ScriptedUpstream) -> list[Client]:
    """clipal's own ends of its connections to a provider that reads nothing, and so cannot say that they ended."""
    clients = [each for each in {*reactor.getReaders(), *reactor.getWriters()} if isinstance(each, Client)]
    return [each for each in clients if each.getPeer().port == upstream.port]


async def until(condition: Callable[[], bool]) -> None:
    """Looks again and again, for what no end of a connection tells."""
    for _ in range(1000):
        if condition():
            return
        await deferLater(reactor, 0.01)
    raise AssertionError("it never came to be")


@ensure_deferred
async def test_a_client_that_does_not_read_stops_the_provider(world: World) -> None:
    """What the provider gets rid of is what the kernel's buffers on the way hold, and little more."""
    piece = chunk(b"x" * 65536)
    upstream = world.upstream((*chunked(b"begin", last=False), Flood(piece, 240 * 16)))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port, receive_buffer=64 * 1024)
    client.send(request(b"GET", b"/claudecode/v1/models"))
    await client.wait_for(b"begin")
    client.pause()
    taken = -1
    (connection,) = upstream.connections
    while taken != connection.taken:
        taken = connection.taken
        await deferLater(reactor, 0.2)
    assert taken < 40 * MIB
    (channel,) = proxy.service.site.channels
    assert len(channel.transport.dataBuffer) + sum(map(len, channel.transport._tempDataBuffer)) <= QUEUED
    client.abort()
    await upstream.next_connection_lost()


@ensure_deferred
async def test_while_the_client_does_not_read_the_provider_is_not_silent(world: World) -> None:
    size, piece = 40 * MIB, b"x" * 65536
    upstream = world.upstream((Send(head(200, ((b"Content-Length", b"%d" % size),))), Flood(piece, size // len(piece))))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]}, upstream_idle_timeout=0.2)
    client = await world.connect(proxy.port, receive_buffer=64 * 1024)
    client.send(request(b"GET", b"/claudecode/v1/models"))
    await client.wait_for(b"xxx")
    client.pause()
    await deferLater(reactor, 0.8)
    client.resume()
    assert len((await client.read_response()).body) == size


@ensure_deferred
async def test_a_client_that_reads_slowly_gets_all_of_the_last_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is closed behind it, but not before the client has it."""
    monkeypatch.setattr(closing, "LINGER", 0.1)
    upstream = world.upstream(answer(200, b"x" * MIB))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port, receive_buffer=64 * 1024)
    client.pause()
    client.send(request(b"GET", b"/claudecode/v1/models", ((b"Host", b"localhost"), (b"Connection", b"close"))))
    await proxy.logged("200 via one")
    await deferLater(reactor, 0.4)
    client.resume()
    assert len((await client.read_response()).body) == MIB
    assert await client.closed() == "close"


@ensure_deferred
async def test_the_next_request_waits_until_the_client_has_taken_enough(world: World) -> None:
    """A stream that said nothing is held to its end; most of it waits in the client's transport then."""
    preamble = event(b'{"type":"message_start","pad":"%b"}' % (b"x" * 60_000), b"message_start")
    upstream = world.upstream(*[event_stream(*[preamble] * 4)] * 2, answer(200, b"last"))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port, receive_buffer=32 * 1024)
    (channel,) = proxy.service.site.channels
    channel.transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    client.pause()
    client.send(request(b"POST", b"/claudecode/v1/messages", body=b"{}") * 3)
    await proxy.logged("200 empty answer")
    await deferLater(reactor, 0.1)
    assert len(upstream.requests) == 1
    channel.transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MIB)
    client.resume()
    lengths = [len((await client.read_response()).body) for _ in range(3)]
    assert lengths == [4 * len(preamble), 4 * len(preamble), len(b"last")]


@ensure_deferred
async def test_a_client_that_never_reads_its_last_answer_is_left(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closing, "LINGER", 0.1)
    upstream = world.upstream(answer(200, b"x" * MIB))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]}, client_idle_timeout=0.3)
    client = await world.connect(proxy.port, receive_buffer=64 * 1024)
    client.pause()
    client.send(request(b"GET", b"/claudecode/v1/models", ((b"Host", b"localhost"), (b"Connection", b"close"))))
    await proxy.logged("200 via one")
    await until(lambda: not proxy.service.site.channels)


@ensure_deferred
async def test_a_client_that_does_not_read_the_end_keeps_no_connection_from_the_next_request(world: World) -> None:
    """A stream that said nothing is held to its end, and the connection is free by the time that it is relayed."""
    preamble = event(b'{"type":"message_start","pad":"%b"}' % (b"x" * 60_000), b"message_start")
    upstream = world.upstream(event_stream(*[preamble] * 4), answer(200, b"next"))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]}, nonstreaming_timeout=2.0)
    slow, other = await world.connect(proxy.port, receive_buffer=4096), await world.connect(proxy.port)
    for channel in proxy.service.site.channels:
        channel.transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    slow.pause()
    ask = request(b"POST", b"/claudecode/v1/messages", body=b"{}")
    slow.send(ask)
    await proxy.logged("200 empty answer")
    other.send(ask)
    assert (await other.read_response()).body == b"next"
    assert [each.connection for each in upstream.requests] == [0, 0]


@ensure_deferred
async def test_a_provider_that_does_not_read_holds_one_copy_of_the_body(world: World) -> None:
    upstream = world.upstream(answer(), on_connect=(WaitFor(b"\r\n\r\n"), StopReading()))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    client.send(request(b"POST", b"/claudecode/v1/messages", body=b"x" * (30 * MIB)))
    await client.drained()
    await until(lambda: bool(connections_to(upstream)))
    (transport,) = connections_to(upstream)
    assert len(transport.dataBuffer) + sum(map(len, transport._tempDataBuffer)) <= QUEUED
    client.abort()
    await until(lambda: not connections_to(upstream))


@ensure_deferred
async def test_an_answer_before_the_whole_request_is_an_answer(world: World) -> None:
    """The rest of the body is not sent any more, and the connection is not used again."""
    early = (WaitFor(b"\r\n\r\n"), StopReading(), Send(head(413, ((b"Content-Length", b"5"),)) + b"early"))
    upstream = world.upstream(answer(), on_connect=early)
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    client.send(request(b"POST", b"/claudecode/v1/messages", body=b"x" * (20 * MIB)))
    response = await client.read_response()
    assert (response.status, response.body, response.complete) == (413, b"early", True)
    await until(lambda: not connections_to(upstream))
