"""The line of a request says who was passed over and until when, what one should look at, and the request's id."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogPublisher
from zope.interface import implementer

from clipal.config.duration import clock_time
from tests.asking import FAILED, ask, ranked
from tests.proxy import provider
from tests.wirekit.client import request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import Close, Hang, Pause, Send, answer
from tests.wirekit.tls import Authority
from tests.world import World

LIMITED = answer(429, b"", ((b"Retry-After", b"600"),))
OK = answer(200, b"two")


@implementer(ILogObserver)
class Events(list[LogEvent]):
    """Those of requests."""

    def __call__(self, event: LogEvent) -> None:
        if "attempts" in event:
            self.append(event)


@pytest.fixture
def events() -> Iterator[Events]:
    found = Events()
    globalLogPublisher.addObserver(found)
    yield found
    globalLogPublisher.removeObserver(found)


@ensure_deferred
async def test_a_provider_in_a_cooldown_is_named_though_none_failed(world: World) -> None:
    proxy = ranked(world.proxy, world.upstream(LIMITED), world.upstream(OK, OK))
    client = await world.connect(proxy.port)
    before = time.time()
    assert [await ask(client), await ask(client)] == [b"two", b"two"]
    await proxy.logged(" → ", 2)
    first, second = proxy.requests
    assert "attempts: 2 (one: 429 rate limit, resting 10m) [" in first
    times = {clock_time(at + 600, at) for at in (before, time.time())}
    assert any(f"attempts: 1 (one rests until {each}: rate limit) [" in second for each in times)


@ensure_deferred
async def test_a_provider_behind_the_one_that_answered_is_not_named(world: World) -> None:
    proxy = ranked(world.proxy, world.upstream(FAILED, OK), world.upstream(LIMITED), failback="always")
    client = await world.connect(proxy.port)
    await ask(client)
    await ask(client)
    await proxy.logged(" → ", 2)
    assert "attempts: 1 [" in proxy.requests[1]


@ensure_deferred
async def test_providers_in_a_cooldown_are_named_where_no_provider_answers(world: World) -> None:
    proxy = ranked(world.proxy, world.upstream(LIMITED), world.upstream(LIMITED))
    client = await world.connect(proxy.port)
    await ask(client)
    answered = await ask(client)
    await proxy.logged(" → ", 2)
    assert re.search(r"\(one rests until [0-9:]{5}: rate limit; two rests until [0-9:]{5}: rate", proxy.requests[1])
    assert b"one: rate limit, resting 10m" in answered


@ensure_deferred
async def test_a_pinned_provider_is_said_to_be_pinned(world: World) -> None:
    proxy = world.proxy({"claudecode": [provider("main", world.upstream(OK).base_url)]}, pinned="main")
    await ask(await world.connect(proxy.port))
    await proxy.logged("200 via main in")
    assert "attempts: 1 (pinned) [" in proxy.requests[0]


@ensure_deferred
async def test_a_provider_s_timeout_is_a_warning(world: World, events: Events) -> None:
    slow = world.upstream((Pause(5), *OK))
    proxy = ranked(world.proxy, slow, world.upstream(OK), nonstreaming_timeout=0.05)
    assert await ask(await world.connect(proxy.port)) == b"two"
    await proxy.logged("one: no answer in time")
    assert [event["log_level"] for event in events] == [LogLevel.warn]


@ensure_deferred
async def test_a_provider_s_tls_failure_is_a_warning(world: World, authority: Authority, events: Events) -> None:
    untrusted = provider("one", world.upstream(OK, tls=authority.server).base_url, priority=0)
    proxy = world.proxy({"claudecode": [untrusted, provider("two", world.upstream(OK).base_url)]})
    assert await ask(await world.connect(proxy.port)) == b"two"
    await proxy.logged("(one: ")
    assert [event["log_level"] for event in events] == [LogLevel.warn]


@ensure_deferred
async def test_a_failure_of_another_kind_is_no_warning(world: World, events: Events) -> None:
    proxy = ranked(world.proxy, world.upstream(FAILED), world.upstream(OK))
    await ask(await world.connect(proxy.port))
    await proxy.logged("one: 500")
    assert [event["log_level"] for event in events] == [LogLevel.info]


@ensure_deferred
async def test_an_answer_that_a_provider_breaks_off_is_a_warning(world: World, events: Events) -> None:
    upstream = world.upstream((Send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"), Close()))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    client.send(request(b"GET", b"/claudecode/v1/models"))
    await proxy.logged(" → 200 via one, ")
    assert [event["log_level"] for event in events] == [LogLevel.warn]


@ensure_deferred
async def test_a_client_that_disconnects_is_no_warning(world: World, events: Events) -> None:
    upstream = world.upstream((Send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"), Hang()))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    client.send(request(b"GET", b"/claudecode/v1/models"))
    await client.read_until(b"hello")
    client.abort()
    await proxy.logged(" → 200 via one, ")
    assert [event["log_level"] for event in events] == [LogLevel.info]


@ensure_deferred
async def test_a_request_that_no_provider_answers_is_a_warning(world: World, events: Events) -> None:
    proxy = world.proxy({"claudecode": []})
    await ask(await world.connect(proxy.port))
    await proxy.logged(" → 503")
    assert [event["log_level"] for event in events] == [LogLevel.warn]


@ensure_deferred
@pytest.mark.parametrize("given", [b"8f14e45f-ceea", b"x" * 64, b'a]b{c}%d"\\'])
async def test_a_client_s_id_is_kept(world: World, given: bytes) -> None:
    proxy = world.proxy({"claudecode": []})
    client = await world.connect(proxy.port)
    client.send(
        request(b"POST", b"/claudecode/v1/messages", ((b"Host", b"x.localhost"), (b"X-Request-Id", given)), b"{}")
    )
    answered = await client.read_response()
    assert answered.values(b"x-request-id") == [given]
    await proxy.logged(f"[{given.decode()}]")


@ensure_deferred
@pytest.mark.parametrize("given", [b"", b"x" * 65, b"two words", b"\xc3\xa9"])
async def test_a_client_s_id_that_is_none_is_not(world: World, given: bytes) -> None:
    proxy = world.proxy({"claudecode": []})
    client = await world.connect(proxy.port)
    client.send(
        request(b"POST", b"/claudecode/v1/messages", ((b"Host", b"x.localhost"), (b"X-Request-Id", given)), b"{}")
    )
    (found,) = (await client.read_response()).values(b"x-request-id")
    assert re.fullmatch(rb"[0-9a-f]{8}-[0-9a-f]{6}", found)
    await proxy.logged(f"[{found.decode()}]")


def test_a_clock_time_of_another_day_has_its_date() -> None:
    now = time.mktime((2026, 11, 27, 23, 50, 0, 0, 0, -1))
    assert (clock_time(now + 300, now), clock_time(now + 900, now)) == ("23:55", "2026-11-28 00:05")
