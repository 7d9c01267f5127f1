"""`GET /status`: each field, in a test that makes it change."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta, timezone
from importlib.metadata import version
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

import clipal.upkeep
from clipal.config.settings import CircuitBreaker
from tests.asking import FAILED, ask, ranked
from tests.proxy import Proxy, provider
from tests.seen import client_status, get, status
from tests.wire.test_reload_service import KEPT, LOADED, SECRET, providers, write
from tests.wirekit.client import request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import Hang, Pause, Send, Steps, Wait, answer, chunk, chunked
from tests.world import World

ASK = request(b"POST", b"/claudecode/v1/messages", body=b"{}")
LIMITED = answer(429, b"", ((b"Retry-After", b"30"),))
REFUSED = answer(401, b"")


@ensure_deferred
async def test_what_is_running_and_since_when(world: World, tmp_path: Path) -> None:
    began = datetime.now(timezone.utc) - timedelta(seconds=1)
    proxy = world.proxy({})
    found = await status(proxy)
    assert found["version"] == version("clipal")
    assert began < datetime.fromisoformat(found["started"]) <= datetime.now(timezone.utc)
    assert (found["state"], found["workers"]) == ("serving", 1)
    assert found["configuration"]["directory"] == str(tmp_path)
    assert list(found["clients"]) == ["claudecode", "codex", "gemini"]
    assert (await status(proxy))["uptime_seconds"] > found["uptime_seconds"] >= 0


@ensure_deferred
async def test_what_is_open_now(world: World) -> None:
    answered: Deferred[None] = Deferred()
    upstream = world.upstream((*chunked(b"begun", last=False), Wait(answered), Send(b"0\r\n\r\n")))
    proxy = ranked(world.proxy, upstream)
    client = await world.connect(proxy.port)
    client.send(ASK)
    await client.wait_for(b"begun")
    found = await status(proxy)
    assert (found["connections"], found["open_requests"]) == (2, 1)
    assert found["clients"]["claudecode"]["requests"] == 1
    (one,) = found["clients"]["claudecode"]["providers"]
    assert (one["open_requests"], one["attempts"], one["answers"]) == (1, 1, 0)
    answered.callback(None)
    await client.read_response()
    found = await status(proxy)
    (one,) = found["clients"]["claudecode"]["providers"]
    assert (found["open_requests"], one["open_requests"], one["answers"]) == (0, 0, 1)


@ensure_deferred
async def test_the_numbers_of_a_failover(world: World) -> None:
    proxy = ranked(world.proxy, world.upstream(LIMITED), world.upstream(answer(200, b"two")))
    before = await client_status(proxy)
    assert (before["preferred"], before["requests"], before["failovers"]) == ("one", 0, 0)
    assert {each["health"] for each in before["providers"]} == {"closed"}
    assert await ask(await world.connect(proxy.port)) == b"two"
    found = await client_status(proxy)
    assert (found["preferred"], found["can_answer"], found["requests"], found["failovers"]) == ("two", True, 1, 1)
    one, two = found["providers"]
    assert (one["name"], one["priority"], one["enabled"]) == ("one", 0, True)
    assert (one["health"], one["reason"], one["failures"]) == ("open", "rate limit", {"rate limit": 1})
    assert 29 < one["rests_seconds"] <= 30
    until = datetime.fromisoformat(one["until"]) - datetime.now(timezone.utc)
    assert 28 < until.total_seconds() <= 30
    assert (one["attempts"], one["answers"]) == (1, 0)
    assert (one["last_failure"]["reason"], one["last_failure"]["status"]) == ("rate limit", 429)
    at = datetime.now(timezone.utc) - datetime.fromisoformat(one["last_failure"]["at"])
    assert timedelta(0) <= at < timedelta(seconds=10)
    assert (two["health"], two["reason"], two["rests_seconds"], two["until"]) == ("closed", None, 0, None)
    assert (two["attempts"], two["answers"], two["failures"], two["last_failure"]) == (1, 1, {}, None)
    assert two["tokens"] == {"input": 0, "cached_input": 0, "output": 0}


@ensure_deferred
async def test_each_key_by_itself(world: World) -> None:
    upstream = world.upstream(REFUSED, answer(200, b"one"))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url, "key-a", "key-b")]})
    assert await ask(await world.connect(proxy.port)) == b"one"
    found = await client_status(proxy)
    (one,) = found["providers"]
    first, second = one["keys"]
    assert (first["health"], first["reason"]) == ("open", "auth")
    assert 3590 < first["rests_seconds"] <= 3600
    assert second == {"health": "closed", "reason": None, "rests_seconds": 0}
    assert (one["health"], one["attempts"], one["answers"], one["failures"]) == ("closed", 2, 1, {"auth": 1})
    assert found["failovers"] == 0, "another key is no other provider"


@ensure_deferred
async def test_a_client_that_nobody_can_answer(world: World) -> None:
    proxy = ranked(world.proxy, world.upstream(REFUSED), world.upstream(REFUSED))
    client = await world.connect(proxy.port)
    await ask(client)
    await ask(client)
    found = await client_status(proxy)
    assert (found["can_answer"], found["unanswered"], found["requests"]) == (False, 2, 2)
    assert (await client_status(proxy, "codex"))["can_answer"] is False, "it has no provider"


@ensure_deferred
async def test_a_provider_that_waits_for_its_trial(world: World) -> None:
    breaker = CircuitBreaker(1, 1e-6)
    proxy = ranked(world.proxy, world.upstream(FAILED), circuit_breaker=breaker)
    await ask(await world.connect(proxy.port))
    (one,) = (await client_status(proxy))["providers"]
    assert (one["health"], one["reason"], one["rests_seconds"], one["until"]) == ("half-open", "server error", 0, None)


@ensure_deferred
async def test_the_last_resort_can_answer(world: World) -> None:
    proxy = ranked(world.proxy, world.upstream(FAILED), circuit_breaker=CircuitBreaker(1, 60))
    await ask(await world.connect(proxy.port))
    found = await client_status(proxy)
    assert (found["providers"][0]["health"], found["can_answer"]) == ("open", True)


@ensure_deferred
async def test_a_pinned_provider_and_those_that_nobody_asks(world: World) -> None:
    two = world.upstream(answer(503, b"two's own"))
    configured = [
        provider("one", "http://127.0.0.1:1/v1?key=hidden", "key-a", "key-b", priority=7),
        provider("two", two.base_url),
        provider("three", "https://user.example", enabled=False),
    ]
    proxy = world.proxy({"claudecode": configured}, pinned="two")
    await ask(await world.connect(proxy.port))
    found = await client_status(proxy)
    assert (found["mode"], found["pinned"], found["preferred"], found["can_answer"]) == ("manual", "two", "two", True)
    one, two_, three = found["providers"]
    assert (one["priority"], one["base_url"], len(one["keys"])) == (7, "http://127.0.0.1:1/v1", 2)
    assert (two_["attempts"], two_["answers"]) == (1, 1), "whatever it says: it is not judged"
    assert (three["enabled"], three["base_url"]) == (False, "https://user.example")


@ensure_deferred
async def test_times_to_first_byte(world: World) -> None:
    slow = (Pause(0.2), *answer(200, b"late"))
    proxy = ranked(world.proxy, world.upstream(answer(200, b"soon"), slow))
    (one,) = (await client_status(proxy))["providers"]
    assert one["first_byte_seconds"] == {"p50": None, "p99": None}
    client = await world.connect(proxy.port)
    for _ in range(3):
        await ask(client)
    (one,) = (await client_status(proxy))["providers"]
    assert 0.2 <= one["first_byte_seconds"]["p99"] < 20
    assert 0 < one["first_byte_seconds"]["p50"] <= one["first_byte_seconds"]["p99"]


@pytest.mark.parametrize(
    "script",
    [(*chunked(b"begun", last=False), Hang()), (Hang(),)],
    ids=["in the body", "waiting for an answer"],
)
@ensure_deferred
async def test_a_client_that_disconnects_is_no_failure_of_the_provider(world: World, script: Steps) -> None:
    upstream = world.upstream(script)
    proxy = ranked(world.proxy, upstream)
    client = await world.connect(proxy.port)
    client.send(ASK)
    await upstream.next_request()
    if len(script) > 1:
        await client.wait_for(b"begun")
    client.abort()
    await upstream.next_connection_lost()
    found = await client_status(proxy)
    (one,) = found["providers"]
    assert (one["open_requests"], one["attempts"], one["answers"], one["failures"]) == (0, 1, 0, {})
    assert (await status(proxy))["open_requests"] == 0


@ensure_deferred
async def test_an_answer_that_breaks_off_is_a_failure_and_no_answer(world: World) -> None:
    cut = world.upstream(
        (Send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"begun") + b"zz\r\n"),)
    )
    proxy = ranked(world.proxy, cut)
    client = await world.connect(proxy.port)
    client.send(ASK)
    await client.closed()
    (one,) = (await client_status(proxy))["providers"]
    assert (one["answers"], one["failures"], one["open_requests"]) == (0, {"answer broken off": 1}, 0)


# Reload


@ensure_deferred
async def test_the_configuration_in_force_and_what_is_wrong_with_the_files(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clipal.upkeep, "UPKEEP", 0.01)
    write(tmp_path / "config.yaml", "log_stdout: false\n")
    write(tmp_path / "claude-code.yaml", providers(world.upstream(answer(200, b"one"))))
    proxy = Proxy.load(tmp_path)
    try:
        await ask(await world.connect(proxy.port))
        first = await status(proxy)
        assert first["configuration"]["error"] is None
        write(tmp_path / "codex.yaml", "mode: auto\n\nmode_: manual\n")
        await proxy.logged(KEPT)
        wrong = (await status(proxy))["configuration"]
        assert wrong["error"].startswith("codex.yaml:3: mode_: unknown key")
        assert wrong["fingerprint"] == first["configuration"]["fingerprint"]
        write(tmp_path / "codex.yaml", "mode: auto\n")
        write(tmp_path / "claude-code.yaml", (tmp_path / "claude-code.yaml").read_text() + "# saved\n")
        await proxy.logged(LOADED)
        found = await status(proxy)
        assert found["configuration"]["error"] is None
        assert found["configuration"]["fingerprint"] != wrong["fingerprint"]
        assert found["configuration"]["loaded"] > first["configuration"]["loaded"]
        kept = found["clients"]["claudecode"]
        assert (kept["requests"], kept["providers"][0]["answers"]) == (1, 1), "the client's file was saved: counts stay"
        assert SECRET.encode() not in (await get(proxy.port, b"/status")).body
    finally:
        await proxy.stop()


def test_the_moments_are_ones_that_every_supported_python_reads() -> None:
    """`datetime.fromisoformat` reads no `Z` before Python 3.11."""
    from clipal.status.report import moment

    assert moment(0) == "1970-01-01T00:00:00.000+00:00", sys.version
