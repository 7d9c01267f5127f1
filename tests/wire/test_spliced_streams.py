"""What seldom happens to an answer whose bytes go straight from the provider's socket to the client's.

Each test waits until the first piece has reached the client. From then on the provider's socket belongs to a splice.
"""

from __future__ import annotations

import socket

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.tcp import Client

from clipal.downstream.splice import Splice
from clipal.upstream.connection import Connection
from tests.proxy import Proxy, provider
from tests.wirekit.client import RawClient, request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import Close, Flood, Hang, Reset, Send, Step, Steps, Wait, answer, chunk, chunked, head
from tests.wirekit.tls import Authority
from tests.wirekit.upstream import ScriptedUpstream
from tests.wirekit.waiting import reactor
from tests.world import World

GET = request(b"GET", b"/claudecode/v1/models")
LAST = Send(b"0\r\n\r\n")
LENGTH = Send(head(200, ((b"Content-Length", b"15"),)) + b"first")
TO_CLOSE = Send(head(200) + b"first")
CHUNKS = chunked(b"first", last=False)


def ends_at(upstream: ScriptedUpstream) -> list[Client]:
    """clipal's own ends of its connections to a provider."""
    readers = [each for each in reactor.getReaders() if isinstance(each, Client)]
    return [each for each in readers if each.getPeer().port == upstream.port]


async def begin(
    world: World, *steps: Step, first: Steps = CHUNKS, **settings: object
) -> tuple[ScriptedUpstream, Proxy, RawClient]:
    """Asks for an answer, and goes on with `steps` when its first piece has come through."""
    go: Deferred[None] = Deferred()
    upstream = world.upstream((*first, Wait(go), *steps), answer(200, b"next"))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]}, **settings)
    client = await world.connect(proxy.port)
    client.send(GET)
    await client.wait_for(b"first")
    (end,) = ends_at(upstream)
    assert isinstance(end.protocol, Splice)
    go.callback(None)
    return upstream, proxy, client


@pytest.mark.parametrize(
    ("first", "steps", "body"),
    [
        (CHUNKS, [Send(chunk(b"second")), Send(chunk(b"third")), LAST], b"firstsecondthird"),
        (CHUNKS, [Send(chunk(b"a") + chunk(b"b") + chunk(b"c")), LAST], b"firstabc"),
        (CHUNKS, [Send(chunk(b"second") + LAST.data)], b"firstsecond"),
        (CHUNKS, [Send(bytes([each])) for each in chunk(b"second") + LAST.data], b"firstsecond"),
        ((LENGTH,), [Send(b"second"), Send(b"last")], b"firstsecondlast"),
    ],
    ids=["a chunk a read", "three chunks a read", "the end with the last chunk", "a byte a read", "with a length"],
)
@ensure_deferred
async def test_a_whole_answer_is_whole_and_its_connection_is_used_again(
    world: World, first: Steps, steps: Steps, body: bytes
) -> None:
    upstream, proxy, client = await begin(world, *steps, first=first)
    whole = await client.read_response()
    assert (whole.complete, whole.body) == (True, body)
    assert f"{len(body)} bytes" in proxy.requests[0]
    (end,) = ends_at(upstream)
    assert isinstance(end.protocol, Connection)
    client.send(GET)
    assert (await client.read_response()).body == b"next"
    assert len(upstream.connections) == 1


@ensure_deferred
async def test_trailers_come_through(world: World) -> None:
    _, _, client = await begin(world, Send(chunk(b"second")), Send(b"0\r\nX-Sum: 7\r\n\r\n"))
    whole = await client.read_response()
    assert (whole.complete, whole.body) == (True, b"firstsecond")
    assert whole.raw.endswith(b"0\r\nX-Sum: 7\r\n\r\n")


@ensure_deferred
async def test_after_surplus_bytes_the_answer_is_whole_and_the_connection_is_not_used_again(world: World) -> None:
    upstream, _, client = await begin(world, Send(LAST.data + b"HTTP/1.1 200 OK\r\n\r\n"))
    whole = await client.read_response()
    assert (whole.complete, whole.body) == (True, b"first")
    client.send(GET)
    assert (await client.read_response()).body == b"next"
    assert len(upstream.connections) == 2


@pytest.mark.parametrize(
    ("first", "steps", "body"),
    [
        (CHUNKS, [Send(b"ff\r\nhello"), Close()], b"firsthello"),
        (CHUNKS, [Send(b"ff\r\nhello"), Reset()], b"firsthello"),
        (CHUNKS, [Send(chunk(b"second") + b"xyz\r\n")], b"firstsecond"),
        (CHUNKS, [Send(b"1"), Send(b"z\r\n")], b"first"),
        (CHUNKS, [Send(b"0\r\nno colon\r\n\r\n")], b"first"),
        (CHUNKS, [Send(b"5;" + b"x" * 20_000), Hang()], b"first"),
        ((LENGTH,), [Send(b"second"), Close()], b"firstsecond"),
        ((TO_CLOSE,), [Send(b"second"), Reset()], b"firstsecond"),
    ],
    ids=["FIN", "RST", "bad size", "half a bad size", "bad trailer", "long extension", "short length", "until close"],
)
@ensure_deferred
async def test_a_cut_is_a_cut(world: World, first: Steps, steps: Steps, body: bytes) -> None:
    upstream, proxy, client = await begin(world, *steps, first=first)
    cut = await client.read_response()
    assert (cut.complete, cut.ended, cut.body) == (False, "aborted", body)
    assert "200 via one, provider broke off in the body" in proxy.requests[0]
    await upstream.next_connection_lost()


@ensure_deferred
async def test_a_body_until_close_that_closes_is_whole(world: World) -> None:
    _, _, client = await begin(world, Send(b"second"), Close(), first=(TO_CLOSE,))
    whole = await client.read_response()
    assert (whole.complete, whole.body) == (True, b"firstsecond")


@pytest.mark.parametrize("politely", [True, False])
@ensure_deferred
async def test_over_tls_a_body_until_close_is_whole_only_with_a_close_notify(
    world: World, authority: Authority, monkeypatch: pytest.MonkeyPatch, politely: bool
) -> None:
    for name, value in authority.environment.items():
        monkeypatch.setenv(name, value)
    go: Deferred[None] = Deferred()
    end = Close() if politely else Reset()
    upstream = world.upstream((TO_CLOSE, Wait(go), Send(b"second"), end), tls=authority.server)
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    client.send(GET)
    await client.wait_for(b"first")
    go.callback(None)
    answered = await client.read_response()
    assert (answered.complete, answered.body) == (politely, b"firstsecond")


@ensure_deferred
async def test_extensions_between_content_are_limited_each_time_anew(world: World) -> None:
    """Each of these stays below the limit; together they are far above it."""
    slow = [Send(piece) for _ in range(4) for piece in (b"1;" + b"x" * 10_000, b"\r\na\r\n")]
    _, _, client = await begin(world, *slow, LAST)
    whole = await client.read_response()
    assert (whole.complete, whole.body) == (True, b"firstaaaa")


@ensure_deferred
async def test_a_provider_that_falls_silent_is_left(world: World) -> None:
    upstream, proxy, client = await begin(world, Send(chunk(b"second")), Hang(), upstream_idle_timeout=0.2)
    cut = await client.read_response()
    assert (cut.ended, cut.body) == ("aborted", b"firstsecond")
    assert "provider fell silent in the body" in proxy.requests[0]
    await upstream.next_connection_lost()


@ensure_deferred
async def test_a_client_that_disconnects_ends_the_providers_work(world: World) -> None:
    upstream, proxy, client = await begin(world, Send(chunk(b"second")), Hang())
    await client.wait_for(b"second")
    client.abort()
    await upstream.next_connection_lost()
    await proxy.logged("client left in the body")


@ensure_deferred
async def test_what_the_kernel_does_not_take_is_queued_and_everything_arrives_in_order(world: World) -> None:
    """The client stops reading in the middle, so the provider is paused; later pieces go straight to the socket."""
    size, piece = 24 * 1024 * 1024, bytes(range(256)) * 256
    flood = Flood(chunk(piece), size // len(piece))
    resumed: Deferred[None] = Deferred()
    _, proxy, client = await begin(world, flood, Wait(resumed), Send(chunk(b"late")), LAST)
    (channel,) = proxy.service.site.channels
    channel.transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
    client.pause()
    for _ in range(500):
        if channel.transport.waits_since is not None:
            break
        await deferLater(reactor, 0.01)
    client.resume()
    resumed.callback(None)
    whole = await client.read_response()
    assert whole.complete
    assert whole.body == b"first" + piece * (size // len(piece)) + b"late"
