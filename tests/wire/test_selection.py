"""Who is asked first, over sockets: by priority, session, earlier answer, and the ways back to a better provider."""

from __future__ import annotations

import pytest

from clipal.config.settings import Affinity, FailBack
from tests.asking import FAILED, ask, named, ranked
from tests.codings import ENCODINGS
from tests.proxy import provider
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import Steps, answer, chunked, event, event_stream
from tests.wirekit.upstream import RecordedRequest
from tests.world import World

# The order


@ensure_deferred
async def test_the_order_wraps_round(world: World) -> None:
    """Who answered last is asked first, then who comes behind it, then those before it."""
    first = world.upstream(FAILED, answer(200, b"one"))
    second = world.upstream(answer(200, b"two"), FAILED)
    third = world.upstream(FAILED)
    proxy = ranked(world.proxy, first, second, third)
    client = await world.connect(proxy.port)
    assert [await ask(client), await ask(client)] == [b"two", b"one"]
    assert "200 via two" in proxy.requests[0]
    assert "(one: 500 server error)" in proxy.requests[0]
    assert "(two: 500 server error; three: 500 server error)" in proxy.requests[1]


@ensure_deferred
async def test_a_provider_in_cooldown_is_passed_over(world: World) -> None:
    first, second = world.upstream(answer(402, b"")), world.upstream(answer(200, b"two"), FAILED)
    third = world.upstream(answer(200, b"three"))
    proxy = ranked(world.proxy, first, second, third)
    client = await world.connect(proxy.port)
    assert [await ask(client), await ask(client)] == [b"two", b"three"]
    assert len(first.requests) == 1


@pytest.mark.parametrize("status", [301, 404, 422])
@ensure_deferred
async def test_only_a_success_is_preferred(world: World, status: int) -> None:
    first = world.upstream(FAILED, answer(200, b"one"))
    second = world.upstream(answer(status, b"two"))
    client = await world.connect(ranked(world.proxy, first, second).port)
    assert [await ask(client), await ask(client)] == [b"two", b"one"]


@ensure_deferred
async def test_an_error_event_of_a_request_is_no_success(world: World) -> None:
    """It stands for a 400, whatever the head says."""
    refused = event(b'{"type":"error","error":{"type":"invalid_request_error","message":"m"}}', b"error")
    first = world.upstream(FAILED, answer(200, b"one"))
    second = world.upstream(event_stream(refused))
    client = await world.connect(ranked(world.proxy, first, second).port)
    assert [await ask(client), await ask(client)] == [refused, b"one"]


@ensure_deferred
async def test_each_client_has_its_own_order(world: World) -> None:
    def one(asked: RecordedRequest) -> Steps:
        return FAILED if b"responses" in asked.target else answer(200, b"one")

    first, second = world.upstream(one), world.upstream(answer(200, b"two"))
    both = [provider("one", first.base_url), provider("two", second.base_url)]
    client = await world.connect(world.proxy({"claudecode": both, "codex": both}).port)
    assert [await ask(client, prefix) for prefix in ("codex", "claudecode", "codex")] == [b"two", b"one", b"two"]


# Sessions


SESSIONS: list[tuple[str, bytes, bool]] = [
    ("claudecode", b"X-Claude-Code-Session-Id", True),
    ("claudecode", b"x-client-request-id", False),
    ("codex", b"session-id", True),
    ("codex", b"thread-id", True),
    ("codex", b"x-client-request-id", False),
]


@pytest.mark.parametrize(("prefix", "field", "names"), SESSIONS)
@pytest.mark.parametrize("affinity", list(Affinity))
@ensure_deferred
async def test_a_session_stays_with_the_provider_that_answered_it(
    world: World,
    prefix: str,
    field: bytes,
    names: bool,
    affinity: Affinity,
) -> None:
    """While another is elsewhere; where sessions do not count, all follow who answered last."""

    def one(asked: RecordedRequest) -> Steps:
        return FAILED if b"moves" in asked.body else answer(200, b"one")

    first, second = world.upstream(one), world.upstream(answer(200, b"two"))
    proxy = ranked(world.proxy, first, second, prefix=prefix, affinity=affinity)
    client = await world.connect(proxy.port)
    asked = [(b"stays", b"{}"), (b"other", b'"moves"'), (b"stays", b"{}"), (b"other", b"{}")]
    said = [await ask(client, prefix, ((field, name),), body) for name, body in asked]
    apart = names and affinity is Affinity.SESSION
    assert said == [b"one", b"two", b"one" if apart else b"two", b"two"]


@ensure_deferred
async def test_a_session_whose_provider_fails_moves_and_stays_moved(world: World) -> None:
    first = world.upstream(answer(200, b"one"), FAILED, answer(200, b"one"))
    second = world.upstream(answer(200, b"two"))
    client = await world.connect(ranked(world.proxy, first, second).port)
    assert [await ask(client, fields=named(b"s")) for _ in range(3)] == [b"one", b"two", b"two"]


@ensure_deferred
async def test_sessions_that_stay_apart_are_no_switch(world: World) -> None:
    """One line says that one of them moved; none that the other answers in between."""

    def one(asked: RecordedRequest) -> Steps:
        return FAILED if b"moves" in asked.body else answer(200, b"one")

    proxy = ranked(world.proxy, world.upstream(one), world.upstream(answer(200, b"two")))
    client = await world.connect(proxy.port)
    assert await ask(client, fields=named(b"stays")) == b"one"
    assert await ask(client, fields=named(b"other"), body=b'"moves"') == b"two"
    for _ in range(3):
        assert await ask(client, fields=named(b"stays")) == b"one"
        assert await ask(client, fields=named(b"other")) == b"two"
    switches = [line for line in proxy.lines if "answers now" in line]
    assert switches == ["claudecode: two answers now, in place of one"]


# Ways back


@pytest.mark.parametrize(
    ("failback", "running", "new", "nameless"),
    [
        (FailBack.NEVER, b"two", b"two", b"two"),
        (FailBack.NEW_SESSIONS, b"two", b"one", b"one"),
        (FailBack.ALWAYS, b"one", b"one", b"one"),
    ],
)
@ensure_deferred
async def test_which_requests_fail_back(
    world: World,
    failback: FailBack,
    running: bytes,
    new: bytes,
    nameless: bytes,
) -> None:
    """A request without a session follows who answered last, which is where the new session went."""
    first, second = world.upstream(FAILED, answer(200, b"one")), world.upstream(answer(200, b"two"))
    proxy = ranked(world.proxy, first, second, failback=failback, failback_after=0.0)
    client = await world.connect(proxy.port)
    assert await ask(client, fields=named(b"running")) == b"two"
    assert await ask(client, fields=named(b"running")) == running
    assert await ask(client, fields=named(b"new")) == new
    assert await ask(client) == nameless


@pytest.mark.parametrize(("failback", "said"), [(FailBack.NEW_SESSIONS, b"two"), (FailBack.ALWAYS, b"one")])
@ensure_deferred
async def test_without_sessions_no_request_begins_a_new_one(world: World, failback: FailBack, said: bytes) -> None:
    first, second = world.upstream(FAILED, answer(200, b"one")), world.upstream(answer(200, b"two"))
    proxy = ranked(world.proxy, first, second, failback=failback, failback_after=0.0)
    client = await world.connect(proxy.port)
    assert [await ask(client), await ask(client)] == [b"two", said]


@pytest.mark.parametrize("failback", list(FailBack))
@ensure_deferred
async def test_no_request_fails_back_before_failback_after(world: World, failback: FailBack) -> None:
    first, second = world.upstream(FAILED, answer(200, b"one")), world.upstream(answer(200, b"two"))
    client = await world.connect(ranked(world.proxy, first, second, failback=failback, failback_after=3600.0).port)
    assert [await ask(client, fields=named(name)) for name in (b"running", b"new")] == [b"two", b"two"]


@ensure_deferred
async def test_no_request_fails_back_to_an_equal_priority(world: World) -> None:
    first, second = world.upstream(FAILED, answer(200, b"one")), world.upstream(answer(200, b"two"))
    providers = [provider("one", first.base_url), provider("two", second.base_url)]
    proxy = world.proxy({"claudecode": providers}, failback=FailBack.ALWAYS, failback_after=0.0)
    client = await world.connect(proxy.port)
    assert [await ask(client), await ask(client)] == [b"two", b"two"]


# Earlier answers


EVENTS = (
    event(b'{"type":"response.created","response":{"id":"resp_two"}}', b"response.created"),
    event(b'{"type":"response.output_text.delta","delta":"Hi"}', b"response.output_text.delta"),
)
ZSTD = ((b"Content-Type", b"text/event-stream"), (b"Content-Encoding", b"zstd"))
MADE: dict[str, Steps] = {
    "whole": answer(200, b'{"id": "resp_two", "object": "response"}'),
    "stream": event_stream(*EVENTS),
    "compressed stream": chunked(*ENCODINGS[b"zstd"](EVENTS), fields=ZSTD),
}


@pytest.mark.parametrize("made", MADE.values(), ids=MADE.keys())
@ensure_deferred
async def test_a_request_that_builds_on_an_answer_goes_to_its_provider(world: World, made: Steps) -> None:
    """Even where another is better and preferred; an answer that nobody here made decides nothing."""
    first = world.upstream(FAILED, answer(200, b"one"))
    second = world.upstream(made, answer(200, b"two"))
    proxy = ranked(world.proxy, first, second, prefix="codex", failback=FailBack.ALWAYS, failback_after=0.0)
    client = await world.connect(proxy.port)
    await ask(client, "codex")
    assert len(second.requests) == 1
    assert await ask(client, "codex") == b"one"
    assert await ask(client, "codex", body=b'{"previous_response_id": "resp_two"}') == b"two"
    assert await ask(client, "codex", body=b'{"previous_response_id": "resp_none"}') == b"one"
