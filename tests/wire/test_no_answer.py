"""A 200 that is no answer, over sockets: a page, an error in JSON, nothing but what it cost."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable

import brotli
import pytest
import zstandard

from clipal.config.settings import CircuitBreaker, FailBack
from tests.proxy import provider
from tests.wirekit.client import RawClient, RawResponse, request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import Hang, Pause, Reset, Send, Steps, answer, chunked, head
from tests.world import World

JSON = (b"Content-Type", b"application/json")
HTML = (b"Content-Type", b"text/html; charset=utf-8")
PAGE = b"<!doctype html><title>Sign in</title>"
PATHS = {
    "claudecode": b"/claudecode/v1/messages",
    "codex": b"/codex/v1/responses",
    "gemini": b"/gemini/v1beta/models/m:generateContent",
}
GOOD = answer(200, b'{"ok": true}', (JSON,))
ENCODE: dict[bytes, Callable[[bytes], bytes]] = {
    b"": bytes,
    b"gzip": gzip.compress,
    b"br": brotli.compress,
    b"zstd": zstandard.compress,
}


def in_json(document: object, coding: bytes = b"") -> Steps:
    fields = (JSON, (b"Content-Encoding", coding)) if coding else (JSON,)
    return answer(200, ENCODE[coding](json.dumps(document).encode()), fields)


async def ask(client: RawClient, path: bytes = PATHS["claudecode"], method: bytes = b"POST") -> RawResponse:
    client.send(request(method, path, body=b"{}" if method == b"POST" else None))
    return await client.read_response(bodyless=method == b"HEAD")


NO_ANSWERS = [
    ("claudecode", {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "529"),
    ("claudecode", {"error": {"message": "No channel is free", "type": "new_api_error"}}, "500"),
    ("codex", {"error": {"code": "server_is_overloaded", "message": "busy"}}, "503"),
    ("codex", {"id": "resp_1", "status": "failed", "output": [], "error": {"code": "rate_limit_exceeded"}}, "429"),
    ("gemini", {"error": {"code": 503, "status": "UNAVAILABLE", "message": "overloaded"}}, "503"),
    ("gemini", [{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "slow down"}}], "429"),
    ("gemini", {"usageMetadata": {"promptTokenCount": 4}, "modelVersion": "m"}, "200 empty answer"),
]


@pytest.mark.parametrize(("prefix", "document", "said"), NO_ANSWERS)
@pytest.mark.parametrize("coding", ENCODE)
@ensure_deferred
async def test_json_that_is_no_answer_fails_over(
    world: World,
    prefix: str,
    document: object,
    said: str,
    coding: bytes,
) -> None:
    first, second = world.upstream(in_json(document, coding)), world.upstream(GOOD)
    proxy = world.proxy({prefix: [provider("one", first.base_url), provider("two", second.base_url)]})
    response = await ask(await world.connect(proxy.port), PATHS[prefix])
    assert (response.status, response.body) == (200, b'{"ok": true}')
    assert f"(one: {said}" in proxy.requests[0]
    assert second.requests


@pytest.mark.parametrize("fields", [(HTML,), (JSON,), ()])
@ensure_deferred
async def test_a_page_is_a_bad_gateway(world: World, fields: tuple[tuple[bytes, bytes], ...]) -> None:
    first, second = world.upstream(answer(200, PAGE, fields)), world.upstream(GOOD)
    proxy = world.proxy({"codex": [provider("one", first.base_url), provider("two", second.base_url)]})
    response = await ask(await world.connect(proxy.port), PATHS["codex"])
    assert response.body == b'{"ok": true}'
    assert "(one: 502 " in proxy.requests[0]


@ensure_deferred
async def test_the_only_providers_page_is_relayed_as_it_is(world: World) -> None:
    upstream = world.upstream(answer(200, PAGE, (HTML,)))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    response = await ask(await world.connect(proxy.port))
    assert (response.status, response.body, response.complete) == (200, PAGE, True)


@pytest.mark.parametrize(
    "steps",
    [
        in_json({"error": None, "content": [{"type": "text", "text": "Hello"}]}),
        in_json({"input_tokens": 5}),
        in_json({"error": None}),
        answer(200, b'{"content": [{"type": "text", "text": "Hello"}]}', (HTML,)),
        answer(200, json.dumps({"error": {"message": "x" * 300_000}}).encode(), (JSON,)),
        answer(200, b"\x00\x01 audio", ((b"Content-Type", b"audio/mpeg"),)),
        answer(200, b'{"error": {"code": 500}}', (JSON, (b"Content-Encoding", b"gzip"))),
        answer(201, b'{"error": {"code": 500}}', (JSON,)),
    ],
    ids=["content", "token count", "null", "mislabelled", "too large to judge", "audio", "broken coding", "a 201"],
)
@ensure_deferred
async def test_an_answer_is_relayed(world: World, steps: Steps) -> None:
    first, second = world.upstream(steps), world.upstream(GOOD)
    proxy = world.proxy({"claudecode": [provider("one", first.base_url), provider("two", second.base_url)]})
    response = await ask(await world.connect(proxy.port))
    (sent,) = steps
    assert isinstance(sent, Send)
    assert response.body == sent.data.partition(b"\r\n\r\n")[2]
    assert not second.requests


@ensure_deferred
async def test_a_get_is_answered_with_whatever_comes(world: World) -> None:
    first = world.upstream(answer(200, PAGE, (HTML,)), answer(200, b'{"error": {"code": 500}}', (JSON,)))
    proxy = world.proxy({"claudecode": [provider("one", first.base_url), provider("two", first.base_url)]})
    client = await world.connect(proxy.port)
    assert (await ask(client, b"/claudecode/v1/models", b"GET")).body == PAGE
    assert (await ask(client, b"/claudecode/v1/models", b"GET")).body == b'{"error": {"code": 500}}'
    assert len(first.requests) == 2


@ensure_deferred
async def test_an_answer_that_trickles_is_relayed_from_its_content_on(world: World) -> None:
    beginning = b'{"id": "msg_1", "usage": {"input_tokens": 1}, "content": [{"type"'
    upstream = world.upstream((*chunked(b'{"id": "msg_1"', beginning[14:], fields=(JSON,), last=False), Hang()))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    client.send(request(b"POST", PATHS["claudecode"], body=b"{}"))
    await client.wait_for(beginning[14:])


@ensure_deferred
async def test_an_answer_that_trickles_without_content_is_relayed_in_time(world: World) -> None:
    upstream = world.upstream((*chunked(b"\n", b'{"id":', fields=(JSON,), last=False), Hang()))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]}, first_event_timeout=0.1)
    client = await world.connect(proxy.port)
    client.send(request(b"POST", PATHS["claudecode"], body=b"{}"))
    await client.wait_for(b'{"id":')


@ensure_deferred
async def test_a_head_waits_for_the_first_byte_of_its_body(world: World) -> None:
    """Whatever it is the head of: a provider that then resets has not answered."""
    audio = head(200, ((b"Content-Type", b"audio/mpeg"), (b"Content-Length", b"5")))
    first, second = world.upstream((Send(audio), Reset())), world.upstream(GOOD)
    proxy = world.proxy({"codex": [provider("one", first.base_url), provider("two", second.base_url)]})
    assert (await ask(await world.connect(proxy.port), b"/codex/v1/audio/speech")).body == b'{"ok": true}'
    assert "(one: broken answer)" in proxy.requests[0]


@pytest.mark.parametrize(
    "no_answer",
    [
        answer(200, PAGE, (HTML,)),
        in_json({"error": {"code": 503, "message": "busy"}}),
        in_json({"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long"}}),
    ],
    ids=["a page", "a failure", "the client's own mistake"],
)
@ensure_deferred
async def test_no_answer_makes_no_provider_preferred_and_no_trial_succeed(world: World, no_answer: Steps) -> None:
    first = world.upstream(answer(500), no_answer, GOOD)
    second = world.upstream(answer(200, b'{"two": true}', (JSON,)))
    proxy = world.proxy(
        {"claudecode": [provider("one", first.base_url), provider("two", second.base_url, priority=2)]},
        circuit_breaker=CircuitBreaker(1, 0.1),
        failback=FailBack.ALWAYS,
        failback_after=0.0,
    )
    client = await world.connect(proxy.port)
    assert (await ask(client)).body == b'{"two": true}'
    await Pause(0.12).run(client)
    await ask(client)
    assert len(first.requests) == 2, "the trial"
    assert "one answers again" not in "".join(proxy.lines)
    assert "via one" not in proxy.requests[0]
