"""A provider's error body is hostile: bounded in bytes and in time, whatever it holds; then the next provider."""

from __future__ import annotations

import gzip
import json

import brotli
import pytest
import zstandard

from tests.proxy import provider
from tests.wirekit.client import request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import Flood, Hang, Reset, Send, Steps, answer, chunk, chunked, head
from tests.world import World

QUOTA = json.dumps({"error": {"code": "insufficient_quota", "message": "secret"}}).encode()
BOMB = b" " * 50_000_000


def coded(coding: bytes, body: bytes) -> Steps:
    return answer(429, body, ((b"Content-Encoding", coding),))


BODIES: dict[str, tuple[Steps, str]] = {
    "endless": ((*chunked(b"{", status=429, last=False), Flood(chunk(b"x" * 65536), 10_000)), "429 rate limit"),
    "stalled": ((*chunked(b'{"error":', status=401, last=False), Hang()), "401 auth"),
    "stalled at once": ((*chunked(status=500, last=False), Hang()), "500 server error"),
    "a length that never comes": ((Send(head(429, ((b"Content-Length", b"99999999"),))), Hang()), "429 rate limit"),
    "cut": ((*chunked(QUOTA[:9], status=429, last=False), Reset()), "429 rate limit"),
    "a gzip bomb": (coded(b"gzip", gzip.compress(BOMB)), "429 rate limit"),
    "a br bomb": (coded(b"br", brotli.compress(BOMB, quality=1)), "429 rate limit"),
    "a zstd bomb": (coded(b"zstd", zstandard.compress(BOMB)), "429 rate limit"),
    "a bomb in a bomb": (coded(b"gzip, gzip", gzip.compress(gzip.compress(BOMB))), "429 rate limit"),
    "gzip garbage": (coded(b"gzip", b"\x1f\x8bnonsense"), "429 rate limit"),
    "an unknown coding": (coded(b"rot13", QUOTA), "429 rate limit"),
    "gzip": (coded(b"gzip", gzip.compress(QUOTA)), "429 quota"),
    "br": (coded(b"br", brotli.compress(QUOTA)), "429 quota"),
    "zstd": (coded(b"zstd", zstandard.compress(QUOTA)), "429 quota"),
    "nested brackets": (answer(429, b"[" * 30_000), "429 rate limit"),
    "nested objects": (answer(429, b'{"error":' * 3_000), "429 rate limit"),
    "wrong types": (
        answer(429, b'{"error":{"code":[],"type":{},"message":7,"details":"x","status":null}}'),
        "429 rate",
    ),
    "bad UTF-8": (answer(429, b'{"error":{"message":"\xff\xfe"}}'), "429 rate limit"),
    "a huge number": (answer(429, b'{"error":{"code":' + b"9" * 30_000 + b"}}"), "429 rate limit"),
    "quota behind the bound": (answer(429, b" " * 70_000 + QUOTA), "429 rate limit"),
}


@pytest.mark.parametrize(("script", "why"), BODIES.values(), ids=BODIES.keys())
@ensure_deferred
async def test_it_is_bounded_and_the_next_provider_answers(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    script: Steps,
    why: str,
) -> None:
    monkeypatch.setattr("clipal.failover.held_answer.ERROR_TIME", 0.2)
    first, second = world.upstream(script), world.upstream(answer(200, b"good"))
    proxy = world.proxy({"claudecode": [provider("one", first.base_url), provider("two", second.base_url)]})
    client = await world.connect(proxy.port)
    client.send(request(b"POST", b"/claudecode/v1/messages", body=b"{}"))
    response = await client.read_response()
    assert (response.status, response.body) == (200, b"good")
    assert f"(one: {why}" in proxy.requests[0]
    assert "secret" not in "".join(proxy.lines)
    (connection,) = first.connections
    assert connection.taken < 20_000_000
