"""A client disconnects: the connection to the provider is aborted, no provider is charged, and no other is asked."""

from __future__ import annotations

import gc
from weakref import ref

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.testing import StringTransport

from clipal.downstream.channel import Channel
from clipal.failover.held_answer import HeldAnswer
from clipal.upstream.response import Response
from clipal.wire.message import ResponseHead
from tests.proxy import Proxy, StartProxy, provider
from tests.wire.test_tunnel import HANDSHAKE
from tests.wirekit.client import request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import Hang, Steps, chunked, event, event_stream
from tests.wirekit.tls import Authority
from tests.wirekit.upstream import ScriptedUpstream
from tests.wirekit.waiting import reactor, within
from tests.world import World

WAYS = {
    "waiting for the head": (Hang(),),
    "waiting for the first byte": (*chunked(last=False), Hang()),
    "waiting for the first event": (*event_stream(event(b"{}", b"message_start"), last=False), Hang()),
    "in the body": (*chunked(b"hello", last=False), Hang()),
}


def two(proxies: StartProxy, first: ScriptedUpstream, second: ScriptedUpstream) -> Proxy:
    return proxies({"claudecode": [provider("one", first.base_url), provider("two", second.base_url)]})


@pytest.mark.parametrize("politely", [True, False])
@pytest.mark.parametrize("script", WAYS.values(), ids=WAYS.keys())
@ensure_deferred
async def test_a_disconnect_aborts_the_provider_at_once(world: World, script: Steps, politely: bool) -> None:
    first, second = world.upstream(script), world.upstream(chunked(b"other"))
    proxy = two(world.proxy, first, second)
    client = await world.connect(proxy.port)
    client.send(request(b"POST", b"/claudecode/v1/messages", body=b'{"stream": true}'))
    await first.next_request()
    if script is WAYS["in the body"]:
        await client.wait_for(b"hello")
    client.close() if politely else client.abort()
    await first.next_connection_lost()
    assert not second.requests
    (line,) = proxy.requests
    assert "client left" in line
    assert len(proxy.lines) == 2, "one line for the start, one for the request"
    (provider, _) = proxy.service.failovers["claudecode"].route.providers
    assert provider.usable(0)
    assert provider.unwell_at is None


@ensure_deferred
async def test_a_disconnect_aborts_the_provider_over_tls_too(
    world: World,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A provider that ignores a close_notify must not go on streaming."""
    for name, value in authority.environment.items():
        monkeypatch.setenv(name, value)
    upstream = world.upstream((*chunked(b"hello", last=False), Hang()), tls=authority.server)
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url.replace("127.0.0.1", "localhost"))]})
    client = await world.connect(proxy.port)
    client.send(request(b"GET", b"/claudecode/v1/models"))
    await client.wait_for(b"hello")
    client.abort()
    await upstream.next_connection_lost()
    assert "client left in the body" in proxy.requests[0]


@ensure_deferred
async def test_a_disconnect_in_the_middle_of_a_request(world: World) -> None:
    upstream = world.upstream(chunked(b"hello"))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    client.send(request(b"POST", b"/claudecode/v1/messages?x=secret", body=b"x" * 100)[:-50])
    await client.drained()
    client.close()
    await proxy.logged("client left in the request, after 50 bytes")
    assert not upstream.requests
    assert "secret" not in "".join(proxy.lines)


@ensure_deferred
async def test_a_disconnect_while_the_provider_is_connected_to(world: World) -> None:
    """Endpoints call that by a name of their own, which is no failure of the provider."""
    first = world.upstream(on_connect=(Hang(),), scheme="https")
    second = world.upstream(chunked(b"other"))
    proxy = two(world.proxy, first, second)
    client = await world.connect(proxy.port)
    client.send(request(b"POST", b"/claudecode/v1/messages", body=b"{}"))
    while not first.connections:
        await deferLater(reactor, 0.01)
    client.close()
    await first.next_connection_lost()
    await proxy.logged("client left waiting for an answer")
    assert not second.requests
    assert len(proxy.requests) == 1
    assert "attempts: 1 " in proxy.requests[0]


@ensure_deferred
async def test_a_disconnect_frees_the_body_at_once(world: World) -> None:
    """Without waiting for the garbage collector, which may come minutes later."""
    proxy = world.proxy({"claudecode": []})
    client = await world.connect(proxy.port)
    client.send(request(b"POST", b"/claudecode/v1/messages", body=b"x" * 1000)[:-500])
    (channel,) = await until_asked(proxy)
    asked = ref(channel._incoming._request)
    gc.disable()
    try:
        client.close()
        await proxy.logged("client left in the request")
        await deferLater(reactor, 0)
        assert asked() is None
    finally:
        gc.enable()


async def until_asked(proxy: Proxy) -> set[Channel]:
    """The open connections, when a request has begun on each."""
    channels = proxy.service.site.channels
    while not channels or not all(channel._incoming._request for channel in channels):
        await deferLater(reactor, 0.01)
    return channels


class Streaming:
    """A provider's connection in the midst of a body.

    Attributes:
        left: fires when nobody wants the rest.
    """

    def __init__(self) -> None:
        self.left: Deferred[None] = Deferred()
        self.transport = StringTransport()

    def pauseProducing(self) -> None:
        """Nothing comes of itself."""

    resumeProducing = pauseProducing

    def stopProducing(self) -> None:
        self.left.callback(None)


class AnswersAtOnce:
    """A failover whose answer has begun before anybody could wait for it."""

    def __init__(self, head: ResponseHead, connection: Streaming) -> None:
        response = Response(head, connection)
        self.answered = HeldAnswer(response, reactor).commit("one", lambda ending: None)
        response.body_received(b"hello")

    async def answer(self, *request: object) -> HeldAnswer:
        return self.answered


AT_ONCE = {
    "a request": (request(b"POST", b"/codex/v1/responses", body=b"{}"), 200),
    "a WebSocket": (HANDSHAKE, 101),
}


@pytest.mark.parametrize(("ask", "status"), AT_ONCE.values(), ids=AT_ONCE.keys())
@ensure_deferred
async def test_a_disconnect_ends_an_answer_that_had_begun_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch, ask: bytes, status: int
) -> None:
    proxy = world.proxy({"codex": [provider("one", "http://127.0.0.1:1", websocket=True)]})
    connection = Streaming()
    head = ResponseHead("1.1", [], [], {}, True, False, status, b"OK", False, True)
    monkeypatch.setattr(proxy.service.failovers["codex"], "answer", AnswersAtOnce(head, connection).answer)
    client = await world.connect(proxy.port)
    client.send(ask)
    await client.wait_for(b"hello")
    client.abort()
    await within(connection.left, lambda: "the provider was never left")
    await proxy.logged("client left")
    assert len(proxy.requests) == 1
