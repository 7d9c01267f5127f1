"""What Gemini CLI speaks: streams of generateContent, errors, methods in the path."""

from __future__ import annotations

import json
from http import HTTPStatus

import pytest

from clipal.dialects.dialect import (
    CONTENT,
    PREAMBLE,
    UNKNOWN,
    EventMeaning,
    Unavailable,
)
from clipal.dialects.gemini import GEMINI
from clipal.dialects.sse import Scanner
from tests.meanings import stands_for

PATH = b"/v1beta/models/gemini-3.5-flash:streamGenerateContent"
HELLO = (
    b'data: {"candidates": [{"content": {"parts": [{"text": "Hello"}],"role": "model"},"index": 0}],'
    b'"usageMetadata": {"promptTokenCount": 4},"modelVersion": "gemini-3.5-flash","responseId": "x"}\r\n\r\n'
)
BLOCKED = b'data: {"promptFeedback": {"blockReason": "SAFETY"},"usageMetadata": {"promptTokenCount": 4}}\r\n\r\n'
USAGE = b'data: {"usageMetadata": {"promptTokenCount": 4},"modelVersion": "gemini-3.5-flash"}\r\n\r\n'
QUOTA = {
    "code": 429,
    "message": "You exceeded your current quota. Please retry in 37s.",
    "status": "RESOURCE_EXHAUSTED",
    "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37s"}],
}


def meanings(stream: bytes) -> list[EventMeaning]:
    return [GEMINI.meaning(event.event, event.data, PATH) for event in Scanner().feed(stream)]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (HELLO, [CONTENT]),
        (USAGE + HELLO, [PREAMBLE, CONTENT]),
        (BLOCKED, [CONTENT]),
        (b'data: {"usageMetadata":{},"candidates":[{"finishReason":"STOP"}]}\n\n', [CONTENT]),
        (b'data: {"usageMetadata":{},"promptFeedback":{"blockReason":"OTHER"}}\n\n', [CONTENT]),
        (b'data: {"responseId":"x","error":null}\n\n', [UNKNOWN]),
        (b'data: {"id":"chatcmpl-1","choices":[]}\n\n', [UNKNOWN]),
        (b"data: {}\n\n", [UNKNOWN]),
        (b'data: ["error"]\n\n', [UNKNOWN]),
        (b"data: Internal\n\n", [UNKNOWN]),
    ],
)
def test_a_stream_begins_with_its_first_content(stream: bytes, expected: list[EventMeaning]) -> None:
    assert meanings(stream) == expected


@pytest.mark.parametrize("before", [b"", USAGE, USAGE + USAGE])
def test_an_error_chunk_stands_for_its_code_and_keeps_its_details(before: bytes) -> None:
    for document in ({"error": QUOTA}, [{"error": QUOTA}]):
        error = meanings(before + b"data: " + json.dumps(document).encode() + b"\r\n\r\n")[-1]
        assert stands_for(error) == 429
        assert error.error == QUOTA


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"code": 503, "status": "UNAVAILABLE"}, 503),
        ({"code": 499, "status": "CANCELLED"}, 499),
        ({"code": 400, "status": "INVALID_ARGUMENT"}, 400),
        ({"status": "UNAUTHENTICATED"}, 401),
        ({"code": 14, "status": "UNAVAILABLE"}, 503),
        ({"code": 200, "status": "DEADLINE_EXCEEDED"}, 504),
        ({"message": "m"}, 500),
    ],
)
def test_an_error_has_a_code_or_a_status_word(error: dict[str, object], status: int) -> None:
    assert stands_for(GEMINI.meaning(b"", json.dumps({"error": error}).encode(), PATH)) == status


@pytest.mark.parametrize(
    ("refused", "status"),
    [
        (HTTPStatus.BAD_REQUEST, "INVALID_ARGUMENT"),
        (HTTPStatus.FORBIDDEN, "PERMISSION_DENIED"),
        (HTTPStatus.NOT_FOUND, "NOT_FOUND"),
        (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "INVALID_ARGUMENT"),
        (HTTPStatus.TOO_MANY_REQUESTS, "RESOURCE_EXHAUSTED"),
        (HTTPStatus.INTERNAL_SERVER_ERROR, "INTERNAL"),
        (HTTPStatus.SERVICE_UNAVAILABLE, "UNAVAILABLE"),
    ],
)
def test_our_own_error_has_the_apis_shape(refused: HTTPStatus, status: str) -> None:
    assert json.loads(GEMINI.error_body(refused, "Please retry in 37s.", "r-1")) == {
        "error": {"code": refused.value, "message": "Please retry in 37s.", "status": status}
    }


def test_gemini_cli_gets_the_true_wait_and_status() -> None:
    assert GEMINI.unavailable(rate_limited=True, wait=36.5) == Unavailable(HTTPStatus.TOO_MANY_REQUESTS, 37)
    assert GEMINI.unavailable(rate_limited=False, wait=None) == Unavailable(HTTPStatus.SERVICE_UNAVAILABLE, None)


@pytest.mark.parametrize(
    ("path", "body", "streams"),
    [
        (PATH, b"{}", True),
        (b"/v1beta/models/gemini-3.5-flash:generateContent", b'{"stream": true}', False),
        (b"/v1beta/models/gemini-3.5-flash:countTokens", b'{"stream": true}', False),
        (b"/v1beta/a:b/streamGenerateContent", b"{}", False),
        (b"/v1beta/openai/chat/completions", b'{"stream": true}', True),
        (b"/v1beta/openai/chat/completions", b"{}", False),
    ],
)
def test_a_stream_is_asked_for_by_the_method_in_the_path(path: bytes, body: bytes, streams: bool) -> None:
    assert GEMINI.asks_for_stream(path, b"alt=sse", {b"accept": b"*/*"}, body) is streams


@pytest.mark.parametrize(
    ("path", "counts"),
    [(b"/v1beta/models/gemini-3.5-flash:countTokens", True), (PATH, False), (b"/v1beta/countTokens", False)],
)
def test_counting_tokens_is_seen_from_the_path(path: bytes, counts: bool) -> None:
    assert GEMINI.counts_tokens(path) is counts
