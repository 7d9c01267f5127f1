"""What Claude Code speaks: streams of the Messages API, errors, sessions."""

from __future__ import annotations

import json
from http import HTTPStatus

import pytest

from clipal.dialects.anthropic import ANTHROPIC
from clipal.dialects.dialect import (
    CONTENT,
    END_EVENT,
    PREAMBLE,
    UNKNOWN,
    EventMeaning,
    Unavailable,
)
from clipal.dialects.sse import Scanner
from tests.meanings import stands_for

PATH = b"/v1/messages"
START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_01","type":"message",'
    b'"role":"assistant","model":"claude-opus-4-8","content":[],"stop_reason":null,"stop_sequence":null,'
    b'"usage":{"input_tokens":25,"output_tokens":1}}}\n\n'
)
BLOCK = (
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
    b'"content_block":{"type":"text","text":""}}\n\n'
)
PING = b'event: ping\ndata: {"type": "ping"}\n\n'
DELTA = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"Hello"}}\n\n'
)
BLOCK_STOP = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
MESSAGE_DELTA = (
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn",'
    b'"stop_sequence":null},"usage":{"output_tokens":15}}\n\n'
)
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
OVERLOADED = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'


def meanings(stream: bytes) -> list[EventMeaning]:
    return [ANTHROPIC.meaning(event.event, event.data, PATH) for event in Scanner().feed(stream)]


def block_start(block: str) -> bytes:
    return f'{{"type":"content_block_start","index":0,"content_block":{block}}}'.encode()


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (START + BLOCK + PING + DELTA, [PREAMBLE, PREAMBLE, PREAMBLE, CONTENT]),
        (START + MESSAGE_DELTA + STOP, [PREAMBLE, CONTENT, END_EVENT]),
        (START + BLOCK + BLOCK_STOP + STOP, [PREAMBLE, PREAMBLE, PREAMBLE, END_EVENT]),
    ],
)
def test_a_stream_begins_with_its_first_content(stream: bytes, expected: list[EventMeaning]) -> None:
    assert meanings(stream) == expected
    unnamed = b"\n".join(line for line in stream.split(b"\n") if not line.startswith(b"event:"))
    assert meanings(unnamed) == expected


@pytest.mark.parametrize("before", [b"", START, START + PING])
def test_an_error_event_stands_for_its_status(before: bytes) -> None:
    error = meanings(before + OVERLOADED)[-1]
    assert stands_for(error) == 529
    assert error.error == {"type": "overloaded_error", "message": "Overloaded"}


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("invalid_request_error", 400),
        ("authentication_error", 401),
        ("billing_error", 402),
        ("permission_error", 403),
        ("not_found_error", 404),
        ("request_too_large", 413),
        ("rate_limit_error", 429),
        ("api_error", 500),
        ("timeout_error", 504),
        ("overloaded_error", 529),
        ("never_heard_of", 500),
    ],
)
def test_each_type_of_error_has_its_status(kind: str, status: int) -> None:
    data = json.dumps({"type": "error", "error": {"type": kind, "message": "m"}, "request_id": "req_1"}).encode()
    assert stands_for(ANTHROPIC.meaning(b"error", data, PATH)) == status


@pytest.mark.parametrize(
    "data",
    [
        b'{"error":{"type":"rate_limit_error","message":"m"}}',
        b' { "error" : {"type":"rate_limit_error","message":"m"}}',
        b'{"type":"error","error":{"message":"m","type":"rate_limit_error"}}',
        b'{"type" : "error", "error":{"message":"m","code":"429"}}',
        b'{"type":"error","error":{"message":"m","code":429,"type":"overloaded_error"}}',
        b'{"type":"error","message":"m","status":429}',
    ],
)
def test_an_error_without_an_event_name_is_seen_in_its_data(data: bytes) -> None:
    error = ANTHROPIC.meaning(b"", data, PATH)
    assert stands_for(error) == 429
    assert (error.error or {})["message"] == "m"


def test_an_error_that_is_only_a_text_keeps_it_as_its_message() -> None:
    error = ANTHROPIC.meaning(b"", b'{"error":"no more tokens"}', PATH)
    assert (stands_for(error), error.error) == (500, {"message": "no more tokens"})


@pytest.mark.parametrize(
    "block",
    [
        '{"type":"text","text":""}',
        '{"type": "text", "text": ""}',
        '{"text":"","type":"text"}',
        '{"type":"text","text":"","citations":[]}',
        '{"type":"thinking","thinking":"","signature":""}',
        '{"type":"tool_use","id":"toolu_01","name":"Bash","input":{}}',
        '{"type":"server_tool_use","id":"srvtoolu_01","name":"web_search","input":{ }}',
    ],
)
def test_a_block_that_begins_empty_says_nothing_yet(block: str) -> None:
    assert ANTHROPIC.meaning(b"content_block_start", block_start(block), PATH) == PREAMBLE


@pytest.mark.parametrize(
    "block",
    [
        '{"type":"text","text":"Hi"}',
        '{"type":"thinking","thinking":"Hm","signature":""}',
        '{"type":"thinking","thinking":"","signature":"Eo"}',
        '{"type":"tool_use","id":"toolu_01","name":"Bash","input":{"command":"ls"}}',
        '{"type":"redacted_thinking","data":"Eo"}',
        '{"type":"web_search_tool_result","tool_use_id":"srvtoolu_01","content":[]}',
        '{"text":"Hi","type":"text"}',
        '{"type":"text","text":"","more":"' + "x" * 5000 + '"}',
    ],
)
def test_a_block_that_may_begin_with_something_is_content(block: str) -> None:
    assert ANTHROPIC.meaning(b"content_block_start", block_start(block), PATH) == CONTENT


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (b"completion", b'{"completion":"Hi"}'),
        (b"error", b"overloaded"),
        (b"error", b"[]"),
        (b"", b'{"error":null,"x":1}'),
        (b"", b'{"x":1}'),
        (b"", b""),
    ],
)
def test_what_is_not_understood_opens(event: bytes, data: bytes) -> None:
    assert ANTHROPIC.meaning(event, data, PATH) == UNKNOWN


@pytest.mark.parametrize(
    ("refused", "kind"),
    [
        (HTTPStatus.BAD_REQUEST, "invalid_request_error"),
        (HTTPStatus.FORBIDDEN, "permission_error"),
        (HTTPStatus.NOT_FOUND, "not_found_error"),
        (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "request_too_large"),
        (HTTPStatus.TOO_MANY_REQUESTS, "rate_limit_error"),
        (HTTPStatus.INTERNAL_SERVER_ERROR, "api_error"),
        (HTTPStatus.SERVICE_UNAVAILABLE, "api_error"),
    ],
)
def test_our_own_error_has_the_apis_shape(refused: HTTPStatus, kind: str) -> None:
    assert json.loads(ANTHROPIC.error_body(refused, "why", "r-1")) == {
        "type": "error",
        "error": {"type": kind, "message": "why"},
        "request_id": "r-1",
    }


def test_claude_code_is_told_the_true_wait() -> None:
    assert ANTHROPIC.unavailable(rate_limited=False, wait=3600.0) == Unavailable(HTTPStatus.SERVICE_UNAVAILABLE, 3600)
    assert ANTHROPIC.unavailable(rate_limited=True, wait=36.2) == Unavailable(HTTPStatus.TOO_MANY_REQUESTS, 37)
    assert ANTHROPIC.unavailable(rate_limited=True, wait=None) == Unavailable(HTTPStatus.TOO_MANY_REQUESTS, None)


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        (b"/v1/messages/count_tokens", True),
        (b"/v1/messages", False),
        (b"/v1/messages/count_tokens_not", False),
        (b"/v1/messages/batches", False),
    ],
)
def test_counting_tokens_is_seen_from_the_path(path: bytes, counts: bool) -> None:
    assert ANTHROPIC.counts_tokens(path) is counts


def test_the_session_is_the_one_that_claude_code_names() -> None:
    assert ANTHROPIC.session({b"user-agent": b"claude-cli/2.1.330", b"x-claude-code-session-id": b"6f1c"}) == b"6f1c"
    assert ANTHROPIC.session({b"user-agent": b"claude-cli/2.1.330"}) is None
