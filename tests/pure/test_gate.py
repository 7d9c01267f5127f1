"""When an answer is committed: real streams of the four formats, however they are cut, and the gate's bounds."""

from __future__ import annotations

import json

import pytest

from clipal.dialects.anthropic import ANTHROPIC
from clipal.dialects.dialect import Dialect
from clipal.dialects.gemini import GEMINI
from clipal.dialects.openai import OPENAI
from clipal.failover.beginning import Beginning, MediaType, media_type
from clipal.failover.gate import EMPTY, HOLD, OPEN, PAGE, Decision, FirstByte, Verdict
from clipal.outcomes.error_body import ErrorBody
from clipal.wire.message import ResponseHead
from tests.codings import ENCODINGS, SPELLINGS, Encode

MESSAGES = b"/v1/messages"
RESPONSES = b"/v1/responses"
CHAT = b"/v1/chat/completions"
STREAM = b"/v1beta/models/gemini-2.5-pro:streamGenerateContent"
CLIENTS: dict[bytes, Dialect] = {MESSAGES: ANTHROPIC, RESPONSES: OPENAI, CHAT: OPENAI, STREAM: GEMINI}


def named(name: str, **more: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **more})}\n\n".encode()


def data(value: object) -> bytes:
    return f"data: {json.dumps(value)}\r\n\r\n".encode()


def chunk(finish: str | None = None, **delta: object) -> bytes:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return data({"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": choices})


START = named(
    "message_start", message={"id": "msg_1", "role": "assistant", "content": [], "usage": {"input_tokens": 25}}
)
BLOCK = named("content_block_start", index=0, content_block={"type": "text", "text": ""})
TEXT = named("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hello"})
OVERLOADED = named("error", error={"type": "overloaded_error", "message": "Overloaded"})
CREATED = named("response.created", response={"id": "resp_1", "status": "in_progress", "output": []})
IN_PROGRESS = named("response.in_progress", response={"id": "resp_1", "status": "in_progress"})
OUTPUT = named("response.output_text.delta", delta="Hello")
SLOW_DOWN = {"code": "rate_limit_exceeded", "message": "Rate limit reached"}
FAILED = named("response.failed", response={"id": "resp_1", "status": "failed", "error": SLOW_DOWN})
ROLE = chunk(role="assistant", content="")
DONE = b"data: [DONE]\n\n"
CANDIDATE = data({"candidates": [{"content": {"parts": [{"text": "Hello"}], "role": "model"}}]})
USAGE = data({"usageMetadata": {"promptTokenCount": 4}, "modelVersion": "gemini-2.5-pro"})
EXHAUSTED = data({"error": {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED"}})


def gate_of(path: bytes, kind: MediaType = MediaType.EVENTS, coding: bytes = b"", *, asked: bool = True) -> Beginning:
    return Beginning(CLIENTS[path], path, kind, coding, asked)


def judged(path: bytes, *pieces: bytes, kind: MediaType = MediaType.EVENTS, coding: bytes = b"") -> Decision:
    """What the gate decides, at the first piece that decides or else at the end."""
    gate = gate_of(path, kind, coding)
    for piece in pieces:
        decision = gate.feed(piece)
        if decision != HOLD:
            return decision
    return gate.end()


def meant(decision: Decision) -> Verdict | int:
    """The verdict, or the status that an error stands for."""
    return decision.status() if isinstance(decision, ErrorBody) else decision


STREAMS = pytest.mark.parametrize(
    ("path", "before", "deciding", "expected"),
    [
        (MESSAGES, START + named("ping") + BLOCK, TEXT, OPEN),
        (MESSAGES, START, named("message_delta", delta={"stop_reason": "end_turn"}), OPEN),
        (MESSAGES, START + named("ping"), OVERLOADED, 529),
        (MESSAGES, b"", named("error", error={"type": "rate_limit_error", "message": "m"}), 429),
        (MESSAGES, START, named("message_stop"), EMPTY),
        (MESSAGES, b": comment\n\n", named("something_new"), OPEN),
        (RESPONSES, CREATED + IN_PROGRESS, OUTPUT, OPEN),
        (RESPONSES, CREATED + IN_PROGRESS, FAILED, 429),
        (RESPONSES, CREATED, named("error", code="server_is_overloaded", message="m"), 503),
        (RESPONSES, CREATED, DONE, EMPTY),
        (RESPONSES, CREATED, named("response.something_new"), OPEN),
        (CHAT, ROLE, chunk(content="Hello"), OPEN),
        (CHAT, b": OPENROUTER PROCESSING\n\n" + ROLE, data({"error": {"code": 502}}), 502),
        (CHAT, ROLE, DONE, EMPTY),
        (CHAT, ROLE, b"data: no JSON\n\n", OPEN),
        (STREAM, USAGE, CANDIDATE, OPEN),
        (STREAM, USAGE, EXHAUSTED, 429),
        (STREAM, USAGE, data({"promptFeedback": {"blockReason": "SAFETY"}}), OPEN),
        (STREAM, USAGE, data(["something new"]), OPEN),
    ],
)


@STREAMS
def test_a_stream_is_held_until_the_event_that_decides_wherever_it_is_cut(
    path: bytes, before: bytes, deciding: bytes, expected: Verdict | int
) -> None:
    stream = before + deciding
    whole = judged(path, stream + b"data: never looked at\n\n")
    assert meant(whole) == expected
    assert judged(path, *(stream[at : at + 1] for at in range(len(stream)))) == whole
    for cut in range(len(stream)):
        assert judged(path, stream[:cut], stream[cut:]) == whole
    assert gate_of(path).feed(before) == HOLD


@STREAMS
@pytest.mark.parametrize("coding", ENCODINGS)
def test_an_encoded_stream_is_held_just_as_long_wherever_it_is_cut(
    path: bytes, before: bytes, deciding: bytes, expected: Verdict | int, coding: bytes
) -> None:
    """The event that decides does so in the piece that brings it, however much the decoder could keep for later."""
    encode = ENCODINGS[coding]
    first, second, _ = encode([before, deciding])
    gate = gate_of(path, coding=coding)
    assert gate.feed(first) == HOLD
    decision = gate.feed(second)
    assert meant(decision) == expected
    stream = first + second
    assert judged(path, *(stream[at : at + 1] for at in range(len(stream))), coding=coding) == decision
    for cut in range(len(stream)):
        assert judged(path, stream[:cut], stream[cut:], coding=coding) == decision


@pytest.mark.parametrize(("coding", "encode"), SPELLINGS)
def test_every_coding_is_looked_into(coding: bytes, encode: Encode) -> None:
    assert meant(judged(MESSAGES, *encode([START, OVERLOADED]), coding=coding)) == 529
    assert judged(MESSAGES, *encode([START, TEXT]), coding=coding) == OPEN
    assert judged(MESSAGES, *encode([START]), coding=coding) == EMPTY


@pytest.mark.parametrize("coding", [b"rot13", b"gzip, br", b"gzip, gzip", b"\xff"])
def test_an_unknown_or_stacked_coding_opens_at_once(coding: bytes) -> None:
    assert gate_of(MESSAGES, coding=coding).feed(b"?") == OPEN


@pytest.mark.parametrize("coding", ENCODINGS)
def test_a_broken_coding_opens_where_it_breaks(coding: bytes) -> None:
    gate = gate_of(MESSAGES, coding=coding)
    assert gate.feed(ENCODINGS[coding]([START])[0]) == HOLD
    assert gate.feed(b"\xff" * 64) == OPEN
    assert gate_of(MESSAGES, coding=coding).feed(START) == OPEN


@pytest.mark.parametrize("coding", ENCODINGS)
def test_a_bomb_opens_the_gate(coding: bytes) -> None:
    bomb = b"".join(ENCODINGS[coding]([b":" + b" " * 4 * 1024 * 1024]))
    assert len(bomb) < 8192
    assert gate_of(MESSAGES, coding=coding).feed(bomb) == OPEN


@pytest.mark.parametrize(
    ("path", "before", "error", "said"),
    [
        (MESSAGES, START, OVERLOADED, {"type": "overloaded_error", "message": "Overloaded"}),
        (RESPONSES, CREATED, FAILED, SLOW_DOWN),
        (STREAM, USAGE, EXHAUSTED, {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED"}),
    ],
)
def test_an_error_event_gives_the_body_of_an_answer_of_its_status(
    path: bytes, before: bytes, error: bytes, said: object
) -> None:
    found = judged(path, before, error)
    assert isinstance(found, ErrorBody)
    assert found.error == said


@pytest.mark.parametrize("path", CLIENTS)
@pytest.mark.parametrize("stream", [b"", b": keepalive\n\n", b"retry: 3000\n\n", b"event: ping\ndata: cut off"])
def test_a_stream_that_ends_before_its_content_is_empty(path: bytes, stream: bytes) -> None:
    gate = gate_of(path)
    assert gate.feed(stream) == HOLD
    assert gate.end() == EMPTY


@pytest.mark.parametrize("preamble", [START, b": a comment\n\n" + named("ping")])
def test_the_64th_event_opens_the_gate(preamble: bytes) -> None:
    gate = gate_of(MESSAGES)
    assert [gate.feed(preamble) for _ in range(64)] == [HOLD] * 63 + [OPEN]
    assert meant(judged(MESSAGES, preamble * 63, OVERLOADED)) == 529
    assert judged(MESSAGES, preamble * 64 + OVERLOADED) == OPEN


@pytest.mark.parametrize("piece", [1024, 1000, 65536, 256 * 1024])
@pytest.mark.parametrize("filler", [b":", b"data: ", b"\n"])
def test_256_KiB_open_the_gate(piece: int, filler: bytes) -> None:
    """Whether they are comments, one endless line or nothing but line ends."""
    pieces = -(-256 * 1024 // piece)
    gate = gate_of(MESSAGES)
    body = (filler * piece)[:piece]
    assert [gate.feed(body) for _ in range(pieces)] == [HOLD] * (pieces - 1) + [OPEN]


def test_a_byte_less_than_256_KiB_is_held() -> None:
    held = b":" + b"x" * (256 * 1024 - 3) + b"\n"
    assert gate_of(MESSAGES).feed(held) == HOLD
    assert meant(judged(MESSAGES, held, OVERLOADED)) == 529
    assert judged(MESSAGES, b":" + held, OVERLOADED) == OPEN


def test_an_error_in_the_piece_that_fills_the_gate_still_counts() -> None:
    padded = b":" + b" " * 256 * 1024 + b"\n"
    assert meant(judged(MESSAGES, padded + OVERLOADED)) == 529


@pytest.mark.parametrize("path", CLIENTS)
@pytest.mark.parametrize("body", [b"data: \xff\xfe\n\n", b"data: " + b"[" * 30_000 + b"\n\n", b"data: {}\n\n"])
def test_what_is_not_understood_opens_the_gate(path: bytes, body: bytes) -> None:
    assert judged(path, body) == OPEN


def test_a_first_byte_opens_and_an_empty_answer_is_whole_only_where_it_may_be() -> None:
    assert FirstByte(empty_is_whole=False).feed(b"x") == OPEN
    assert FirstByte(empty_is_whole=False).end() == EMPTY
    assert FirstByte(empty_is_whole=True).feed(b"x") == OPEN
    assert FirstByte(empty_is_whole=True).end() == OPEN


# Bodies that are not what they are said to be


@pytest.mark.parametrize("kind", [MediaType.ANYTHING, MediaType.JSON, MediaType.PAGE])
@STREAMS
def test_a_mislabelled_stream_is_known_by_its_first_bytes(
    path: bytes, before: bytes, deciding: bytes, expected: Verdict | int, kind: MediaType
) -> None:
    stream = b"\r\n" + before + deciding
    whole = judged(path, stream, kind=kind)
    assert meant(whole) == expected
    assert judged(path, *(stream[at : at + 1] for at in range(len(stream))), kind=kind) == whole


def test_what_looks_like_events_is_none_where_no_stream_was_asked_for() -> None:
    assert gate_of(CHAT, MediaType.ANYTHING, asked=False).feed(b"data: a text that was read aloud") == OPEN
    assert gate_of(CHAT, MediaType.ANYTHING, asked=False).feed(b": and so on") == OPEN
    assert meant(gate_of(CHAT, MediaType.EVENTS, asked=False).feed(data({"error": {"code": 502}}))) == 502


@pytest.mark.parametrize("body", [b"Hello", b"<answer/>", b"<htm>", b"-1", b"\x00\x01", b"\xef\xbb\xbfHello"])
@pytest.mark.parametrize("kind", [MediaType.EVENTS, MediaType.JSON, MediaType.ANYTHING])
def test_what_is_neither_events_nor_json_nor_a_page_opens_at_once(body: bytes, kind: MediaType) -> None:
    assert judged(MESSAGES, body[:1], body[1:], b"data: never looked at", kind=kind) == OPEN


@pytest.mark.parametrize("page", [b"<!DOCTYPE html><html>", b"\n <HTML lang=en>", b"\xef\xbb\xbf<html>"])
@pytest.mark.parametrize("kind", [MediaType.PAGE, MediaType.EVENTS, MediaType.JSON, MediaType.ANYTHING])
def test_a_page_is_known_by_its_first_bytes(page: bytes, kind: MediaType) -> None:
    assert judged(MESSAGES, *(page[at : at + 1] for at in range(len(page))), kind=kind) == PAGE


@pytest.mark.parametrize("body", [b"It works!", b"<p>Please log in", b"error"])
def test_whatever_is_said_to_be_html_is_a_page(body: bytes) -> None:
    assert judged(MESSAGES, body, kind=MediaType.PAGE) == PAGE
    assert gate_of(MESSAGES, MediaType.PAGE, b"rot13").feed(body) == PAGE
    (first, *_) = ENCODINGS[b"br"]([body])
    assert gate_of(MESSAGES, MediaType.PAGE, b"br").feed(first) == PAGE


ANSWERS = {
    MESSAGES: {"id": "msg_1", "type": "message", "usage": {"input_tokens": 1}, "content": [{"type": "text"}]},
    RESPONSES: {"id": "resp_1", "error": None, "billing": {"payer": "x"}, "tools": [], "output": [{"type": "message"}]},
    CHAT: {"id": "c", "object": "chat.completion", "choices": [{"message": {"content": "Hello"}}]},
    STREAM: {"candidates": [{"content": {"parts": [{"text": "Hello"}]}}], "usageMetadata": {}},
}


@pytest.mark.parametrize("path", ANSWERS)
@pytest.mark.parametrize("kind", [MediaType.JSON, MediaType.ANYTHING, MediaType.PAGE, MediaType.EVENTS])
def test_a_json_answer_opens_where_its_content_begins(path: bytes, kind: MediaType) -> None:
    """However slowly the rest comes."""
    body = json.dumps(ANSWERS[path]).encode()
    begins = max(body.find(b'"%b": [{' % key) for key in (b"content", b"output", b"choices", b"candidates"))
    gate = gate_of(path, kind)
    assert gate.feed(body[: begins + 8]) == HOLD
    assert gate.feed(body[begins + 8 :][:8]) == OPEN


def test_a_list_that_is_streamed_opens_at_its_first_candidate() -> None:
    """As Gemini streams without `alt=sse`."""
    gate = gate_of(STREAM, MediaType.JSON)
    assert gate.feed(b'[{\n  "usageMetadata": {"promptTokenCount": 4}\n}\n') == HOLD
    assert gate.feed(b',\r\n{\n  "candidates": [{"content"') == OPEN


def test_json_by_the_line_opens_at_its_second_line() -> None:
    gate = gate_of(CHAT, MediaType.JSON)
    assert gate.feed(b'{"message": {"role": "assistant"}}\n') == HOLD
    assert gate.feed(b'{"message": {') == OPEN


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": {"type": "overloaded_error", "message": "Overloaded"}}, 529),
        ({"type": "error", "error": {"type": "rate_limit_error", "message": "m"}, "request_id": "r"}, 429),
        ([{"error": {"code": 503, "message": "m", "status": "UNAVAILABLE"}}], 503),
        ({"id": "gen-1", "choices": [], "error": {"code": 502, "message": "m"}}, 502),
        ({"error": {"message": "m", "content": [{"type": "text"}], "code": 503}}, 503),
        ({"error": "The server had an error"}, 500),
    ],
)
@pytest.mark.parametrize("kind", [MediaType.JSON, MediaType.ANYTHING, MediaType.PAGE, MediaType.EVENTS])
@pytest.mark.parametrize("coding", [b"", *ENCODINGS])
def test_an_error_in_json_is_no_answer_wherever_it_is_cut(
    body: object, status: int, kind: MediaType, coding: bytes
) -> None:
    text = json.dumps(body).encode()
    encoded = b"".join(ENCODINGS[coding]([text])) if coding else text
    for cut in range(len(encoded)):
        decision = judged(CHAT, encoded[:cut], encoded[cut:], kind=kind, coding=coding)
        assert meant(decision) == status


@pytest.mark.parametrize(
    "body",
    [
        {"input_tokens": 5},
        {"error": None, "status": "queued"},
        {"error": {}, "id": "1"},
        {"totalTokens": 31},
        {"id": "1", "arguments": {"error": {"code": 500}}},
        {},
        [],
        [{"error": None}],
    ],
)
@pytest.mark.parametrize("path", CLIENTS)
def test_json_without_an_error_at_its_top_is_an_answer(path: bytes, body: object) -> None:
    assert judged(path, json.dumps(body).encode(), kind=MediaType.JSON) == OPEN


@pytest.mark.parametrize("text", [b'{"error": {"code": 500}', b'{"error": \xff}', b'{"error":' + b"[" * 30_000])
def test_json_that_cannot_be_read_is_relayed(text: bytes) -> None:
    assert judged(CHAT, text, kind=MediaType.JSON) == OPEN


@pytest.mark.parametrize(
    "body", [{"usageMetadata": {"promptTokenCount": 4}}, [{"usageMetadata": {}, "candidates": []}]]
)
def test_a_gemini_answer_of_usage_alone_is_empty(body: object) -> None:
    text = json.dumps(body).encode()
    assert judged(STREAM, text, kind=MediaType.JSON) == EMPTY
    assert judged(CHAT, text, kind=MediaType.JSON) == OPEN


@pytest.mark.parametrize("coding", [b"", *ENCODINGS])
def test_json_that_is_too_large_to_judge_is_relayed(coding: bytes) -> None:
    text = json.dumps({"error": {"message": "x" * 256 * 1024, "code": 500}}).encode()
    pieces = [text[at : at + 10_000] for at in range(0, len(text), 10_000)]
    encoded = ENCODINGS[coding](pieces) if coding else pieces
    gate = gate_of(CHAT, MediaType.JSON, coding)
    decisions = [gate.feed(piece) for piece in encoded[:27]]
    assert decisions == [HOLD] * 26 + [OPEN]


@pytest.mark.parametrize("kind", [MediaType.EVENTS, MediaType.JSON, MediaType.PAGE])
def test_blanks_are_no_answer_but_in_plain_text(kind: MediaType) -> None:
    assert judged(CHAT, b"\n", b"\n", kind=kind) == EMPTY
    assert judged(CHAT, b"\n", kind=MediaType.ANYTHING) == OPEN
    assert judged(CHAT, kind=MediaType.ANYTHING) == EMPTY


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"text/event-stream", MediaType.EVENTS),
        (b"Text/Event-Stream ; charset=utf-8", MediaType.EVENTS),
        (b"text/event-streams", MediaType.OTHER),
        (b"application/json", MediaType.JSON),
        (b"application/json; a=text/event-stream", MediaType.JSON),
        (b"application/problem+json", MediaType.JSON),
        (b"application/x-ndjson", MediaType.OTHER),
        (b"text/html;charset=utf-8", MediaType.PAGE),
        (b"text/plain", MediaType.ANYTHING),
        (b"", MediaType.ANYTHING),
        (b"audio/mpeg", MediaType.OTHER),
    ],
)
def test_a_media_type_says_how_a_body_is_judged(name: bytes, expected: MediaType) -> None:
    fields = [(b"content-type", name)] if name else []
    head = ResponseHead("1.1", fields, [b"content-type"], dict(fields), True, True, 200, b"OK", False, True)
    assert media_type(head) is expected
