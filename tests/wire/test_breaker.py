"""Failures in a row over sockets: what counts as one, and who is let through when the rest is over."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from clipal.config.settings import CircuitBreaker, FailBack
from tests.asking import FAILED, ask, ranked
from tests.wirekit.client import request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import Close, Reset, Send, Steps, Wait, answer, chunked, head
from tests.wirekit.waiting import reactor
from tests.world import World

TWO = answer(200, b"two")
ASK = request(b"POST", b"/claudecode/v1/messages", body=b"{}")
CUTS: dict[str, Steps] = {
    "a reset": (*chunked(b"begin", last=False), Reset()),
    "a close": (*chunked(b"begin", last=False), Close()),
    "fewer bytes than promised": (Send(head(200, ((b"Content-Length", b"9"),)) + b"begin"), Close()),
    "garbage": (*chunked(b"begin", last=False), Send(b"no chunk at all\r\n")),
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS.keys())
@ensure_deferred
async def test_four_answers_that_break_off_open_the_breaker(world: World, cut: Steps) -> None:
    first, second = world.upstream(cut), world.upstream(TWO)
    proxy = ranked(world.proxy, first, second)
    for _ in range(4):
        client = await world.connect(proxy.port)
        client.send(ASK)
        response = await client.read_response()
        assert (response.body, response.complete) == (b"begin", False)
    assert [line for line in proxy.lines if "one rests for 1m: answer broken off" in line]
    assert await ask(await world.connect(proxy.port)) == b"two"
    assert len(first.requests) == 4


@ensure_deferred
async def test_a_whole_answer_between_them_begins_the_count_anew(world: World) -> None:
    cut = CUTS["a reset"]
    first = world.upstream(cut, cut, cut, answer(200, b"one"), cut, cut, cut, answer(200, b"one"))
    proxy = ranked(world.proxy, first, world.upstream(TWO))
    said = []
    for _ in range(8):
        client = await world.connect(proxy.port)
        client.send(ASK)
        said.append((await client.read_response()).body)
    assert said == [b"begin", b"begin", b"begin", b"one"] * 2
    assert not [line for line in proxy.lines if "rests" in line]


@ensure_deferred
async def test_a_disconnect_in_the_body_is_not_charged(world: World) -> None:
    never: Deferred[None] = Deferred()
    first = world.upstream((*chunked(b"begin", last=False), Wait(never)))
    proxy = ranked(world.proxy, first, world.upstream(TWO), circuit_breaker=CircuitBreaker(1, 60))
    for number in range(1, 4):
        client = await world.connect(proxy.port)
        client.send(ASK)
        await client.wait_for(b"begin")
        client.abort()
        await proxy.logged("client left in the body", number)
        await first.next_connection_lost()
    assert len(first.requests) == 3
    assert not [line for line in proxy.lines if "rests" in line]


@ensure_deferred
async def test_one_of_many_requests_is_the_trial(world: World) -> None:
    """The others go past it, and come back to it when it has passed."""
    answered: Deferred[None] = Deferred()
    first = world.upstream(FAILED, (Wait(answered), *answer(200, b"one")), answer(200, b"one"))
    second = world.upstream(TWO)
    proxy = ranked(
        world.proxy,
        first,
        second,
        circuit_breaker=CircuitBreaker(1, 0.05),
        failback=FailBack.ALWAYS,
        failback_after=0.0,
    )
    assert await ask(await world.connect(proxy.port)) == b"two"
    await first.next_request()
    await deferLater(reactor, 0.06)
    trial, *others = [await world.connect(proxy.port) for _ in range(6)]
    trial.send(ASK)
    await first.next_request()
    for other in others:
        other.send(ASK)
    assert [(await other.read_response()).body for other in others] == [b"two"] * 5
    answered.callback(None)
    assert (await trial.read_response()).body == b"one"
    assert [await ask(other) for other in others] == [b"one"] * 5
    changes = [line for line in proxy.lines if line.startswith("claudecode: one") and "place" not in line]
    assert changes[0] == "claudecode: one rests for 50ms: server error"
    assert changes[-1] == "claudecode: one answers again"


@ensure_deferred
async def test_a_failed_trial_doubles_the_cooldown(world: World) -> None:
    proxy = ranked(
        world.proxy,
        world.upstream(FAILED),
        world.upstream(TWO),
        circuit_breaker=CircuitBreaker(1, 0.05),
        failback=FailBack.ALWAYS,
        failback_after=0.0,
    )
    client = await world.connect(proxy.port)
    for times, length in enumerate(("50ms", "100ms", "200ms"), 1):
        assert await ask(client) == b"two"
        await proxy.logged(f"one rests for {length}: server error")
        await deferLater(reactor, 0.05 * 2 ** (times - 1) + 0.01)


@ensure_deferred
async def test_counting_tokens_charges_only_a_refused_key(world: World) -> None:
    cut = CUTS["a reset"]
    limited, overloaded = (answer(status, b"", ((b"Retry-After", b"30"),)) for status in (429, 529))
    scripts = ((Reset(),), cut, FAILED, limited, overloaded, answer(401, b""))
    first = world.upstream(*scripts)
    proxy = ranked(
        world.proxy,
        first,
        world.upstream(TWO),
        circuit_breaker=CircuitBreaker(1, 60),
        failback=FailBack.ALWAYS,
        failback_after=0.0,
    )
    for number in range(1, len(scripts) + 1):
        assert not [line for line in proxy.lines if "rests" in line]
        client = await world.connect(proxy.port)
        client.send(request(b"POST", b"/claudecode/v1/messages/count_tokens", body=b"{}"))
        await client.read_response()
        assert len(first.requests) == number
    assert [line for line in proxy.lines if "rests" in line] == ["claudecode: one rests for 1h: auth"]
