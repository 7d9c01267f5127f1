"""The tests' own library for the wire: how connections begin, stall and end, plain and over TLS."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from tests.wirekit.client import RawClient, request
from tests.wirekit.connection import RawConnection
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import (
    Close,
    CloseWrite,
    Flood,
    Hang,
    Pause,
    Reset,
    Send,
    StopReading,
    Wait,
    WaitFor,
    answer,
    chunk,
    chunked,
    head,
)
from tests.wirekit.tls import Authority
from tests.wirekit.upstream import ScriptedUpstream
from tests.wirekit.waiting import Conditions, NeverError, TooLateError, reactor
from tests.world import World

_MIB = 1024 * 1024
_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(("last", "ended"), [(Close(), "close"), (Reset(), "aborted")])
@ensure_deferred
async def test_an_upstream_can_end_a_connection_before_any_request(
    world: World, last: Close | Reset, ended: str
) -> None:
    upstream = world.upstream(on_connect=(last,))
    client = await world.connect(upstream.port)
    assert await client.closed() == ended
    with pytest.raises(NeverError):
        await client.read_response()


@ensure_deferred
async def test_an_answer_can_come_before_the_body(world: World) -> None:
    upstream = world.upstream(on_connect=(WaitFor(b"\r\n\r\n"), *answer(413), CloseWrite(), Hang()))
    client = await world.connect(upstream.port)
    client.send(b"POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n")
    assert (await client.read_response()).status == 413
    assert await client.closed() == "close"


@ensure_deferred
async def test_a_script_can_wait_for_the_test(world: World) -> None:
    go: Deferred[None] = Deferred()
    upstream = world.upstream((Send(head(fields=((b"Content-Length", b"2"),)) + b"a"), Wait(go), Send(b"b")))
    clients = [await world.connect(upstream.port) for _ in range(3)]
    for client in clients:
        client.send(request())
        await client.wait_for(b"\r\n\r\na")
    clients[0].abort()
    await upstream.next_connection_lost()
    go.callback(None)
    assert [(await client.read_response()).body for client in clients[1:]] == [b"ab", b"ab"]


@ensure_deferred
async def test_a_flood_is_bounded_by_a_client_that_does_not_read(world: World) -> None:
    piece = chunk(b"x" * 65536)
    go: Deferred[None] = Deferred()
    upstream = world.upstream((Send(_CHUNKED), Wait(go), Flood(piece, 480), Send(b"0\r\n\r\n")))
    client = await world.connect(upstream.port, receive_buffer=65536)
    client.send(request())
    await client.wait_for(_CHUNKED)
    client.pause()
    go.callback(None)
    assert 0 < await _stuck(upstream.connections[0]) < 16 * _MIB
    client.resume()
    response = await client.read_response()
    assert (len(response.body), response.complete) == (480 * 65536, True)
    assert upstream.connections[0].taken == 480 * len(piece)


async def _stuck(connection: RawConnection) -> int:
    """How many bytes of a flood were taken once none were taken for 300 turns of the reactor."""
    taken, turns = 0, 0
    while turns < 300:
        await deferLater(reactor, 0, lambda: None)
        turns = turns + 1 if 0 < connection.taken == taken else 0
        taken = connection.taken
    return taken


@ensure_deferred
async def test_an_upstream_that_does_not_read_holds_the_client_up(world: World) -> None:
    upstream = world.upstream(on_connect=(StopReading(), Hang()))
    client = await world.connect(upstream.port)
    flooding = Deferred.fromCoroutine(client.flood(b"x" * 65536, 1600))
    assert 0 < await _stuck(client) < 16 * _MIB
    client.abort()
    assert await client.closed() == "aborted"
    failure: list[Failure] = []
    flooding.addErrback(failure.append)
    assert len(failure) == 1


@ensure_deferred
async def test_an_upstream_sees_its_client_leave(world: World) -> None:
    upstream = world.upstream((*chunked(b"a", last=False), Pause(60)))
    clients = [await world.connect(upstream.port) for _ in range(2)]
    for client in clients:
        client.send(request())
        await client.wait_for(chunk(b"a"))
    assert len(upstream.open_connections) == 2
    clients[0].close()
    first = await upstream.next_connection_lost()
    clients[1].abort()
    second = await upstream.next_connection_lost()
    assert [(each.number, each.ended) for each in (first, second)] == [(0, "close"), (1, "aborted")]
    assert upstream.open_connections == []


@ensure_deferred
async def test_the_client_can_close_its_side_only(world: World) -> None:
    upstream = world.upstream((Hang(),))
    client = await world.connect(upstream.port)
    client.send(request(b"POST", body=b"x"))
    client.close_write()
    lost = await upstream.next_connection_lost()
    assert (lost.ended, bytes(lost.received)) == ("close", request(b"POST", body=b"x"))
    assert await client.closed() == "close"


@ensure_deferred
async def test_tls_is_checked(world: World, authority: Authority) -> None:
    upstream = world.upstream(answer(200, b"abc"), tls=authority.stranger)
    client = await world.connect(upstream.port, tls=authority.client())
    client.send(request())
    assert await client.closed() == "aborted"
    assert upstream.requests == []
    assert upstream.base_url.startswith("https://")


@ensure_deferred
async def test_a_tls_black_hole_accepts_and_says_nothing(world: World, authority: Authority) -> None:
    upstream = world.upstream(on_connect=(Hang(),), scheme="https")
    assert upstream.base_url.startswith("https://")
    client = await world.connect(upstream.port, tls=authority.client())
    with pytest.raises(TooLateError, match="open, 0 bytes received"):
        await client.wait_for(1, deadline=0.05)
    # The handshake began, so the other side heard something.
    await upstream.connections[0].wait_for(1)


@ensure_deferred
async def test_a_wait_that_fails_shows_what_there_was(world: World) -> None:
    upstream = world.upstream(on_connect=(Send(b"something"), Hang()))
    client = await world.connect(upstream.port)
    await client.wait_for(lambda received: received.endswith(b"thing"))
    with pytest.raises(TooLateError, match="open, 9 bytes received, the last ones b'something'"):
        await client.wait_for(b"else", deadline=0.01)
    with pytest.raises(TooLateError, match="1 connections, 0 requests"):
        await upstream.next_request(deadline=0.01)
    late = client.wait_for(b"else")
    client.abort()
    with pytest.raises(NeverError, match="aborted, 9 bytes received"):
        await late


@given(st.binary(max_size=200), st.lists(st.binary(min_size=1, max_size=50)))
@ensure_deferred
async def test_any_body_comes_through(body: bytes, pieces: list[bytes]) -> None:
    upstream = ScriptedUpstream.start(chunked(*pieces))
    client = await RawClient.connect(upstream.port)
    client.send(request(b"POST", body=body))
    assert (await client.read_response()).chunks == tuple(pieces)
    assert upstream.requests[0].body == body
    client.close()
    await client.closed()
    await upstream.close()


def test_a_condition_that_holds_already_is_met_at_once() -> None:
    conditions = Conditions(lambda: "something")
    met: list[None] = []
    conditions.until(lambda: True).addCallback(met.append)
    assert met == [None]


def test_nothing_is_waited_for_once_it_is_over() -> None:
    conditions = Conditions(lambda: "something")
    conditions.over()
    failures: list[Failure] = []
    conditions.until(lambda: False).addErrback(failures.append)
    assert [failure.type for failure in failures] == [NeverError]
