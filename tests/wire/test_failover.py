"""The outcome table over sockets: the second provider's answer, byte for byte, and one line that says why."""

from __future__ import annotations

import json

import pytest

from clipal.config.model import Mode
from tests.proxy import provider
from tests.wirekit.client import request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import Close, Hang, Reset, Send, Steps, answer, chunked, head
from tests.wirekit.tls import Authority
from tests.world import World

POST = request(b"POST", b"/claudecode/v1/messages?beta=true", body=b'{"x": 1}')
HTML = ((b"Content-Type", b"text/html"),)
GOOD = chunked(b"good ", b"answer", fields=((b"X-From", b"two"),))

FAILOVERS: dict[str, tuple[Steps, str]] = {
    "401": (answer(401, b'{"error":{}}'), "one: 401 auth, resting 1h"),
    "402": (answer(402, b""), "one: 402 billing, resting 1h"),
    "403 in JSON": (answer(403, b'{"error":{}}'), "one: 403 auth, resting 1h"),
    "403 without a body": (answer(403, b""), "one: 403 auth, resting 1h"),
    "403 in HTML": (answer(403, b"<!DOCTYPE html><title>Just a moment", HTML), "one: 403 challenge page, resting 1m"),
    "429": (answer(429, b'{"error":{"type":"rate_limit_error"}}'), "one: 429 rate limit)"),
    "429 with a hint": (answer(429, b"", ((b"Retry-After", b"37"),)), "one: 429 rate limit, resting 37s"),
    "429 out of quota": (
        answer(429, b'{"error":{"code":"insufficient_quota"}}', ((b"Retry-After", b"37"),)),
        "one: 429 quota, resting 1h",
    ),
    "429 for the key": (answer(429, b'{"error":{"message":"Invalid API key"}}'), "one: 429 auth, resting 1h"),
    "408": (answer(408, b""), "one: 408 request timeout)"),
    "500": (answer(500, b"oops"), "one: 500 server error)"),
    "502": (answer(502, b"<html>", HTML), "one: 502 bad gateway)"),
    "503": (answer(503, b""), "one: 503 unavailable)"),
    "503 with a hint": (answer(503, b"", ((b"Retry-After", b"3600"),)), "one: 503 unavailable, resting 1m"),
    "500 with a hint": (answer(500, b"", ((b"Retry-After", b"120"),)), "one: 500 server error, resting 1m"),
    "504": (answer(504, b""), "one: 504 gateway timeout)"),
    "529": (answer(529, b'{"type":"error","error":{"type":"overloaded_error"}}'), "one: 529 overloaded)"),
    "a close": ((Close(),), "one: connection lost)"),
    "a reset": ((Reset(),), "one: connection lost)"),
    "half a head": ((Send(b"HTTP/1.1 200 OK\r\nX: "), Reset()), "one: connection lost)"),
    "garbage": ((Send(b"SSH-2.0-OpenSSH\r\n"),), "one: broken answer)"),
    "HTTP/9.9": ((Send(b"HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\nhi"),), "one: broken answer)"),
    "both framings": (
        (Send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),),
        "one: broken answer)",
    ),
    "two codings": (
        (Send(head(200, ((b"Transfer-Encoding", b"chunked"),) * 2) + b"0\r\n\r\n"),),
        "one: broken answer)",
    ),
    "a NUL in a field": ((Send(b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nhi"),), "one: broken answer)"),
    "an unasked 101": ((Send(head(101, ((b"Upgrade", b"x"), (b"Connection", b"upgrade")))),), "one: broken answer)"),
    "a status of 600": ((Send(b"HTTP/1.1 600 X\r\nContent-Length: 0\r\n\r\n"),), "one: broken answer)"),
    "an endless head": ((Send(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 2_000_000), Hang()), "one: broken answer)"),
    "a head and a close": ((Send(head(200, ((b"Content-Length", b"5"),))), Close()), "one: broken answer)"),
    "a head and an end": (chunked(), "one: 200 empty answer)"),
    "an empty 200": (answer(200, b""), "one: 200 empty answer)"),
    "no answer": ((Hang(),), "one: no answer in time)"),
    "a head and no more": ((*chunked(last=False), Hang()), "one: no answer in time)"),
}


@pytest.mark.parametrize(("script", "why"), FAILOVERS.values(), ids=FAILOVERS.keys())
@ensure_deferred
async def test_the_next_provider_answers(world: World, script: Steps, why: str) -> None:
    first, second = world.upstream(script), world.upstream(GOOD)
    proxy = world.proxy(
        {"claudecode": [provider("one", first.base_url), provider("two", second.base_url)]}, nonstreaming_timeout=0.4
    )
    client = await world.connect(proxy.port)
    client.send(POST)
    response = await client.read_response()
    assert (response.status, response.body, response.complete) == (200, b"good answer", True)
    assert list(response.fields) == [(b"X-From", b"two"), (b"Transfer-Encoding", b"chunked")]
    assert len(first.requests) == 1
    assert first.requests[0].body == second.requests[0].body == b'{"x": 1}'
    (line,) = proxy.requests
    assert f"({why}" in line
    assert "200 via two" in line
    assert "attempts: 2" in line


@ensure_deferred
async def test_unreachable_providers(world: World, authority: Authority) -> None:
    """A refused connection, a name without an address, TLS that is not trusted, TLS that never answers."""
    untrusted = world.upstream(GOOD, tls=authority.server)
    silent = world.upstream(GOOD, on_connect=(Hang(),), scheme="https")
    plain = world.upstream(GOOD, on_connect=(Send(b"HTTP/1.1 400 Bad Request\r\n\r\n"),))
    good = world.upstream(GOOD)
    providers = [
        provider("refused", "http://127.0.0.1:1"),
        provider("nowhere", "http://nowhere.invalid"),
        provider("untrusted", untrusted.base_url.replace("127.0.0.1", "localhost")),
        provider("silent", silent.base_url),
        provider("plain", plain.base_url.replace("http:", "https:")),
        provider("good", good.base_url),
    ]
    proxy = world.proxy({"claudecode": providers}, connect_timeout=0.5)
    client = await world.connect(proxy.port)
    client.send(POST)
    assert (await client.read_response()).body == b"good answer"
    (line,) = proxy.requests
    for why in (
        "refused: connection refused",
        "nowhere: host name not found",
        "untrusted: the certificate is not trusted",
        "silent: connection timed out",
        "plain: TLS handshake failed",
    ):
        assert why in line
    assert not untrusted.requests


@pytest.mark.parametrize("status", [200, 201, 301, 400, 404, 405, 409, 413, 418, 422, 451])
@ensure_deferred
async def test_an_error_of_the_request_itself_is_relayed(world: World, status: int) -> None:
    body = b'{"error": {"type": "invalid_request_error", "message": "mine"}}'
    first, second = world.upstream(answer(status, body)), world.upstream(GOOD)
    proxy = world.proxy({"claudecode": [provider("one", first.base_url), provider("two", second.base_url)]})
    client = await world.connect(proxy.port)
    client.send(POST)
    response = await client.read_response()
    assert (response.status, response.body) == (status, body)
    assert not second.requests


@pytest.mark.parametrize("status", [401, 402, 403, 408, 429, 500, 502, 503, 504, 529])
@ensure_deferred
async def test_the_only_providers_answer_is_relayed_as_it_is(world: World, status: int) -> None:
    body = b'{"error": {"message": "mine"}}' + b" " * 100_000
    upstream = world.upstream(answer(status, body, ((b"X", b"y"), (b"Retry-After", b"7"))))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    client.send(POST)
    response = await client.read_response()
    assert (response.status, response.body, response.complete) == (status, body, True)
    assert response.values(b"retry-after") == [b"7"]
    assert response.values(b"x-request-id") == []


NOBODY = [
    ("claudecode", 429, b"37", 429, b"37"),
    ("claudecode", 429, b"600", 429, b"600"),
    ("claudecode", 503, b"37", 503, b"37"),
    ("claudecode", 500, None, 503, None),
    ("codex", 429, b"37", 503, b"37"),
    ("codex", 503, b"37", 503, b"37"),
    ("codex", 429, b"600", 429, None),
    ("codex", 401, None, 503, None),
    ("gemini", 429, b"37", 429, b"37"),
    ("gemini", 401, None, 503, b"3600"),
]


@pytest.mark.parametrize(("prefix", "status", "hint", "told", "retry_after"), NOBODY)
@ensure_deferred
async def test_the_refusal_of_each_client_when_no_provider_answers(
    world: World,
    prefix: str,
    status: int,
    hint: bytes | None,
    told: int,
    retry_after: bytes | None,
) -> None:
    fields = () if hint is None else ((b"Retry-After", hint),)
    upstream = world.upstream(answer(status, b"{}", fields))
    proxy = world.proxy({prefix: [provider("one", upstream.base_url), provider("two", upstream.base_url)]})
    client = await world.connect(proxy.port)
    for _ in range(2):
        client.send(request(b"POST", b"/" + prefix.encode() + b"/v1/x", body=b"{}"))
        response = await client.read_response()
        assert (response.status, response.values(b"retry-after")) == (
            told,
            [] if retry_after is None else [retry_after],
        )
        error = json.loads(response.body)["error"]
        assert "one: " in error["message"]
        assert "two: " in error["message"]
        assert "127.0.0.1" not in error["message"]
        if hint is not None:
            assert f"Please retry in {hint.decode()}s." in error["message"]
        if hint is None and status == 500:
            return


@ensure_deferred
async def test_no_provider_names_the_file_to_edit(world: World) -> None:
    proxy = world.proxy({"codex": [provider("one", "http://127.0.0.1:1", enabled=False)]})
    client = await world.connect(proxy.port)
    for prefix, file in ((b"claudecode", "claude-code.yaml"), (b"codex", "codex.yaml"), (b"gemini", "gemini.yaml")):
        client.send(request(b"POST", b"/" + prefix + b"/v1/x", body=b"{}"))
        response = await client.read_response()
        assert response.status == 503
        assert file in json.loads(response.body)["error"]["message"]


@ensure_deferred
async def test_head_says_nothing_about_health(world: World) -> None:
    first, second = world.upstream((Send(head(401)),)), world.upstream((Send(head(200)),))
    proxy = world.proxy({"claudecode": [provider("one", first.base_url), provider("two", second.base_url)]})
    client = await world.connect(proxy.port)
    for _ in range(2):
        client.send(request(b"HEAD", b"/claudecode/api/hello"))
        assert (await client.read_response(bodyless=True)).status == 200
    assert len(first.requests) == 2
    assert proxy.service.failovers["claudecode"].route.cursor is None


@pytest.mark.parametrize("apart", [True, False])
@ensure_deferred
async def test_counting_tokens_has_a_cursor_of_its_own_or_not(world: World, apart: bool) -> None:
    def one(asked: object) -> Steps:
        return answer(500, b"") if b"count" in getattr(asked, "target") else answer(200, b"one")  # noqa: B009

    first, second = world.upstream(one), world.upstream(answer(200, b"two"))
    proxy = world.proxy(
        {"claudecode": [provider("one", first.base_url), provider("two", second.base_url)]},
        ignore_count_tokens_failover=apart,
    )
    client = await world.connect(proxy.port)
    said = []
    for path in (b"/v1/messages", b"/v1/messages/count_tokens?beta=true", b"/v1/messages"):
        client.send(request(b"POST", b"/claudecode" + path, body=b"{}"))
        said.append((await client.read_response()).body)
    assert said == [b"one", b"two", b"one" if apart else b"two"]
    assert proxy.service.failovers["claudecode"].route.providers[0].unwell_at is None


@ensure_deferred
async def test_a_pinned_provider_is_the_only_one(world: World) -> None:
    first, second = world.upstream(answer(200, b"one")), world.upstream(answer(529, b"two"))
    proxy = world.proxy(
        {"claudecode": [provider("one", first.base_url), provider("two", second.base_url)]}, pinned="two"
    )
    assert proxy.service.failovers["claudecode"].route.config.mode is Mode.MANUAL
    client = await world.connect(proxy.port)
    for _ in range(5):
        client.send(POST)
        response = await client.read_response()
        assert (response.status, response.body) == (529, b"two")
    assert not first.requests


@ensure_deferred
async def test_priorities_ties_and_stickiness(world: World) -> None:
    bad, good = world.upstream(answer(500, b"")), world.upstream(answer(200, b"good"))
    providers = [
        provider("last", bad.base_url, priority=9),
        provider("tie1", bad.base_url, priority=2),
        provider("off", good.base_url, priority=0, enabled=False),
        provider("first", bad.base_url, priority=-1),
        provider("tie2", good.base_url, priority=2),
    ]
    proxy = world.proxy({"claudecode": providers})
    client = await world.connect(proxy.port)
    for _ in range(2):
        client.send(POST)
        assert (await client.read_response()).body == b"good"
    first, second = proxy.requests
    assert "200 via tie2" in first
    assert "(first: 500 server error; tie1: 500 server error)" in first
    assert "attempts: 1 [" in second
