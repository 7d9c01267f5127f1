"""Failover's rules about time and choice, in memory and with a Clock: nothing sleeps, and every second is counted."""

from __future__ import annotations

import pytest

from clipal.config.model import BaseURL, Mode
from clipal.config.settings import Affinity, CircuitBreaker, FailBack
from clipal.failover.trail import Ending, Unanswered
from clipal.outcomes.outcome import Action, Charge, Outcome, relayed
from clipal.upstream.target import Target
from tests.memory import HANG, REFUSED, World, now

HOUR = 3600.0
RATE_LIMIT = b'{"error":{"type":"rate_limit_error","message":"slow down"}}'


def test_a_rate_limit_cools_down_for_as_long_as_it_says() -> None:
    world = World.make()
    first, _ = world.stubs
    first.status, first.fields, first.body = 429, [(b"Retry-After", b"37")], RATE_LIMIT
    assert world.ask() == "b"
    assert str(world.trail) == "a: 429 rate limit, resting 37s"
    first.status, first.fields, first.body = 200, [], b"answer"
    world.failover.route.cursor = None
    world.clock.advance(36.9)
    assert world.ask() == "b"
    assert len(first.keys) == 1, "it was not asked"
    world.failover.route.cursor = None
    world.clock.advance(0.2)
    assert world.ask() == "a"


def test_a_rate_limit_without_a_hint_brings_no_cooldown() -> None:
    world = World.make()
    world.stubs[0].status = 429
    assert world.ask() == "b"
    assert all(provider.usable(0) for provider in world.failover.route.providers)


@pytest.mark.parametrize("status", [401, 402, 403])
@pytest.mark.parametrize(("reactivate_after", "rests"), [(HOUR, True), (0.0, False)])
def test_a_refused_key_is_deactivated_for_reactivate_after(status: int, reactivate_after: float, rests: bool) -> None:
    world = World.make(reactivate_after=reactivate_after)
    world.stubs[0].status = status
    assert world.ask() == "b"
    (provider, _) = world.failover.route.providers
    assert provider.usable(world.clock.seconds()) is not rests
    world.clock.advance(reactivate_after - 1 if rests else 0)
    assert provider.usable(world.clock.seconds()) is not rests
    world.clock.advance(1)
    assert provider.usable(world.clock.seconds())


def test_a_failed_trial_doubles_the_cooldown() -> None:
    world = World.make(reactivate_after=1000.0)
    first, _ = world.stubs
    first.status, first.fields = 429, [(b"Retry-After", b"100")]
    waits = []
    for _ in range(5):
        world.failover.route.cursor = None
        assert world.ask() == "b"
        wait = world.failover.route.providers[0].wait(world.clock.seconds())
        waits.append(wait)
        world.clock.advance(wait)
    assert waits == [100, 200, 400, 800, 1000]


@pytest.mark.parametrize("keys", [1, 2])
@pytest.mark.parametrize("status", [401, 402, 403, 429])
def test_without_deactivation_a_refused_trial_of_the_breaker_doubles_the_cooldown(status: int, keys: int) -> None:
    world = World.make(keys=keys, reactivate_after=0.0, circuit_breaker=CircuitBreaker(1, 60))
    first, _ = world.stubs
    provider = world.failover.route.providers[0]
    first.status = 500
    assert world.ask() == "b"
    first.status = status
    waits = []
    for _ in range(3):
        world.clock.advance(provider.wait(world.clock.seconds()))
        world.failover.route.cursor = None
        assert world.ask() == "b"
        waits.append(provider.wait(world.clock.seconds()))
    assert waits == [120, 240, 480]
    assert len(first.keys) == 1 + 3 * keys, "each key was tried in each trial"


@pytest.mark.parametrize("status", [401, 402, 403, 429])
def test_without_deactivation_a_refused_trial_of_a_key_doubles_the_cooldown(status: int) -> None:
    world = World.make(reactivate_after=0.0)
    first, _ = world.stubs
    first.status, first.fields = 429, [(b"Retry-After", b"30")]
    assert world.ask() == "b"
    first.status, first.fields = status, []
    provider = world.failover.route.providers[0]
    world.clock.advance(30)
    world.failover.route.cursor = None
    assert world.ask() == "b"
    assert provider.wait(world.clock.seconds()) == 60
    assert world.ask() == "b"
    assert len(first.keys) == 2, "it was not asked again"


def test_four_failures_in_a_row_open_the_breaker() -> None:
    world = World.make()
    first, _ = world.stubs
    first.status = 500
    for asked in (1, 2, 3, 4, 4, 4):
        world.failover.route.cursor = None
        assert world.ask() == "b"
        assert len(first.keys) == asked
    world.clock.advance(60)
    world.failover.route.cursor = None
    first.status = 200
    assert world.ask() == "a"


def test_the_last_resort_is_asked_though_the_breaker_is_open() -> None:
    world = World.make(circuit_breaker=CircuitBreaker(1, 60))
    for stub in world.stubs:
        stub.status = 500
    assert world.ask() == "-"
    world.clock.advance(1)
    world.stubs[0].status = 200
    assert world.ask() == "a"
    assert world.ask() == "a", "it is closed again"


@pytest.mark.parametrize("status", [429, 503])
def test_the_last_resort_is_no_provider_that_asked_for_a_cooldown(status: int) -> None:
    """Whether its failures have opened it as well or not, the time that it asked for is its own."""
    world = World.make(circuit_breaker=CircuitBreaker(1, 60))
    asks, fails = world.stubs
    asks.status, asks.fields = status, [(b"Retry-After", b"30")]
    fails.status = 500
    assert world.ask() == "-"
    for stub in world.stubs:
        stub.status = 200
    world.clock.advance(29.9)
    assert world.ask() == "-"
    assert [len(asks.keys), len(fails.keys)] == [1, 1]
    world.clock.advance(0.2)
    assert world.ask() == "a"


@pytest.mark.parametrize(("count", "mode", "status"), [(2, Mode.AUTO, 500), (1, Mode.MANUAL, HANG)])
def test_the_last_resort_is_asked_without_a_wait(count: int, mode: Mode, status: int) -> None:
    world = World.make(count, mode=mode, circuit_breaker=CircuitBreaker(1, 60))
    for stub in world.stubs:
        stub.status = status
    answering = world.start()
    world.clock.advance(600 if status == HANG else 0)
    nobody = now(answering)
    assert isinstance(nobody, Unanswered)
    assert nobody.wait is None
    assert "retry in" not in nobody.message
    for stub in world.stubs:
        stub.status = 200
    assert world.ask() == "a"


def test_no_provider_is_charged_when_the_network_is_down() -> None:
    world = World.make(circuit_breaker=CircuitBreaker(1, 60))
    for stub in world.stubs:
        stub.status = REFUSED
    assert world.ask() == "-"
    assert all(provider.usable(0) and provider.unwell_at is None for provider in world.failover.route.providers)
    world.stubs[1].status = 200
    assert world.ask() == "b"
    assert not world.failover.route.providers[0].usable(0), "somebody could be reached, so it is its own fault"


STREAMED = b"/v1beta/models/m:streamGenerateContent"
WHOLE = b"/v1beta/models/m:generateContent"
CLI = "GeminiCLI-tui/0.61.0/gemini-3-pro (linux; x64; terminal)"


@pytest.mark.parametrize(
    ("prefix", "agent", "path", "body", "limit"),
    [
        ("claudecode", "claude-cli/2.1.332", b"/v1/messages", b'{"stream": true}', 120.0),
        ("claudecode", "claude-cli/2.1.332", b"/v1/messages", b"{}", 600.0),
        ("codex", "codex_exec/0.171.0", b"/v1/responses", b'{"stream":true}', 120.0),
        ("gemini", CLI, STREAMED, b"{}", 40.0),
        ("gemini", CLI, WHOLE, b"{}", 50.0),
        ("gemini", "google-genai-sdk/1.30.0 GeminiCLI", STREAMED, b"{}", 120.0),
        ("gemini", "python-httpx/0.28", WHOLE, b"{}", 600.0),
    ],
)
def test_no_answer_in_time_is_a_failure(prefix: str, agent: str, path: bytes, body: bytes, limit: float) -> None:
    """Gemini CLI itself gives up at 60 s; SDKs on its prefix wait as long as others do."""
    world = World.make(prefix=prefix)
    world.stubs[0].status = HANG
    answering = world.start(path=path, body=body, User_Agent=agent)
    world.clock.advance(limit - 0.1)
    assert len(world.stubs[0].keys) == 1
    assert not world.stubs[1].keys
    world.clock.advance(0.2)
    assert len(world.stubs[1].keys) == 1
    assert not isinstance(now(answering), Unanswered)
    assert str(world.trail) == "a: no answer in time"


@pytest.mark.parametrize("path", [STREAMED, WHOLE])
def test_a_setting_counts_for_every_client(path: bytes) -> None:
    world = World.make(prefix="gemini", response_header_timeout=200.0, nonstreaming_timeout=200.0)
    world.stubs[0].status = HANG
    answering = world.start(path=path, User_Agent=CLI)
    world.clock.advance(199.9)
    assert not world.stubs[1].keys
    world.clock.advance(0.2)
    assert not isinstance(now(answering), Unanswered)


def test_a_disconnect_is_not_charged() -> None:
    world = World.make(circuit_breaker=CircuitBreaker(1, 60))
    world.stubs[0].status = HANG
    answering = world.start()
    answering.addErrback(lambda _: None)
    answering.cancel()
    assert not world.stubs[1].keys
    assert all(provider.usable(0) for provider in world.failover.route.providers)
    assert not world.clock.getDelayedCalls()


def test_one_trial_at_a_time() -> None:
    world = World.make()
    first, _ = world.stubs
    first.status = 401
    assert world.ask() == "b"
    world.clock.advance(HOUR)
    first.status = HANG
    world.failover.route.cursor = None
    trial = world.start()
    world.failover.route.cursor = None
    assert world.ask() == "b", "the others go past it"
    assert len(first.keys) == 2
    trial.addErrback(lambda _: None)
    trial.cancel()
    first.status = 200
    world.failover.route.cursor = None
    assert world.ask() == "a", "a trial that ended without a result is free for the next"


def test_the_next_key_of_the_same_provider_comes_first() -> None:
    world = World.make(keys=3)
    first, second = world.stubs
    first.status = 401
    assert world.ask() == "b"
    assert first.keys == [b"a0", b"a1", b"a2"]
    assert second.keys == [b"b0"]
    assert [step.provider for step in world.trail.steps] == ["a", "a", "a"]
    world.failover.route.cursor = None
    assert world.ask() == "b", "it rests when all its keys do"
    assert len(first.keys) == 3


def test_a_failure_of_the_provider_does_not_try_its_next_key() -> None:
    world = World.make(keys=3)
    world.stubs[0].status = 500
    assert world.ask() == "b"
    assert world.stubs[0].keys == [b"a0"]


SESSION = {"x_claude_code_session_id": "one"}
OTHER = {"x_claude_code_session_id": "other"}


def test_a_session_stays_with_its_provider() -> None:
    world = World.make(failback=FailBack.NEVER)
    first, _ = world.stubs
    assert world.ask(**SESSION) == "a"
    first.status = 500
    assert world.ask(**OTHER) == "b"
    first.status = 200
    assert world.ask(**SESSION) == "a"
    assert world.ask(**OTHER) == "b"
    world.clock.advance(30 * 60 + 1)
    assert world.ask() == "b"
    assert world.ask(**SESSION) == "b", "forgotten after half an hour: the cursor decides"


def test_affinity_client_ignores_sessions() -> None:
    world = World.make(affinity=Affinity.CLIENT, failback=FailBack.NEVER)
    assert world.ask(**SESSION) == "a"
    world.stubs[0].status = 500
    assert world.ask(**OTHER) == "b"
    world.stubs[0].status = 200
    assert world.ask(**SESSION) == "b"


@pytest.mark.parametrize(
    ("failback", "running", "new"),
    [(FailBack.NEVER, "b", "b"), (FailBack.NEW_SESSIONS, "b", "a"), (FailBack.ALWAYS, "a", "a")],
)
def test_when_a_request_fails_back(failback: FailBack, running: str, new: str) -> None:
    world = World.make(failback=failback)
    first, _ = world.stubs
    first.status = 500
    assert world.ask(**SESSION) == "b"
    first.status = 200
    world.clock.advance(299)
    assert world.ask(**SESSION) == "b"
    assert world.ask(**OTHER) == "b", "it has not been well for long enough"
    world.clock.advance(2)
    assert world.ask(**SESSION) == running
    assert world.ask(x_claude_code_session_id="new") == new


def test_a_provider_is_well_from_the_end_of_its_cooldown_on() -> None:
    """Not from its failure on, though a trial has passed in the meantime."""
    world = World.make(failback=FailBack.ALWAYS, reactivate_after=1000.0)
    first, second = world.stubs
    first.status = 401
    assert world.ask(**SESSION) == "b"
    first.status, second.status = 200, 500
    world.clock.advance(1000)
    assert world.ask(**OTHER) == "a", "the trial"
    second.status = 200
    world.clock.advance(299)
    assert world.ask(**SESSION) == "b"
    world.clock.advance(1)
    assert world.ask(**SESSION) == "a"


def test_a_request_that_builds_on_an_answer_goes_to_its_provider() -> None:
    world = World.make(prefix="codex", failback=FailBack.ALWAYS, failback_after=0.0)
    first, second = world.stubs
    first.status = 500
    second.body = b'{"id": "resp_123", "object": "response"}'
    assert world.ask(path=b"/v1/responses") == "b"
    first.status = 200
    assert world.ask(path=b"/v1/responses") == "a"
    assert world.ask(path=b"/v1/responses", body=b'{"previous_response_id": "resp_123"}') == "b"


def test_a_pinned_providers_answers_are_relayed_whatever_they_say() -> None:
    world = World.make(1, mode=Mode.MANUAL)
    for status in (401, 429, 500, 529):
        world.stubs[0].status = status
        assert world.ask() == "a"
    assert world.failover.route.providers[0].usable(0)
    world.stubs[0].status = REFUSED
    assert world.ask() == "-"


def test_an_answer_that_broke_off_counts_as_a_failure() -> None:
    world = World.make(circuit_breaker=CircuitBreaker(2, 60))
    for _ in range(2):
        world.failover.route.cursor = None
        answered = now(world.start())
        assert not isinstance(answered, Unanswered)
        assert answered.provider == "a"
        answered.ended(Ending.CUT)
    world.failover.route.cursor = None
    assert world.ask() == "b"


def test_a_trial_that_broke_off_does_not_begin_the_count_anew() -> None:
    """Its answer's beginning lets the others in; its end, not its beginning, is the success that ends a row."""
    world = World.make()
    world.stubs[0].status = 500
    for _ in range(4):
        world.failover.route.cursor = None
        assert world.ask() == "b"
    world.clock.advance(60)
    world.stubs[0].status = 200
    world.failover.route.cursor = None
    trial = now(world.start())
    assert not isinstance(trial, Unanswered)
    assert trial.provider == "a"
    provider = world.failover.route.providers[0]
    assert provider.usable(world.clock.seconds())
    trial.ended(Ending.CUT)
    assert provider.wait(world.clock.seconds()) == 60


def test_a_count_of_tokens_that_broke_off_charges_no_provider() -> None:
    world = World.make(circuit_breaker=CircuitBreaker(1, 60))
    answered = now(world.start(path=b"/v1/messages/count_tokens"))
    assert not isinstance(answered, Unanswered)
    answered.ended(Ending.CUT)
    first, _ = world.failover.route.providers
    assert first.unwell_at is None
    assert world.ask() == "a"


def test_the_key_that_is_ready_first_gives_reason_and_wait() -> None:
    world = World.make(1, keys=2)
    (provider,) = world.failover.route.providers
    first = provider.admit(0.0)
    second = provider.admit(0.0, [0])
    assert first is not None
    assert second is not None
    provider.settle(first, Outcome(Action.NEXT, Charge.DEACTIVATE, "auth", 401, of_key=True), 0.0)
    provider.settle(second, Outcome(Action.NEXT, Charge.COOLDOWN, "rate limit", 429, 30.0, of_key=True), 0.0)
    nobody = now(world.start())
    assert isinstance(nobody, Unanswered)
    assert (nobody.rate_limited, nobody.wait) == (True, 30)
    assert "a: rate limit, resting 30s." in nobody.message


def test_the_wait_is_the_shortest_of_all() -> None:
    world = World.make(3)
    for stub, seconds in zip(world.stubs, (b"50", b"20", b"90"), strict=True):
        stub.status, stub.fields = 429, [(b"Retry-After", seconds)]
    nobody = now(world.start())
    assert isinstance(nobody, Unanswered)
    assert (nobody.rate_limited, nobody.wait) == (True, 20)
    assert nobody.message.endswith("Please retry in 20s.")
    world.clock.advance(5)
    nobody = now(world.start())
    assert isinstance(nobody, Unanswered)
    assert (nobody.rate_limited, nobody.wait) == (True, 15)


def test_a_pinned_provider_that_answers_has_no_cooldown_any_more() -> None:
    (provider, _) = World.make().failover.route.providers
    permit = provider.admit(0.0)
    assert permit is not None
    provider.settle(permit, Outcome(Action.NEXT, Charge.COOLDOWN, "challenge page", 403, 30.0), 0.0)
    assert not provider.usable(1.0)
    forced = provider.admit(1.0, force=True)
    assert forced is not None
    provider.settle(forced, relayed(200), 1.0)
    assert provider.usable(1.0)


@pytest.mark.parametrize(
    ("scheme", "port", "host"),
    [("https", 443, b"h"), ("https", 80, b"h:80"), ("http", 80, b"h"), ("http", 443, b"h:443")],
)
def test_host_names_the_port_where_it_is_not_the_schemes_own(scheme: str, port: int, host: bytes) -> None:
    assert Target.from_base_url(BaseURL(scheme, "h", port)).host_field == host
