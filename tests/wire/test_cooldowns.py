"""Cooldowns: of unreachable providers, of keys and of whole providers; the pinned provider and the last resort."""

from __future__ import annotations

import json

import pytest
from twisted.internet.defer import Deferred

from clipal.config.settings import CircuitBreaker
from tests.asking import FAILED, ask, ranked
from tests.proxy import provider
from tests.wirekit.client import request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.message import Fields
from tests.wirekit.steps import Reset, Send, Steps, Wait, answer
from tests.wirekit.upstream import RecordedRequest
from tests.world import World

GARBAGE = (Send(b"SSH-2.0-OpenSSH\r\n"),)

# Unreachable


@ensure_deferred
async def test_no_provider_is_charged_when_none_is_reached(world: World) -> None:
    """A reset before the head is no sign of a provider either."""
    providers = [provider("one", "http://127.0.0.1:1"), provider("two", world.upstream((Reset(),)).base_url)]
    proxy = world.proxy({"claudecode": providers}, circuit_breaker=CircuitBreaker(1, 60))
    client = await world.connect(proxy.port)
    for _ in range(2):
        error = json.loads(await ask(client))["error"]
        assert "one: connection refused; two: connection lost" in error["message"]
        assert "rest" not in error["message"]
        assert "retry in" not in error["message"]
    assert all("attempts: 2" in line for line in proxy.requests)
    assert not [line for line in proxy.lines if "rests for" in line]


@pytest.mark.parametrize("script", [FAILED, GARBAGE, answer(200, b"two")], ids=["a 500", "garbage", "an answer"])
@ensure_deferred
async def test_an_unreachable_provider_is_charged_when_another_is_reached(world: World, script: Steps) -> None:
    reached = world.upstream(script)
    proxy = world.proxy(
        {"claudecode": [provider("one", "http://127.0.0.1:1"), provider("two", reached.base_url)]},
        circuit_breaker=CircuitBreaker(1, 60),
    )
    await ask(await world.connect(proxy.port))
    assert [line for line in proxy.lines if "one rests for 1m: connection refused" in line]


# Several keys


REFUSED_KEY: dict[str, Steps] = {
    "refused": answer(401, b'{"error":{}}'),
    "out of money": answer(402, b""),
    "out of quota": answer(429, b'{"error":{"code":"insufficient_quota"}}'),
    "rate limited": answer(429, b"", ((b"Retry-After", b"30"),)),
}


@pytest.mark.parametrize("script", REFUSED_KEY.values(), ids=REFUSED_KEY.keys())
@ensure_deferred
async def test_a_key_is_in_cooldown_by_itself(world: World, script: Steps) -> None:
    """The next key of the same provider comes before the next provider, and goes on being used."""

    def by_key(asked: RecordedRequest) -> Steps:
        return script if b"key-a" in asked.raw_head else answer(200, b"one")

    first, second = world.upstream(by_key), world.upstream(answer(200, b"two"))
    proxy = world.proxy(
        {"claudecode": [provider("one", first.base_url, "key-a", "key-b"), provider("two", second.base_url)]}
    )
    client = await world.connect(proxy.port)
    assert [await ask(client), await ask(client)] == [b"one", b"one"]
    assert [b"key-a" in each.raw_head for each in first.requests] == [True, False, False]
    assert not second.requests
    assert [line for line in proxy.lines if "one (key 1) rests for" in line]
    assert "key-" not in "".join(proxy.lines)


@ensure_deferred
async def test_a_provider_is_in_cooldown_when_all_its_keys_are(world: World) -> None:
    first, second = world.upstream(answer(401, b"")), world.upstream(answer(200, b"two"), FAILED)
    proxy = world.proxy(
        {"claudecode": [provider("one", first.base_url, "key-a", "key-b"), provider("two", second.base_url)]}
    )
    client = await world.connect(proxy.port)
    assert await ask(client) == b"two"
    assert len(first.requests) == 2
    assert await ask(client) == b"", "two's own answer: nobody else was asked"
    assert len(first.requests) == 2


@pytest.mark.parametrize(("status", "fields"), [(429, ((b"Retry-After", b"30"),)), (401, ())])
@ensure_deferred
async def test_a_cooldown_is_logged_in_one_line_however_many_requests_are_refused(
    world: World, status: int, fields: Fields
) -> None:
    answered: list[Deferred[None]] = [Deferred() for _ in range(5)]
    scripts = [(Wait(each), *answer(status, b"", fields)) for each in answered]
    first, second = world.upstream(*scripts), world.upstream(answer(200, b"two"))
    proxy = ranked(world.proxy, first, second)
    clients = [await world.connect(proxy.port) for _ in answered]
    for client in clients:
        client.send(request(b"POST", b"/claudecode/v1/messages", body=b"{}"))
        await first.next_request()
    for number, each in enumerate(answered, 1):
        each.callback(None)
        await proxy.logged("via two", number)
    assert len([line for line in proxy.lines if "one rests for" in line]) == 1


# The last resort


@pytest.mark.parametrize("status", [401, 402, 403, 429, 500, 503, 529])
@ensure_deferred
async def test_a_pinned_provider_has_no_cooldown_and_its_answers_are_relayed(world: World, status: int) -> None:
    first, second = world.upstream(answer(200, b"one")), world.upstream(answer(status, b"two"), answer(200, b"well"))
    proxy = ranked(world.proxy, first, second, pinned="two", circuit_breaker=CircuitBreaker(1, 60))
    client = await world.connect(proxy.port)
    assert [await ask(client), await ask(client)] == [b"two", b"well"]
    assert not first.requests
    assert f"→ {status} via two" in proxy.requests[0]


@ensure_deferred
async def test_a_pinned_provider_that_breaks_off_is_asked_again(world: World) -> None:
    """It is asked though its breaker is open, because no other provider may be asked."""
    first, second = world.upstream(answer(200, b"one")), world.upstream(GARBAGE, answer(200, b"two"))
    proxy = ranked(world.proxy, first, second, pinned="two", circuit_breaker=CircuitBreaker(1, 60))
    client = await world.connect(proxy.port)
    assert "two: broken answer" in json.loads(await ask(client))["error"]["message"]
    assert await ask(client) == b"two"
    assert not first.requests


@pytest.mark.parametrize("pinned", [None, "one"])
@ensure_deferred
async def test_the_last_resort_is_asked_while_its_trial_is_in_flight(world: World, pinned: str | None) -> None:
    """While its rest is over, and the request that tries it has no answer yet, others are not turned away."""
    answered: Deferred[None] = Deferred()
    upstream = world.upstream(GARBAGE, (Wait(answered), *answer(200, b"trial")), answer(200, b"other"))
    breaker = CircuitBreaker(1, 1e-6)
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]}, pinned=pinned, circuit_breaker=breaker)
    trial, other = await world.connect(proxy.port), await world.connect(proxy.port)
    await ask(trial)
    await upstream.next_request()
    trial.send(request(b"POST", b"/claudecode/v1/messages", body=b"{}"))
    await upstream.next_request()
    assert await ask(other) == b"other"
    answered.callback(None)
    assert (await trial.read_response()).body == b"trial"
