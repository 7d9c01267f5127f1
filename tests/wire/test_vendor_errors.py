"""What vendors' errors do over sockets: who answers then, who rests and for how long, and what the client is told."""

from __future__ import annotations

import json

import pytest
from twisted.internet.task import deferLater

from clipal.config.settings import CircuitBreaker
from tests.asking import BY_PREFIX, ask, ranked
from tests.proxy import provider
from tests.wirekit.client import RawClient, RawResponse, request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import Hang, Pause, Send, Steps, answer, chunk, event, event_stream
from tests.wirekit.waiting import reactor
from tests.world import World

GOOD = answer(200, b"good")
HTML = ((b"Content-Type", b"text/html"),)
JSON = ((b"Content-Type", b"application/json"),)
PING = event(b'{"type": "ping"}', b"ping")
START = event(b'{"type":"message_start","message":{}}', b"message_start")
CONTENT = event(b'{"type":"content_block_delta","delta":{"text":"hi"}}', b"content_block_delta")
MODEL = b'{"type":"error","error":{"type":"not_found_error","message":"model: claude-x"}}'
NGINX = b"<html><head><title>404 Not Found</title></head></html>"
USAGE_LIMIT = b'{"error":{"type":"usage_limit_reached","message":"The usage limit","resets_in_seconds":529498}}'
CREDIT = (
    b'{"type":"error","error":{"type":"invalid_request_error",'
    b'"message":"Your credit balance is too low to access the Anthropic API."}}'
)
MINUTE = json.dumps(
    {
        "error": {
            "code": 429,
            "status": "RESOURCE_EXHAUSTED",
            "message": "You exceeded your current quota, please check your plan and billing details.",
            "details": [
                {
                    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                    "violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}],
                },
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "36s"},
            ],
        }
    }
).encode()
FAILED = event(b'{"response":{"error":' + USAGE_LIMIT[9:-1] + b'},"type":"response.failed"}')

ROWS: dict[str, tuple[str, Steps, str]] = {
    "524 with a page": ("claudecode", answer(524, NGINX, HTML), "one: 524 no answer in time behind the edge network)"),
    "520 with nothing": ("claudecode", answer(520), "one: 520 bad answer behind the edge network)"),
    "an unknown 5xx": ("claudecode", answer(599), "one: 599 server error)"),
    "504 for a day": ("claudecode", answer(504, b"", ((b"Retry-After", b"86400"),)), "504 gateway timeout, resting 1m"),
    "a quota of a minute": ("gemini", answer(429, MINUTE, JSON), "one: 429 rate limit, resting 36s"),
    "no credit": ("claudecode", answer(400, CREDIT, JSON), "one: 400 billing, resting 1h"),
    "no credit, as an event": ("claudecode", event_stream(event(CREDIT, b"error")), "one: 400 billing, resting 1h"),
    "no credit, under a 200": ("claudecode", answer(200, CREDIT, JSON), "one: 400 billing, resting 1h"),
    "a page under a 200": ("claudecode", answer(200, NGINX, HTML), "one: 502 a page in place of an answer"),
    "an edge in text": ("codex", answer(403, b"error code: 1010"), "one: 403 refused by an edge network, resting 1m"),
    "a usage limit": ("codex", answer(429, USAGE_LIMIT, JSON), "one: 429 rate limit, resting 1h"),
    "a usage limit, as an event": ("codex", event_stream(FAILED), "one: 429 rate limit, resting 1h"),
    "no such model": ("claudecode", answer(404, MODEL, JSON), "one: 404 model not available)"),
    "too large for nginx": ("claudecode", answer(413, NGINX, HTML), "one: 413 a limit of its web server)"),
}


@pytest.mark.parametrize(("prefix", "script", "why"), ROWS.values(), ids=ROWS)
@ensure_deferred
async def test_the_next_provider_answers(world: World, prefix: str, script: Steps, why: str) -> None:
    proxy = ranked(world.proxy, world.upstream(script), world.upstream(GOOD), prefix=prefix)
    assert await ask(await world.connect(proxy.port), prefix, body=b'{"stream": true}') == b"good"
    assert why in proxy.requests[0]


# What only one provider lacks


@pytest.mark.parametrize("other", [answer(503), answer(429), answer(404, NGINX, HTML), answer(401, b"{}", JSON)])
@ensure_deferred
async def test_the_first_answer_about_a_lack_is_relayed_where_nobody_does_better(world: World, other: Steps) -> None:
    """Wherever it comes in the order; and it rests nobody."""
    lacking = answer(404, MODEL, (*JSON, (b"X-Own", b"field")))
    proxy = ranked(world.proxy, world.upstream(answer(500)), world.upstream(lacking), world.upstream(other))
    response = await post(await world.connect(proxy.port))
    assert (response.status, response.body, response.values(b"x-own")) == (404, MODEL, [b"field"])
    second = proxy.service.failovers["claudecode"].route.providers[1]
    assert second.unwell_at is None
    assert second.usable(0)


@ensure_deferred
async def test_an_answer_about_a_lack_is_closed_where_another_provider_answers(world: World) -> None:
    endless = (Send(b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"x" * 40_000)), Hang())
    first = world.upstream(endless)
    proxy = ranked(world.proxy, first, world.upstream(GOOD))
    assert await ask(await world.connect(proxy.port)) == b"good"
    await first.next_connection_lost()


# When nobody can answer


@ensure_deferred
async def test_the_wait_is_of_whoever_is_back_soonest(world: World) -> None:
    """Though only one provider was asked, and its own answer names another time."""
    first = world.upstream(answer(429, b"{}", ((b"Retry-After", b"30"),)))
    second = world.upstream(GOOD, answer(429, b"{}", ((b"Retry-After", b"3000"),)))
    proxy = ranked(world.proxy, first, second)
    client = await world.connect(proxy.port)
    assert await ask(client) == b"good"
    response = await post(client)
    assert response.status == 429
    (told,) = response.values(b"retry-after")
    assert 28 <= int(told) <= 30
    message = json.loads(response.body)["error"]["message"]
    assert f"Please retry in {told.decode()}s." in message
    assert "two: 429 rate limit, resting 50m" in message
    assert f"(request {response.values(b'x-request-id')[0].decode()})" in message


@ensure_deferred
async def test_the_only_answer_is_relayed_where_its_provider_is_back_first(world: World) -> None:
    first = world.upstream(answer(401, b"{}", JSON))
    own = answer(429, b'{"own": 1}', ((b"Retry-After", b"30"),))
    proxy = ranked(world.proxy, first, world.upstream(GOOD, own))
    client = await world.connect(proxy.port)
    await ask(client)
    assert (await post(client)).body == b'{"own": 1}'


@pytest.mark.parametrize("script", [answer(429, USAGE_LIMIT, JSON), event_stream(FAILED)], ids=["429", "an event"])
@ensure_deferred
async def test_usage_limits_everywhere_let_codex_give_up_at_once(world: World, script: Steps) -> None:
    proxy = ranked(world.proxy, world.upstream(script), world.upstream(script), prefix="codex")
    response = await post(await world.connect(proxy.port), "codex")
    assert (response.status, response.values(b"retry-after")) == (429, [])
    assert "Please retry in 3600s." in json.loads(response.body)["error"]["message"]


# Health


@pytest.mark.parametrize("status", [524, 520, 530, 500, 429, 403])
@ensure_deferred
async def test_a_trial_fails_with_any_of_them(world: World, status: int) -> None:
    """A second trial does not follow at once."""
    first = world.upstream(answer(401, b"{}", JSON), answer(status, b"{}", JSON))
    proxy = ranked(world.proxy, first, world.upstream(GOOD), reactivate_after=0.2, failback="always")
    client = await world.connect(proxy.port)
    for expected in (1, 2, 2):
        proxy.service.failovers["claudecode"].route.cursor = None
        assert await ask(client) == b"good"
        assert len(first.requests) == expected
        if expected == 1:
            await deferLater(reactor, 0.25)
    assert [line for line in proxy.lines if "one rests for" in line][1:]


@pytest.mark.parametrize("status", [429, 500, 503, 524])
@ensure_deferred
async def test_a_get_rests_nobody_and_moves_nothing(world: World, status: int) -> None:
    first = world.upstream(answer(status, b"", ((b"Retry-After", b"30"),)), answer(200, b"first"))
    proxy = ranked(world.proxy, first, world.upstream(GOOD), circuit_breaker=CircuitBreaker(1, 60))
    client = await world.connect(proxy.port)
    client.send(request(b"GET", b"/claudecode/v1/models"))
    assert (await client.read_response()).body == b"good"
    assert await ask(client) == b"first"
    assert not [line for line in proxy.lines if "rests for" in line]


@pytest.mark.parametrize("status", [401, 402, 403])
@ensure_deferred
async def test_a_get_says_that_a_key_is_refused(world: World, status: int) -> None:
    first = world.upstream(answer(status, b"{}", JSON), answer(200, b"first"))
    proxy = ranked(world.proxy, first, world.upstream(GOOD))
    client = await world.connect(proxy.port)
    client.send(request(b"GET", b"/claudecode/v1/models"))
    assert (await client.read_response()).body == b"good"
    assert await ask(client) == b"good"


SILENCES = {
    "while it is held": (event_stream(START, PING, last=False), 60.0, True),
    "when it has been handed on": (event_stream(START, PING, last=False), 0.1, True),
    "but content came late": ((*event_stream(START, last=False), Pause(0.2), Send(chunk(CONTENT))), 0.1, False),
    "but content came": (event_stream(START, CONTENT, last=False), 60.0, False),
}


@pytest.mark.parametrize(("script", "first_event_timeout", "charged"), SILENCES.values(), ids=SILENCES)
@ensure_deferred
async def test_a_client_that_gives_up_on_pings_alone_charges_the_provider(
    world: World,
    script: Steps,
    first_event_timeout: float,
    charged: bool,
) -> None:
    """Once it has waited for as long as a head may take."""
    upstream = world.upstream((*script, Hang()))
    proxy = world.proxy(
        {"claudecode": [provider("one", upstream.base_url)]},
        response_header_timeout=0.4,
        first_event_timeout=first_event_timeout,
        circuit_breaker=CircuitBreaker(1, 60),
    )
    client = await world.connect(proxy.port)
    client.send(request(b"POST", b"/claudecode/v1/messages", body=b'{"stream": true}'))
    await upstream.next_request()
    await deferLater(reactor, 0.5)
    client.abort()
    await upstream.next_connection_lost()
    assert bool([line for line in proxy.lines if "one rests for 1m: no answer in time" in line]) is charged
    assert "client left" in proxy.requests[0]


async def post(client: RawClient, prefix: str = "claudecode") -> RawResponse:
    client.send(request(b"POST", b"/" + prefix.encode() + BY_PREFIX[prefix], body=b'{"stream": true}'))
    return await client.read_response()
