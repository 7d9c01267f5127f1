"""The answers of `clipal demo`'s upstreams: a failure and a success, in the format of each client's API.

Pure: JSON in, bytes out. The sequences of events are those of the vendors' references (Anthropic "Streaming Messages",
OpenAI "Streaming events" of the Responses API, Google "streamGenerateContent"), and what the real clients need.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias

from attrs import evolve, field, frozen

from clipal.dialects.anthropic import ANTHROPIC
from clipal.dialects.dialect import Dialect, compact_json
from clipal.dialects.gemini import GEMINI
from clipal.dialects.openai import OPENAI

Document: TypeAlias = dict[str, Any]

ANSWER: Final = (
    "I am the second of two upstreams. ",
    "The first one was asked ",
    "before me and failed, ",
    "so clipal sent me ",
    "the same request. ",
    "My words come ",
    "through it a few ",
    "at a time, as soon as ",
    "I say them; the client ",
    "never notices.",
)
"""The text in the pieces in which it is streamed."""


@frozen
class Said:
    """The values of one answer.

    Attributes:
        model: the model that the request names.
        now: seconds since the epoch.
        pieces: the text.
    """

    model: str
    now: int
    pieces: Sequence[str] = ANSWER

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.pieces)


@frozen
class Api:
    """The part of one API that the demo speaks.

    Attributes:
        path: matches the paths of requests for an answer; it has a group `model` where the path names the model.
        status: the status of the first upstream's failure.
        failure: the body of that failure.
        events: makes the answer as server-sent events, one at a time.
        whole: makes the answer to a request that does not ask for a stream.
        wants_json: matches in the bodies of requests for JSON of a given schema; None where the client sends none.
        json: the text of the answer to these.
    """

    dialect: Dialect
    path: re.Pattern[bytes]
    status: int
    failure: Document
    events: Callable[[Said], Iterator[bytes]] = field(repr=False)
    whole: Callable[[Said], Document] = field(repr=False)
    wants_json: re.Pattern[bytes] | None = None
    json: str = ""


def _event(document: Document) -> bytes:
    """An event of Anthropic or OpenAI, whose name is its type too."""
    return b"event: %b\ndata: %b\n\n" % (document["type"].encode(), compact_json(document))


# Anthropic


def _message(said: Said) -> Document:
    usage = {"input_tokens": 21, "output_tokens": len(said.pieces)}
    content = [{"type": "text", "text": said.text}]
    message = {"id": "msg_demo", "type": "message", "role": "assistant", "model": said.model}
    return {**message, "content": content, "stop_reason": "end_turn", "stop_sequence": None, "usage": usage}


def _message_events(said: Said) -> Iterator[bytes]:
    usage = {"input_tokens": 21, "output_tokens": 1}
    message = {**_message(said), "content": [], "stop_reason": None, "usage": usage}
    yield _event({"type": "message_start", "message": message})
    yield _event({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    yield _event({"type": "ping"})
    for piece in said.pieces:
        delta = {"type": "text_delta", "text": piece}
        yield _event({"type": "content_block_delta", "index": 0, "delta": delta})
    yield _event({"type": "content_block_stop", "index": 0})
    reason = {"stop_reason": "end_turn", "stop_sequence": None}
    yield _event({"type": "message_delta", "delta": reason, "usage": {"output_tokens": len(said.pieces)}})
    yield _event({"type": "message_stop"})


# OpenAI Responses


def _part(text: str) -> Document:
    return {"type": "output_text", "text": text, "annotations": []}


def _item(status: str, content: list[Document]) -> Document:
    return {"id": "msg_demo", "type": "message", "status": status, "role": "assistant", "content": content}


def _response(said: Said) -> Document:
    count = len(said.pieces)
    usage = {
        "input_tokens": 21,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": count,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 21 + count,
    }
    response = {"id": "resp_demo", "object": "response", "created_at": said.now, "status": "completed"}
    answered = {"model": said.model, "output": [_item("completed", [_part(said.text)])], "usage": usage}
    return {**response, "error": None, "incomplete_details": None, **answered}


def _response_events(said: Said) -> Iterator[bytes]:
    for number, document in enumerate(_response_documents(said)):
        yield _event({**document, "sequence_number": number})


def _response_documents(said: Said) -> Iterator[Document]:
    begun = {**_response(said), "status": "in_progress", "output": [], "usage": None}
    of_item: Document = {"output_index": 0}
    of_part = {**of_item, "item_id": "msg_demo", "content_index": 0}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    yield {"type": "response.output_item.added", **of_item, "item": _item("in_progress", [])}
    yield {"type": "response.content_part.added", **of_part, "part": _part("")}
    for piece in said.pieces:
        yield {"type": "response.output_text.delta", **of_part, "delta": piece}
    yield {"type": "response.output_text.done", **of_part, "text": said.text}
    yield {"type": "response.content_part.done", **of_part, "part": _part(said.text)}
    yield {"type": "response.output_item.done", **of_item, "item": _item("completed", [_part(said.text)])}
    yield {"type": "response.completed", "response": _response(said)}


# Gemini


def _content(said: Said) -> Document:
    candidate = {"content": {"parts": [{"text": said.text}], "role": "model"}, "finishReason": "STOP", "index": 0}
    count = len(said.pieces)
    usage = {"promptTokenCount": 21, "candidatesTokenCount": count, "totalTokenCount": 21 + count}
    named = {"modelVersion": said.model, "responseId": "demo"}
    return {"candidates": [candidate], "usageMetadata": usage, **named}


def _content_events(said: Said) -> Iterator[bytes]:
    last = len(said.pieces) - 1
    for number, piece in enumerate(said.pieces):
        chunk = _content(evolve(said, pieces=[piece]))
        if number != last:
            del chunk["candidates"][0]["finishReason"]
        yield b"data: %b\r\n\r\n" % compact_json(chunk)


APIS: Final = (
    Api(
        ANTHROPIC,
        re.compile(rb"/v1/messages"),
        529,
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_demo"},
        _message_events,
        _message,
    ),
    Api(
        OPENAI,
        re.compile(rb"/v1/responses"),
        401,
        {
            "error": {
                "message": "Incorrect API key provided.",
                "type": "invalid_request_error",
                "param": None,
                "code": "invalid_api_key",
            }
        },
        _response_events,
        _response,
    ),
    Api(
        GEMINI,
        re.compile(rb"/v1(?:beta)?/models/(?P<model>[^/:]+):(?:streamG|g)enerateContent"),
        503,
        {
            "error": {
                "code": 503,
                "message": "The model is overloaded. Please try again later.",
                "status": "UNAVAILABLE",
            }
        },
        _content_events,
        _content,
        # With such a request Gemini CLI 0.61.0 asks which model to use. It repeats it for minutes if it gets no JSON.
        re.compile(rb'"responseMimeType"\s*:\s*"application/json"'),
        '{"complexity_reasoning": "The demo has one answer.", "complexity_score": 1}',
    ),
)
