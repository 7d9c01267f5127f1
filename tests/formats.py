"""The four formats of a stream, for tests that send one through the proxy."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from attrs import frozen

from tests.wirekit.steps import event


@frozen
class Format:
    """One of the four stream formats.

    Attributes:
        preamble: events that say nothing yet.
        error: an event that says that the provider is overloaded.
        content: an event that says something.
        rest: what follows to the end.
    """

    path: bytes
    preamble: Sequence[bytes]
    error: bytes
    content: bytes
    rest: Sequence[bytes]


def typed(kind: str, **rest: object) -> bytes:
    """An event with a name, which its data repeats."""
    return event(json.dumps({"type": kind, **rest}).encode(), kind.encode())


def data(**document: object) -> bytes:
    return event(json.dumps(document).encode())


FORMATS = {
    "Anthropic Messages": Format(
        b"/claudecode/v1/messages?beta=true",
        [typed("message_start", message={"id": "msg_1", "content": []}), typed("ping")],
        typed("error", error={"type": "overloaded_error", "message": "Overloaded"}),
        typed("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hello"}),
        [typed("message_delta", delta={"stop_reason": "end_turn"}), typed("message_stop")],
    ),
    "OpenAI Responses": Format(
        b"/codex/v1/responses",
        [
            typed("response.created", response={"id": "resp_1"}),
            typed("response.in_progress", response={"id": "resp_1"}),
        ],
        typed("response.failed", response={"error": {"code": "server_is_overloaded", "message": "busy"}}),
        typed("response.output_text.delta", delta="Hello"),
        [typed("response.completed", response={"id": "resp_1"})],
    ),
    "OpenAI Chat Completions": Format(
        b"/codex/v1/chat/completions",
        [
            data(id="c", choices=[{"delta": {"role": "assistant", "content": ""}}]),
            data(id="c", choices=[{"delta": {}}]),
        ],
        data(error={"type": "server_error", "code": 503, "message": "busy"}),
        data(id="c", choices=[{"delta": {"content": "Hello"}}]),
        [data(id="c", choices=[{"delta": {}, "finish_reason": "stop"}]), event(b"[DONE]")],
    ),
    "Gemini": Format(
        b"/gemini/v1beta/models/m:streamGenerateContent?alt=sse",
        [data(usageMetadata={"promptTokenCount": 1}), data(usageMetadata={"promptTokenCount": 2})],
        data(error={"code": 503, "status": "UNAVAILABLE", "message": "overloaded"}),
        data(candidates=[{"content": {"parts": [{"text": "Hello"}]}}]),
        [data(candidates=[{"finishReason": "STOP"}])],
    ),
}
EACH = pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS.keys())
BODY = b'{"stream": true}'


def clients(path: bytes) -> str:
    return path.split(b"/")[1].decode()


def whole(form: Format) -> bytes:
    return b"".join((*form.preamble, form.content, *form.rest))
