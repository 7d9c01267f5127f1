"""What Codex CLI speaks: streams of Responses and Chat Completions, errors, waits, paths, sessions."""

from __future__ import annotations

import json
from http import HTTPStatus

import pytest

from clipal.dialects.dialect import (
    CONTENT,
    END_EVENT,
    PREAMBLE,
    UNKNOWN,
    EventMeaning,
    Unavailable,
)
from clipal.dialects.openai import OPENAI
from clipal.dialects.sse import Scanner
from tests.meanings import stands_for

RESPONSES = b"/v1/responses"
CHAT = b"/v1/chat/completions"


def event(name: str, **more: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, 'sequence_number': 1, **more})}\n\n".encode()


def response(status: str, error: object = None) -> dict[str, object]:
    """A response as it stands in an event, with the request's instructions and tools repeated in it."""
    return {
        "id": "resp_68c0ffee",
        "object": "response",
        "created_at": 1790000000,
        "status": status,
        "error": error,
        "incomplete_details": None,
        "instructions": "You are a coding agent. " * 3000,
        "output": [],
        "tools": [],
    }


CREATED = event("response.created", response=response("in_progress"))
IN_PROGRESS = event("response.in_progress", response=response("in_progress"))
ITEM = event("response.output_item.added", output_index=0, item={"id": "msg_1", "content": []})
PART = event("response.content_part.added", part={"type": "output_text", "text": ""})
DELTA = event("response.output_text.delta", item_id="msg_1", delta="Hi")


def chunk(*, finish: str | None = None, **delta: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    value = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [choice],
    }
    return f"data: {json.dumps(value)}\n\n".encode()


def meanings(stream: bytes, path: bytes = RESPONSES) -> list[EventMeaning]:
    return [OPENAI.meaning(each.event, each.data, path) for each in Scanner().feed(stream)]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (CREATED + IN_PROGRESS + ITEM + PART + DELTA, [PREAMBLE] * 4 + [CONTENT]),
        (CREATED + event("response.queued"), [PREAMBLE, PREAMBLE]),
        (event("keepalive"), [PREAMBLE]),
        (event("codex.rate_limits", plan_type="pro"), [PREAMBLE]),
        (event("response.reasoning_summary_text.delta", delta="Hm"), [CONTENT]),
        (event("response.function_call_arguments.delta", delta="{"), [CONTENT]),
        (event("response.output_item.done", item={}), [CONTENT]),
        (CREATED + event("response.completed", response=response("completed")), [PREAMBLE, CONTENT]),
        (event("response.incomplete", response=response("incomplete")), [CONTENT]),
        (b"data: [DONE]\n\n", [END_EVENT]),
        (event("response.of_tomorrow"), [UNKNOWN]),
        (b"event: message\ndata: hi\n\n", [UNKNOWN]),
        (b"event: error\ndata: hi\n\n", [UNKNOWN]),
    ],
)
def test_a_responses_stream_begins_with_its_first_content(stream: bytes, expected: list[EventMeaning]) -> None:
    assert meanings(stream) == expected
    if b'"type"' in stream:
        unnamed = b"\n".join(line for line in stream.split(b"\n") if not line.startswith(b"event:"))
        assert meanings(unnamed) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("response.web_search_call.in_progress", PREAMBLE),
        ("response.web_search_call.searching", PREAMBLE),
        ("response.file_search_call.searching", PREAMBLE),
        ("response.image_generation_call.generating", PREAMBLE),
        ("response.code_interpreter_call.interpreting", PREAMBLE),
        ("response.mcp_call.added", PREAMBLE),
        ("response.mcp_call.in_progress", PREAMBLE),
        ("response.mcp_list_tools.in_progress", PREAMBLE),
        ("response.image_generation_call.partial_image", UNKNOWN),
        ("response.web_search_call.completed", UNKNOWN),
        ("response.in_progress_call", UNKNOWN),
    ],
)
def test_progress_of_a_hosted_tool_says_nothing_yet(name: str, expected: EventMeaning) -> None:
    assert meanings(event(name, output_index=0, item_id="ws_1")) == [expected]


@pytest.mark.parametrize("name", [b"", b"message"])
def test_an_event_without_a_name_is_known_by_its_type_wherever_that_stands(name: bytes) -> None:
    """As relays that sort the keys write it."""
    failed = {"response": response("failed", {"code": "slow_down", "message": "why"}), "type": "response.failed"}
    assert stands_for(OPENAI.meaning(name, json.dumps(failed).encode(), RESPONSES)) == 503
    created = {"response": response("in_progress"), "sequence_number": 0, "type": "response.created"}
    assert OPENAI.meaning(name, json.dumps(created).encode(), RESPONSES) == PREAMBLE
    bare = {"sequence_number": 1, "error": {"code": "slow_down"}}
    assert stands_for(OPENAI.meaning(name, json.dumps(bare).encode(), RESPONSES)) == 503


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("rate_limit_exceeded", 429),
        ("insufficient_quota", 429),
        ("usage_limit_reached", 429),
        ("server_error", 500),
        ("server_is_overloaded", 503),
        ("slow_down", 503),
        ("context_length_exceeded", 400),
        ("invalid_prompt", 400),
        ("previous_response_not_found", 400),
        ("invalid_image_url", 400),
        ("model_not_found", 404),
        ("invalid_api_key", 401),
        ("never_heard_of", 500),
    ],
)
def test_a_failed_response_stands_for_the_status_of_its_code(code: str, status: int) -> None:
    failed = event("response.failed", response=response("failed", {"code": code, "message": "why"}))
    error = meanings(CREATED + IN_PROGRESS + failed)[-1]
    assert stands_for(error) == status
    assert error.error == {"code": code, "message": "why"}


def test_a_failed_response_that_does_not_say_why_is_a_server_error() -> None:
    (error,) = meanings(event("response.failed", response=response("failed")))
    assert (stands_for(error), error.error) == (500, {})


@pytest.mark.parametrize(
    "data",
    [
        '{"type":"error","code":"rate_limit_exceeded","message":"why","param":null,"sequence_number":1}',
        '{"type":"error","error":{"type":"tokens","code":"rate_limit_exceeded","message":"why"}}',
        '{"type":"error","error":{"type":"rate_limit_error","code":null,"message":"why"}}',
        '{"error":{"message":"why","code":429}}',
        '{"error":{"message":"why","type":"x","code":"429"}}',
    ],
)
@pytest.mark.parametrize("name", [b"", b"error"])
def test_an_error_event_has_one_of_several_shapes(name: bytes, data: str) -> None:
    error = OPENAI.meaning(name, data.encode(), RESPONSES)
    assert stands_for(error) == 429
    assert (error.error or {})["message"] == "why"


@pytest.mark.parametrize("code", [True, 200, 600, 4290, -429, 429.0, [429], "9999", "\uff14\uff12\uff19", None, {}])
def test_a_code_that_is_no_error_status_says_nothing(code: object) -> None:
    data = json.dumps({"error": {"message": "why", "code": code}}).encode()
    assert stands_for(OPENAI.meaning(b"", data, RESPONSES)) == 500


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (chunk(role="assistant", content="") + chunk(content="Hi"), [PREAMBLE, CONTENT]),
        (chunk(role="assistant", content=None, refusal=None), [PREAMBLE]),
        (chunk(), [PREAMBLE]),
        (chunk(role="assistant", tool_calls=[{"index": 0, "id": "call_1"}]), [CONTENT]),
        (chunk(reasoning_content="Hm"), [CONTENT]),
        (chunk(reasoning="Hm"), [CONTENT]),
        (chunk(finish="stop"), [CONTENT]),
        (b'data: {"choices":[],"prompt_filter_results":[]}\n\n', [PREAMBLE]),
        (b'data: {"choices":[{"text":"Hi","index":0}]}\n\n', [CONTENT]),
        (b'data: {"choices":[{"message":{"content":"Hi"}}]}\n\n', [CONTENT]),
        (b'data: {"choices":[7]}\n\n', [CONTENT]),
        (b'data: {"choices":[{"delta":null,"finish_reason":null}]}\n\n', [PREAMBLE]),
        (b'data: {"choices":null}\n\n', [UNKNOWN]),
        (b"data: {}\n\n", [UNKNOWN]),
        (b"data: []\n\n", [UNKNOWN]),
        (b"data: hello\n\n", [UNKNOWN]),
        (b": OPENROUTER PROCESSING\n\ndata: [DONE]\n\n", [END_EVENT]),
        (b'data: {"error":null,"choices":[]}\n\n', [PREAMBLE]),
    ],
)
def test_a_chat_stream_begins_with_its_first_content(stream: bytes, expected: list[EventMeaning]) -> None:
    assert meanings(stream, CHAT) == expected


@pytest.mark.parametrize(
    ("stream", "status"),
    [
        (b'data: {"error":{"message":"m","type":"server_error","code":null}}\n\n', 500),
        (b'data: {"id":"gen-1","choices":[],"error":{"message":"m","code":502}}\n\n', 502),
        (b'data: {"error":{"message":"m","type":"insufficient_quota","code":"insufficient_quota"}}\n\n', 429),
        (b'data: {"error":{"message":"m","type":"invalid_request_error","param":"n","code":null}}\n\n', 400),
        (b'event: error\ndata: {"message":"m","type":"rate_limit_error"}\n\n', 429),
    ],
)
def test_an_error_in_a_chat_stream_stands_for_its_status(stream: bytes, status: int) -> None:
    error = meanings(chunk(role="assistant") + stream, CHAT)[-1]
    assert stands_for(error) == status
    assert (error.error or {})["message"] == "m"


@pytest.mark.parametrize(
    ("refused", "kind", "code"),
    [
        (HTTPStatus.BAD_REQUEST, "invalid_request_error", "bad_request"),
        (HTTPStatus.NOT_FOUND, "invalid_request_error", "not_found"),
        (HTTPStatus.TOO_MANY_REQUESTS, "rate_limit_error", "rate_limit_exceeded"),
        (HTTPStatus.INTERNAL_SERVER_ERROR, "server_error", "internal"),
        (HTTPStatus.SERVICE_UNAVAILABLE, "server_error", "unavailable"),
    ],
)
def test_our_own_error_has_the_apis_shape(refused: HTTPStatus, kind: str, code: str) -> None:
    assert json.loads(OPENAI.error_body(refused, "why", "r-1")) == {
        "error": {"message": "why", "type": kind, "param": None, "code": code}
    }


@pytest.mark.parametrize(
    ("rate_limited", "wait", "refused", "retry_after"),
    [
        (False, 3.2, HTTPStatus.SERVICE_UNAVAILABLE, 4),
        (True, 3.2, HTTPStatus.SERVICE_UNAVAILABLE, 4),
        (True, 60.0, HTTPStatus.SERVICE_UNAVAILABLE, 60),
        (False, 60.1, HTTPStatus.SERVICE_UNAVAILABLE, None),
        (True, 60.1, HTTPStatus.TOO_MANY_REQUESTS, None),
        (True, 3600.0, HTTPStatus.TOO_MANY_REQUESTS, None),
        (True, None, HTTPStatus.SERVICE_UNAVAILABLE, None),
        (False, None, HTTPStatus.SERVICE_UNAVAILABLE, None),
    ],
)
def test_codex_is_told_only_a_wait_that_it_may_obey(
    rate_limited: bool, wait: float | None, refused: HTTPStatus, retry_after: int | None
) -> None:
    assert OPENAI.unavailable(rate_limited=rate_limited, wait=wait) == Unavailable(refused, retry_after)


@pytest.mark.parametrize(
    ("path", "base", "expected"),
    [
        (b"/responses", b"", b"/v1/responses"),
        (b"/responses", b"/api", b"/v1/responses"),
        (b"/responses", b"/v1", b"/responses"),
        (b"/responses", b"/api/v3", b"/responses"),
        (b"/responses", b"/v1beta", b"/responses"),
        (b"/responses", b"/v1alpha2", b"/responses"),
        (b"/responses", b"/v1/proxy", b"/v1/responses"),
        (b"/responses", b"/xv1", b"/v1/responses"),
        (b"/responses", b"/v1x", b"/v1/responses"),
        (b"/responses", b"/v", b"/v1/responses"),
        (b"/v1/responses", b"", b"/v1/responses"),
        (b"/v1/responses", b"/v1", b"/responses"),
        (b"/v1/responses", b"/openai/v3", b"/responses"),
        (b"/v1/files", b"/v1", b"/files"),
        (b"/v1//responses", b"/v1", b"//responses"),
        (b"/v1", b"/v1", b"/v1"),
        (b"/v1", b"", b"/v1"),
        (b"/v1x/responses", b"/v1", b"/v1x/responses"),
        (b"/v2/responses", b"/v1", b"/v2/responses"),
        (b"/responses/abc/cancel", b"", b"/v1/responses/abc/cancel"),
        (b"/chat/completions", b"", b"/v1/chat/completions"),
        (b"/completions", b"", b"/v1/completions"),
        (b"/models", b"", b"/v1/models"),
        (b"/models/gpt%2F6", b"", b"/v1/models/gpt%2F6"),
        (b"/embeddings", b"", b"/v1/embeddings"),
        (b"/responsesX", b"", b"/responsesX"),
        (b"/responses\n", b"", b"/responses\n"),
        (b"/chat", b"", b"/chat"),
        (b"/x/responses", b"", b"/x/responses"),
        (b"//responses", b"", b"//responses"),
        (b"/files", b"", b"/files"),
        (b"/", b"", b"/"),
        (b"", b"", b""),
    ],
)
def test_client_and_provider_may_both_have_a_version_or_not(path: bytes, base: bytes, expected: bytes) -> None:
    assert OPENAI.upstream_path(path, base) == expected


@pytest.mark.parametrize(
    ("fields", "session"),
    [
        ([(b"session-id", b"s"), (b"thread-id", b"t")], b"s"),
        ([(b"Thread-Id", b"t"), (b"SESSION-ID", b"s")], b"s"),
        ([(b"thread-id", b"t")], b"t"),
        ([(b"session-id", b""), (b"thread-id", b"t")], b"t"),
        ([(b"session-id", b"s" * 256)], b"s" * 256),
        ([(b"session-id", b"s" * 257)], None),
        ([(b"x-client-request-id", b"r")], None),
        ([], None),
    ],
)
def test_the_session_is_the_one_that_codex_names(fields: list[tuple[bytes, bytes]], session: bytes | None) -> None:
    assert OPENAI.session({name.lower(): value for name, value in fields}) == session


@pytest.mark.parametrize(
    ("body", "previous"),
    [
        (b'{"model":"m","previous_response_id":"resp_68c0ffee","input":[]}', b"resp_68c0ffee"),
        (b'{"previous_response_id" :\n "resp_a-B_9"}', b"resp_a-B_9"),
        (b'{"previous_response_id":null}', None),
        (b'{"previous_response_id":"resp_"}', None),
        (b'{"previous_response_id":"resp_' + b"a" * 129 + b'"}', None),
        (b'{"input":"\\"previous_response_id\\":\\"resp_a\\""}', None),
        (b'{"id":"resp_a"}', None),
        (b"\x28\xb5\x2f\xfd", None),
        (b"", None),
    ],
)
def test_the_answer_that_a_request_builds_on_is_found_by_a_search(body: bytes, previous: bytes | None) -> None:
    assert OPENAI.previous_answer(body) == previous


@pytest.mark.parametrize(
    ("beginning", "made"),
    [
        (CREATED + IN_PROGRESS, b"resp_68c0ffee"),
        (b'{\n  "id": "resp_a",\n  "object": "response"', b"resp_a"),
        (b'{"id":"chatcmpl-1"}', None),
        (b'{"previous_response_id":"resp_a"}', None),
        (b" " * 65536 + b'{"id":"resp_a"}', None),
        (b"", None),
    ],
)
def test_an_answer_is_named_at_its_beginning(beginning: bytes, made: bytes | None) -> None:
    assert OPENAI.made_answer(beginning) == made


@pytest.mark.parametrize(
    ("path", "counts"),
    [(b"/v1/responses/input_tokens", True), (b"/responses/input_tokens", True), (b"/v1/responses", False)],
)
def test_counting_tokens_is_seen_from_the_path(path: bytes, counts: bool) -> None:
    assert OPENAI.counts_tokens(path) is counts
