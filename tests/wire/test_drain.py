"""The end of serving: nothing that is under way is lost, and nothing that still comes."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from clipal.downstream import drain
from tests.proxy import Proxy, provider
from tests.wirekit.client import request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import Hang, Send, Wait, answer, chunk, chunked
from tests.wirekit.waiting import reactor
from tests.world import World

POST = request(b"POST", b"/claudecode/v1/messages", body=b"{}")
HEALTH = request(b"GET", b"/health")


def drained(proxy: Proxy, *, seconds: float = 0, patient: bool = True) -> Deferred[int]:
    """Begins a drain, as SIGTERM does; fires with how many requests were cut."""
    running = proxy.service.site.drain.run(seconds, Deferred(), patient=patient, accepting=True)
    return Deferred.fromCoroutine(running)


@pytest.fixture
def brief_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "SILENCE", 0.3)


@ensure_deferred
async def test_a_kept_alive_connection_is_served_once_more_and_told_to_close(world: World) -> None:
    upstream = world.upstream(answer(200, b"hello"))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    client.send(POST)
    assert (await client.read_response()).values(b"connection") == []
    done = drained(proxy)
    client.send(POST)
    last = await client.read_response()
    assert (last.status, last.body, last.values(b"connection")) == (200, b"hello", [b"close"])
    assert await client.closed() == "close"
    assert await done == 0


@ensure_deferred
async def test_an_answer_that_began_before_it_does_not_close_the_connection_unannounced(world: World) -> None:
    """The client could not know, and its next request may be on its way."""
    goes_on: Deferred[None] = Deferred()
    begun = (*chunked(b"begin", last=False), Wait(goes_on), Send(chunk(b"end") + b"0\r\n\r\n"))
    upstream = world.upstream(begun, answer(200, b"next"))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    client.send(POST)
    await client.wait_for(b"begin")
    done = drained(proxy)
    goes_on.callback(None)
    first = await client.read_response()
    assert (first.body, first.complete) == (b"beginend", True)
    client.send(POST)
    second = await client.read_response()
    assert (second.body, second.values(b"connection")) == (b"next", [b"close"])
    assert await done == 0


@ensure_deferred
async def test_what_a_client_pipelined_is_served(world: World) -> None:
    upstream = world.upstream(answer(200, b"hello"))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    done = drained(proxy)
    client.send(POST * 3)
    closes = [(await client.read_response()).values(b"connection") for _ in range(3)]
    assert closes == [[], [], [b"close"]]
    assert await done == 0


@pytest.mark.parametrize("asked_before", [True, False])
@ensure_deferred
async def test_an_idle_connection_is_closed_after_a_silence(
    world: World, brief_silence: None, asked_before: bool
) -> None:
    proxy = world.proxy({})
    client = await world.connect(proxy.port)
    if asked_before:
        client.send(HEALTH)
        await client.read_response()
    began = reactor.seconds()
    done = drained(proxy)
    assert await client.closed() == "close"
    assert 0.25 <= reactor.seconds() - began < 2
    assert await done == 0


@ensure_deferred
async def test_one_that_was_just_accepted_may_still_ask(world: World) -> None:
    proxy = world.proxy({})
    client = await world.connect(proxy.port)
    done = drained(proxy)
    await deferLater(reactor, 0.1)
    assert not done.called
    client.send(HEALTH)
    asked = await client.read_response()
    assert (asked.status, asked.body) == (503, b'{"status":"draining"}')
    assert await done == 0


@ensure_deferred
async def test_new_connections_are_served_while_it_lasts(world: World, brief_silence: None) -> None:
    upstream = world.upstream(answer(200, b"hello"))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    first = await world.connect(proxy.port)
    done = drained(proxy)
    client = await world.connect(proxy.port)
    client.send(POST)
    late = await client.read_response()
    assert (late.body, late.values(b"connection")) == (b"hello", [b"close"])
    await first.closed()
    assert await done == 0


@ensure_deferred
async def test_where_clients_connect_all_the_time_it_stays_for_a_while(world: World, brief_silence: None) -> None:
    """So that the checks of a pool see it, and not a refused connection."""
    proxy = world.proxy({})
    before = await world.connect(proxy.port)
    before.abort()
    await before.closed()
    while proxy.service.site.channels:
        await deferLater(reactor, 0.01)
    done = drained(proxy)
    client = await world.connect(proxy.port)
    client.send(HEALTH)
    assert (await client.read_response()).status == 503
    assert not done.called
    await done


@ensure_deferred
async def test_without_clients_it_is_over_at_once(world: World) -> None:
    assert drained(world.proxy({})).called


@ensure_deferred
async def test_in_a_hurry_idle_connections_are_closed_at_once(world: World) -> None:
    proxy = world.proxy({})
    client = await world.connect(proxy.port)
    client.send(HEALTH)
    await client.read_response()
    began = reactor.seconds()
    assert await drained(proxy, patient=False) == 0
    assert reactor.seconds() - began < drain.SILENCE / 2
    assert await client.closed() == "close"


@ensure_deferred
async def test_what_does_not_end_in_time_is_cut_and_counted(world: World, brief_silence: None) -> None:
    upstream = world.upstream((*chunked(b"begin", last=False), Hang()))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    streams = [await world.connect(proxy.port) for _ in range(2)]
    for client in (*streams,):
        client.send(POST)
        await client.wait_for(b"begin")
    idle = await world.connect(proxy.port)
    idle.send(HEALTH)
    await idle.read_response()
    assert await drained(proxy, seconds=0.1) == 2
    for client in streams:
        assert await client.closed() == "aborted"


@ensure_deferred
async def test_a_client_that_has_all_of_its_last_answer_loses_nothing_by_a_cut(world: World) -> None:
    """The kernel has the answer for it; the connection waits only for the client to close it."""
    upstream = world.upstream(answer(200, b"hello"))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    client.pause()
    client.send(
        request(b"POST", b"/claudecode/v1/messages", ((b"Host", b"localhost"), (b"Connection", b"close")), b"{}")
    )
    await proxy.logged("200 via one")
    (channel,) = proxy.service.site.channels
    assert not channel.idle
    assert await drained(proxy, seconds=0.1) == 0
    client.resume()
    assert (await client.read_response()).body == b"hello"
