"""Connections in and out: reuse, stale ones in the pool, pipelining, closing when asked to."""

from __future__ import annotations

from socket import SHUT_WR

import pytest
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IConsumer
from twisted.internet.task import deferLater
from twisted.web.client import readBody
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

from clipal.config.model import BaseURL
from clipal.transport.tcp import EagerClient, EagerServer
from clipal.upstream import connection as upstream_connection
from clipal.upstream.agent import Agent
from clipal.upstream.target import Target
from tests.proxy import provider
from tests.wirekit.client import request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import Close, Hang, Pause, Reset, Send, Steps, Wait, answer, chunked
from tests.wirekit.tls import Authority
from tests.wirekit.upstream import RecordedRequest
from tests.wirekit.waiting import reactor, within
from tests.world import World

POST = request(b"POST", b"/claudecode/v1/messages", body=b"{}")


@ensure_deferred
async def test_a_providers_connection_is_used_again(world: World) -> None:
    upstream = world.upstream(answer(200, b"hello"))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    for _ in range(3):
        client = await world.connect(proxy.port)
        client.send(POST)
        assert (await client.read_response()).body == b"hello"
    assert len(upstream.connections) == 1


@ensure_deferred
async def test_small_pieces_wait_for_no_acknowledgement_on_either_side(world: World) -> None:
    """TCP_NODELAY and keep-alive are set on the connection from the client and on that to the provider."""
    upstream = world.upstream(answer(200, b"hello"))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    client.send(POST)
    await client.read_response()
    ours = [each for each in reactor.getReaders() if isinstance(each, EagerServer | EagerClient)]
    assert {type(each) for each in ours} == {EagerServer, EagerClient}
    assert all(each.getTcpNoDelay() and each.getTcpKeepAlive() for each in ours)


@ensure_deferred
async def test_each_key_has_connections_of_its_own(world: World) -> None:
    """Bytes behind one key's answer, which come late, are never the next key's."""
    key = lambda asked: asked.values(b"x-api-key")[0]  # noqa: E731
    refused = {b"first"}
    upstream = world.upstream(lambda asked: answer(429 if key(asked) in refused else 200, b"{}"))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url, "first", "second")]})
    client = await world.connect(proxy.port)
    for _ in range(2):
        client.send(POST)
        assert (await client.read_response()).status == 200
    used = {key(asked): set[int]() for asked in upstream.requests}
    for asked in upstream.requests:
        used[key(asked)].add(asked.connection)
    assert len(used) == 2
    assert not used[b"first"] & used[b"second"]


@pytest.mark.parametrize("scheme", ["http", "https"])
@ensure_deferred
async def test_nothing_but_connect_timeout_limits_connecting(world: World, scheme: str) -> None:
    """Twisted's endpoints give up after 30 s by themselves; 0 is no limit at all."""
    upstream = world.upstream((Hang(),))
    target = Target.from_base_url(BaseURL(scheme, "127.0.0.1", upstream.port))
    soon = reactor.seconds() + 1
    asking = Agent(reactor, target, connect_timeout=0).request(b"GET", b"%b/" % target.origin, [])
    assert not [call for call in reactor.getDelayedCalls() if soon < call.getTime() < soon + 30]
    asking.cancel()
    with pytest.raises(CancelledError):
        await asking


@pytest.mark.parametrize("tls", [False, True])
@ensure_deferred
async def test_an_unused_connection_is_closed_gracefully(
    world: World, authority: Authority, monkeypatch: pytest.MonkeyPatch, tls: bool
) -> None:
    """A reset is for what is under way; a provider would log it as an error."""
    for name, value in authority.environment.items():
        monkeypatch.setenv(name, value)
    upstream = world.upstream(answer(200, b"hello"), tls=authority.server if tls else None)
    target = Target.from_base_url(BaseURL("https" if tls else "http", "localhost", upstream.port))
    agent = Agent(reactor, target, connect_timeout=0)
    response = await agent.request(b"GET", b"%b/" % target.origin, [(b"Host", b"localhost")])
    assert await readBody(response) == b"hello"
    agent.close()
    connection = await upstream.next_connection_lost()
    assert connection.lost is not None
    assert connection.lost.check(ConnectionDone)


@ensure_deferred
async def test_the_longest_unused_connection_gives_way_first(world: World) -> None:
    go: Deferred[None] = Deferred()
    upstream = world.upstream(
        lambda asked: (*((Wait(go),) if asked.target == b"/late" else ()), *answer(200, b"hello"))
    )
    target = Target.from_base_url(BaseURL("http", "127.0.0.1", upstream.port))
    agent = Agent(reactor, target, connect_timeout=0)
    late, early = (agent.request(b"GET", target.origin + path, []) for path in (b"/late", b"/early"))
    await readBody(await early)
    go.callback(None)
    await readBody(await late)
    used = {asked.target: asked.connection for asked in upstream.requests}
    assert agent.idle_since is not None
    assert agent.close_longest_idle()
    assert (await upstream.next_connection_lost()).number == used[b"/early"]
    await readBody(await agent.request(b"GET", b"%b/" % target.origin, []))
    assert upstream.requests[-1].connection == used[b"/late"]
    assert agent.close_longest_idle()
    assert not agent.close_longest_idle()
    assert agent.idle_since is None


@pytest.mark.parametrize("end", [Close(), Reset()], ids=["FIN", "RST"])
@ensure_deferred
async def test_a_connection_that_was_lost_while_idle_is_replaced_once(world: World, end: Close | Reset) -> None:
    """The provider closes as the second request is sent: it is not blamed, and the log counts both sendings."""

    def script(asked: RecordedRequest) -> Steps:
        stale = asked.connection == 0 and len(upstream.requests) > 1
        return (end,) if stale else answer(200, b"hello")

    upstream = world.upstream(script)
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url), provider("two", "http://127.0.0.1:1")]})
    client = await world.connect(proxy.port)
    for _ in range(2):
        client.send(POST)
        assert (await client.read_response()).body == b"hello"
    assert [asked.connection for asked in upstream.requests] == [0, 0, 1]
    assert "attempts: 2 [" in proxy.requests[-1]


@pytest.mark.parametrize("end", [Close(), Reset()], ids=["FIN", "RST"])
@pytest.mark.parametrize("size", [2, 3_000_000], ids=["small", "large"])
@ensure_deferred
async def test_a_request_that_may_have_been_worked_on_is_not_sent_again(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    end: Close | Reset,
    size: int,
) -> None:
    """The provider has read all of it on a connection that was used before, works for a while, and closes."""
    monkeypatch.setattr(upstream_connection, "STALE_WITHIN", 0.05)
    first = world.upstream(answer(200, b"hello"), (Pause(0.2), end))
    second = world.upstream(answer(200, b"other"))
    proxy = world.proxy({"claudecode": [provider("one", first.base_url), provider("two", second.base_url)]})
    client = await world.connect(proxy.port)
    for body in (b"hello", b"other"):
        client.send(request(b"POST", b"/claudecode/v1/messages", body=b"x" * size))
        assert (await client.read_response()).body == body
    assert [asked.connection for asked in first.requests] == [0, 0]
    assert "attempts: 2 (one: connection lost)" in proxy.requests[-1]


@ensure_deferred
async def test_a_stale_connection_is_replaced_by_a_fresh_one_though_others_are_kept(world: World) -> None:
    """Those that are left have been unused for longer, and are as stale."""
    go: Deferred[None] = Deferred()

    def script(asked: RecordedRequest) -> Steps:
        return (Close(),) if len(upstream.requests) > 3 and asked.connection < 3 else (Wait(go), *answer(200, b"hello"))

    upstream = world.upstream(script)
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    clients = [await world.connect(proxy.port) for _ in range(3)]
    for client in clients:
        client.send(POST)
    for _ in clients:
        await upstream.next_request()
    go.callback(None)
    for client in clients:
        assert (await client.read_response()).body == b"hello"
    clients[0].send(POST)
    assert (await clients[0].read_response()).body == b"hello"
    assert upstream.requests[-1].connection == 3


@implementer(IBodyProducer)
class FailingBody:
    """Breaks off when it has begun, or before."""

    length = 10

    def __init__(self, at_once: bool) -> None:
        self._at_once = at_once

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        if self._at_once:
            raise RuntimeError("no body")
        consumer.write(b"12345")
        return fail(RuntimeError("half a body"))

    def stopProducing(self) -> None:
        pass

    pauseProducing = resumeProducing = stopProducing


@pytest.mark.parametrize("at_once", [True, False])
@ensure_deferred
async def test_a_body_that_breaks_off_fails_its_request(world: World, at_once: bool) -> None:
    upstream = world.upstream(answer(200, b"hello"))
    target = Target.from_base_url(BaseURL("http", "127.0.0.1", upstream.port))
    agent = Agent(reactor, target, connect_timeout=0)
    fields = [(b"Host", b"localhost"), (b"Content-Length", b"10")]
    asking = agent.request(b"POST", b"%b/" % target.origin, fields, FailingBody(at_once))
    with pytest.raises(RuntimeError, match="body"):
        await within(asking, lambda: "no end", 5)
    await upstream.next_connection_lost()
    assert not upstream.requests


@ensure_deferred
async def test_a_fresh_connection_that_is_lost_is_a_failure(world: World) -> None:
    first, second = world.upstream((Close(),)), world.upstream(answer(200, b"other"))
    proxy = world.proxy({"claudecode": [provider("one", first.base_url), provider("two", second.base_url)]})
    client = await world.connect(proxy.port)
    client.send(POST)
    assert (await client.read_response()).body == b"other"
    assert len(first.requests) == 1


@ensure_deferred
async def test_a_provider_that_says_close_is_taken_at_its_word(world: World) -> None:
    upstream = world.upstream(answer(200, b"hello", ((b"Connection", b"close"),)))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    for _ in range(2):
        client.send(POST)
        response = await client.read_response()
        assert (response.body, response.values(b"connection")) == (b"hello", [])
    assert len(upstream.connections) == 2


@ensure_deferred
async def test_bytes_behind_an_answer_are_dropped(world: World) -> None:
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    upstream = world.upstream(
        (Send(whole + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"),), answer(200, b"ok")
    )
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    for body in (b"hello", b"ok"):
        client.send(POST)
        assert (await client.read_response()).body == body
    assert len(upstream.connections) == 2


@pytest.mark.parametrize("at_once", ["surplus bytes", "the end"])
@ensure_deferred
async def test_what_comes_behind_an_answer_right_before_the_next_request_is_not_its_answer(
    world: World, at_once: str
) -> None:
    """No turn of the reactor is between what the provider does and the request."""
    upstream = world.upstream(answer(200, b"hello"))
    target = Target.from_base_url(BaseURL("http", "127.0.0.1", upstream.port))
    agent = Agent(reactor, target, connect_timeout=0)
    ask = lambda: agent.request(b"GET", b"%b/" % target.origin, [(b"Host", b"localhost")])  # noqa: E731
    assert await readBody(await ask()) == b"hello"
    provider_socket = upstream.connections[0].transport.socket
    if at_once == "surplus bytes":
        provider_socket.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
    else:
        provider_socket.shutdown(SHUT_WR)
    asking = ask()
    assert await readBody(await asking) == b"hello"
    assert len(upstream.connections) == 2
    agent.close()


@ensure_deferred
async def test_pipelined_requests_are_answered_in_order(world: World) -> None:
    go: Deferred[None] = Deferred()
    upstream = world.upstream(lambda asked: (Wait(go), *chunked(asked.target)))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    targets = [b"/%d" % number for number in range(5)]
    client.send(b"".join(request(b"GET", b"/claudecode" + target) for target in targets) + request(b"GET", b"/health"))
    await upstream.next_request()
    client.send(request(b"GET", b"/claudecode/late"))
    go.callback(None)
    for target in targets:
        assert (await client.read_response()).body == target
    assert b"healthy" in (await client.read_response()).body
    assert (await client.read_response()).body == b"/late"


@ensure_deferred
async def test_thousands_of_pipelined_requests_are_no_recursion(world: World) -> None:
    proxy = world.proxy({})
    client = await world.connect(proxy.port)
    count = 3000
    client.send(request(b"GET", b"/health") * count)
    for _ in range(count):
        assert (await client.read_response()).status == 200


@pytest.mark.parametrize("path", [b"/health", b"/status", b"/metrics", b"/nothing"])
@ensure_deferred
async def test_a_thousand_pipelined_requests_delay_no_other_client(world: World, path: bytes) -> None:
    """All that one read brought was answered in one turn: 64 KiB of `GET /metrics` took seconds."""
    proxy = world.proxy({})
    hasty, other = await world.connect(proxy.port), await world.connect(proxy.port)
    count = 1000
    hasty.send(request(b"GET", path) * count)
    await hasty.wait_for(b"\r\n\r\n")
    other.send(request(b"GET", b"/health"))
    assert (await other.read_response()).status == 200
    assert hasty.received.count(b"HTTP/1.1 ") < count / 10
    hasty.abort()  # the rest is never answered, and nothing of it is left behind


@ensure_deferred
async def test_a_malformed_request_behind_a_good_one_is_refused_in_its_turn(world: World) -> None:
    upstream = world.upstream(answer(200, b"hello"))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    client.send(POST + b"NONSENSE\r\n\r\n" + POST)
    assert (await client.read_response()).body == b"hello"
    assert (await client.read_response()).status == 400
    assert await client.closed() == "close"
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [(b"1.1", b"close", False), (b"1.1", b"keep-alive", True), (b"1.0", b"keep-alive", True), (b"1.0", b"x", False)],
)
@ensure_deferred
async def test_the_client_decides_whether_its_connection_stays(
    world: World,
    version: bytes,
    connection: bytes,
    kept: bool,
) -> None:
    upstream = world.upstream(answer(200, b"hello"))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    fields = ((b"Host", b"127.0.0.1"), (b"Connection", connection))
    client.send(request(b"GET", b"/claudecode/x", fields).replace(b"HTTP/1.1", b"HTTP/" + version))
    response = await client.read_response()
    said = {(True, b"1.1"): [], (True, b"1.0"): [b"keep-alive"]}.get((kept, version), [b"close"])
    assert response.values(b"connection") == said
    if kept:
        client.send(request(b"GET", b"/health"))
        assert (await client.read_response()).status == 200
    else:
        assert await client.closed() == "close"


@ensure_deferred
async def test_an_upgrade_that_is_declined_does_not_hide_the_body(world: World) -> None:
    upstream = world.upstream(answer(200, b"hello"))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    fields = ((b"Host", b"127.0.0.1"), (b"Connection", b"Upgrade, HTTP2-Settings"), (b"Upgrade", b"h2c"))
    for body in (b"GET /evil HTTP/1.1\r\nHost: x\r\n\r\n", b""):
        client.send(request(b"POST", b"/claudecode/x", fields, body))
        assert (await client.read_response()).body == b"hello"
        assert upstream.requests[-1].body == body


@ensure_deferred
async def test_continue_is_said_when_the_body_is_wanted(world: World) -> None:
    upstream = world.upstream(answer(200, b"hello"))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    fields = ((b"Host", b"127.0.0.1"), (b"Expect", b"100-continue"), (b"Content-Length", b"2"))
    client.send(request(b"POST", b"/claudecode/x", fields))
    assert (await client.read_response()).status == 100
    client.send(b"{}")
    assert (await client.read_response()).body == b"hello"
    assert b"expect" not in upstream.requests[0].raw_head.lower()


@ensure_deferred
async def test_continue_is_said_once_however_the_body_comes(world: World) -> None:
    upstream = world.upstream(answer(200, b"hello"))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    fields = ((b"Host", b"127.0.0.1"), (b"Expect", b"100-continue"), (b"Transfer-Encoding", b"chunked"))
    client.send(request(b"POST", b"/claudecode/x", fields))
    assert (await client.read_response()).status == 100
    for piece in (b"2", b"\r\n", b"{}\r\n", b"0\r\n\r\n"):
        client.send(piece)
        await deferLater(reactor, 0.02)
    assert (await client.read_response()).body == b"hello"


@ensure_deferred
async def test_no_more_unused_connections_are_kept_than_max_idle(world: World) -> None:
    upstream = world.upstream(answer(200, b"hello"))
    target = Target.from_base_url(BaseURL("http", "127.0.0.1", upstream.port))
    agent = Agent(reactor, target, connect_timeout=0, max_idle=1)
    ask = lambda: agent.request(b"GET", b"%b/" % target.origin, [(b"Host", b"localhost")])  # noqa: E731
    for asking in [ask(), ask()]:
        assert await readBody(await asking) == b"hello"
    await upstream.next_connection_lost()
    assert len(upstream.open_connections) == 1
    agent.close()
