"""When an answer is committed: real streams of the four formats, however they are cut, and the gate's bounds."""

from __future__ import annotations

import json

import pytest

from clipal.dialects.anthropic import ANTHROPIC
from clipal.dialects.dialect import Dialect
from clipal.dialects.gemini import GEMINI
from clipal.dialects.openai import OPENAI
from clipal.failover.gate import EMPTY, HOLD, OPEN, Decision, FirstByte, FirstEvent, Verdict, is_event_stream
from clipal.wire.message import ResponseHead

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


def first_event(path: bytes) -> FirstEvent:
    return FirstEvent(CLIENTS[path], path)


def judged(path: bytes, *pieces: bytes) -> Decision:
    """What the gate decides, at the first piece that decides or else at the end."""
    gate = first_event(path)
    for piece in pieces:
        decision = gate.feed(piece)
        if decision != HOLD:
            return decision
    return gate.end()


@pytest.mark.parametrize(
    ("path", "before", "deciding", "verdict", "status"),
    [
        (MESSAGES, START + named("ping") + BLOCK, TEXT, Verdict.OPEN, 0),
        (MESSAGES, START, named("message_delta", delta={"stop_reason": "end_turn"}), Verdict.OPEN, 0),
        (MESSAGES, START + named("ping"), OVERLOADED, Verdict.ERROR, 529),
        (MESSAGES, b"", named("error", error={"type": "rate_limit_error", "message": "m"}), Verdict.ERROR, 429),
        (MESSAGES, START, named("message_stop"), Verdict.EMPTY, 0),
        (MESSAGES, b": comment\n\n", named("something_new"), Verdict.OPEN, 0),
        (RESPONSES, CREATED + IN_PROGRESS, OUTPUT, Verdict.OPEN, 0),
        (RESPONSES, CREATED + IN_PROGRESS, FAILED, Verdict.ERROR, 429),
        (RESPONSES, CREATED, named("error", code="server_is_overloaded", message="m"), Verdict.ERROR, 503),
        (RESPONSES, CREATED, DONE, Verdict.EMPTY, 0),
        (RESPONSES, CREATED, named("response.something_new"), Verdict.OPEN, 0),
        (CHAT, ROLE, chunk(content="Hello"), Verdict.OPEN, 0),
        (CHAT, b": OPENROUTER PROCESSING\n\n" + ROLE, data({"error": {"code": 502}}), Verdict.ERROR, 502),
        (CHAT, ROLE, DONE, Verdict.EMPTY, 0),
        (CHAT, ROLE, b"data: no JSON\n\n", Verdict.OPEN, 0),
        (STREAM, USAGE, CANDIDATE, Verdict.OPEN, 0),
        (STREAM, USAGE, EXHAUSTED, Verdict.ERROR, 429),
        (STREAM, USAGE, data({"promptFeedback": {"blockReason": "SAFETY"}}), Verdict.OPEN, 0),
        (STREAM, USAGE, data(["something new"]), Verdict.OPEN, 0),
    ],
)
def test_a_stream_is_held_until_the_event_that_decides_wherever_it_is_cut(
    path: bytes, before: bytes, deciding: bytes, verdict: Verdict, status: int
) -> None:
    stream = before + deciding
    whole = judged(path, stream + b"data: never looked at\n\n")
    assert (whole.verdict, whole.status) == (verdict, status)
    assert judged(path, *(stream[at : at + 1] for at in range(len(stream)))) == whole
    for cut in range(len(stream)):
        assert judged(path, stream[:cut], stream[cut:]) == whole
    assert first_event(path).feed(before) == HOLD


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
    assert json.loads(judged(path, before, error).body) == {"error": said}


@pytest.mark.parametrize("path", CLIENTS)
@pytest.mark.parametrize("stream", [b"", b": keepalive\n\n", b"retry: 3000\n\n", b"event: ping\ndata: cut off"])
def test_a_stream_that_ends_before_it_said_anything_is_empty(path: bytes, stream: bytes) -> None:
    gate = first_event(path)
    assert gate.feed(stream) == HOLD
    assert gate.end() == EMPTY


@pytest.mark.parametrize("preamble", [START, b": a comment\n\n" + named("ping")])
def test_the_64th_event_opens_the_gate(preamble: bytes) -> None:
    gate = first_event(MESSAGES)
    assert [gate.feed(preamble) for _ in range(64)] == [HOLD] * 63 + [OPEN]
    assert judged(MESSAGES, preamble * 63, OVERLOADED).verdict is Verdict.ERROR
    assert judged(MESSAGES, preamble * 64 + OVERLOADED) == OPEN


@pytest.mark.parametrize("piece", [1024, 1000, 65536, 256 * 1024])
@pytest.mark.parametrize("filler", [b":", b"data: ", b"\n"])
def test_256_KiB_open_the_gate(piece: int, filler: bytes) -> None:
    """Whether they are comments, one endless line or nothing but line ends."""
    pieces = -(-256 * 1024 // piece)
    gate = first_event(MESSAGES)
    body = (filler * piece)[:piece]
    assert [gate.feed(body) for _ in range(pieces)] == [HOLD] * (pieces - 1) + [OPEN]


def test_a_byte_less_than_256_KiB_is_held() -> None:
    held = b":" + b"x" * (256 * 1024 - 3) + b"\n"
    assert first_event(MESSAGES).feed(held) == HOLD
    assert judged(MESSAGES, held, OVERLOADED).verdict is Verdict.ERROR
    assert judged(MESSAGES, b":" + held, OVERLOADED) == OPEN


def test_an_error_in_the_piece_that_fills_the_gate_still_counts() -> None:
    padded = b":" + b" " * 256 * 1024 + b"\n"
    assert judged(MESSAGES, padded + OVERLOADED).verdict is Verdict.ERROR


@pytest.mark.parametrize("path", CLIENTS)
@pytest.mark.parametrize("body", [b"data: \xff\xfe\n\n", b"data: " + b"[" * 30_000 + b"\n\n", b"data: {}\n\n"])
def test_what_is_not_understood_opens_the_gate(path: bytes, body: bytes) -> None:
    assert judged(path, body) == OPEN


def test_a_first_byte_opens_and_an_empty_answer_is_whole_only_where_it_may_be() -> None:
    assert FirstByte(empty_is_whole=False).feed(b"x") == OPEN
    assert FirstByte(empty_is_whole=False).end() == EMPTY
    assert FirstByte(empty_is_whole=True).feed(b"x") == OPEN
    assert FirstByte(empty_is_whole=True).end() == OPEN


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({b"content-type": b"text/event-stream"}, True),
        ({b"content-type": b"Text/Event-Stream ; charset=utf-8"}, True),
        ({b"content-type": b"text/event-stream", b"content-encoding": b"Identity"}, True),
        ({b"content-type": b"text/event-stream", b"content-encoding": b"gzip"}, False),
        ({b"content-type": b"text/event-stream", b"content-encoding": b"br"}, False),
        ({b"content-type": b"text/event-streams"}, False),
        ({b"content-type": b"application/json"}, False),
        ({b"content-type": b"application/json; a=text/event-stream"}, False),
        ({}, False),
    ],
)
def test_only_a_plain_event_stream_is_one(fields: dict[bytes, bytes], expected: bool) -> None:
    head = ResponseHead(
        version="1.1",
        fields=list(fields.items()),
        keys=list(fields),
        table=fields,
        keep_alive=True,
        chunked=True,
        status=200,
        reason=b"OK",
        until_close=False,
        has_body=True,
    )
    assert is_event_stream(head) is expected
