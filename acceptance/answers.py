"""What the scripted upstreams say: the vendors' answers, refusals and tool calls, as steps of `tests.wirekit`.

The words of an answer are those of `clipal demo`, which the real clients understand; the text is ours and names the
provider, so that it can be told whose answer a client has shown, and whether all of it.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any, Final

import brotli
import zstandard
from attrs import evolve, frozen

from clipal.demo.answers import Api, Document, Said
from clipal.demo.upstreams import model_in
from clipal.dialects.anthropic import ANTHROPIC
from clipal.dialects.dialect import compact_json
from clipal.dialects.gemini import GEMINI
from clipal.dialects.openai import OPENAI
from tests.wirekit.message import Fields
from tests.wirekit.steps import Pause, Reset, Steps, answer, chunked, event, event_stream
from tests.wirekit.upstream import RecordedRequest, Script

_PIECES: Final = (
    "This is ",
    "the answer ",
    "of the {} ",
    "provider, ",
    "which has ",
    "a beginning, ",
    "a middle ",
    "and an end.",
)

BEGINNING: Final = _PIECES[0].strip()
"""What every answer begins with, and is sent before a cut."""

BEFORE_CUT: Final = 0.5
"""Seconds between the last piece and the cut, so that the client has read the piece."""


def text_of(provider: str) -> str:
    """The whole answer of a provider."""
    return "".join(pieces_of(provider))


def pieces_of(provider: str) -> list[str]:
    """The same in pieces, as it is streamed."""
    return [piece.format(provider) for piece in _PIECES]


@frozen
class ToolCall:
    """A call of one of the client's tools.

    Attributes:
        name: of the tool.
        arguments: as the tool wants them.
    """

    name: str
    arguments: Mapping[str, Any]


def answering(api: Api, provider: str) -> Script:
    """Answers every request, as a stream where one is asked for."""

    def script(request: RecordedRequest) -> Steps:
        said = _said(api, provider, request)
        if _streams(api, request):
            return event_stream(*api.events(said))
        return _json(200, api.whole(said))

    return script


def refusing(api: Api, status: int, fields: Fields = ()) -> Script:
    """Refuses every request, as this API does."""
    return lambda request: _json(status, _ERRORS[api.dialect.prefix](status), fields)


def failing_as_event(api: Api, provider: str) -> Script:
    """Begins a stream with 200, and says in it that it is overloaded, before any content."""

    def script(request: RecordedRequest) -> Steps:
        preamble = _preamble(api, _said(api, provider, request))
        return event_stream(*preamble, _ERROR_EVENTS[api.dialect.prefix])

    return script


def failing_compressed(api: Api, provider: str) -> Script:
    """The same, compressed as the client allows; a client that allows nothing is refused."""

    def script(request: RecordedRequest) -> Steps:
        accepted = {name.strip() for value in request.values(b"accept-encoding") for name in value.lower().split(b",")}
        coding = next((each for each in _CODINGS if each in accepted), None)
        if coding is None:
            return answer(400, b"The client accepts no compressed answer.", ((b"Content-Type", b"text/plain"),))
        whole = b"".join((*_preamble(api, _said(api, provider, request)), _ERROR_EVENTS[api.dialect.prefix]))
        fields = ((b"Content-Type", b"text/event-stream"), (b"Content-Encoding", coding))
        return chunked(_CODINGS[coding](whole), fields=fields)

    return script


_CODINGS: Final[Mapping[bytes, Callable[[bytes], bytes]]] = {
    b"zstd": lambda data: zstandard.ZstdCompressor().compress(data),
    b"br": lambda data: brotli.compress(data),
    b"gzip": gzip.compress,
}
"""As providers choose among what a client accepts."""


def cutting(api: Api, provider: str, times: int) -> Script:
    """Breaks off the answers to the first `times` requests in their middle, with a reset; answers the others."""
    numbers = count()
    whole = answering(api, provider)

    def script(request: RecordedRequest) -> Steps:
        if next(numbers) >= times:
            return whole(request) if callable(whole) else whole
        said = _said(api, provider, request)
        if not _streams(api, request):
            body = compact_json(api.whole(said))
            fields = ((b"Content-Type", b"application/json"), (b"Content-Length", b"%d" % len(body)))
            return (*answer(200, body[: len(body) // 2], fields), Pause(BEFORE_CUT), Reset())
        events = list(api.events(said))
        return (*event_stream(*events[: len(events) // 2], last=False), Pause(BEFORE_CUT), Reset())

    return script


def calling_tool(api: Api, provider: str, call: ToolCall) -> Script:
    """Asks for a tool first, and answers what comes after that."""
    numbers = count()
    whole = answering(api, provider)

    def script(request: RecordedRequest) -> Steps:
        if next(numbers):
            return whole(request) if callable(whole) else whole
        return event_stream(*_TOOL_EVENTS[api.dialect.prefix](api, _said(api, provider, request), call))

    return script


CALL_ID: Final = "call_0123456789"
"""The identifier of a tool's call, which the client has to name with the result."""


def tool_result(api: Api, request: RecordedRequest) -> str:
    """The result of the tool call in a request, as JSON; empty where there is none."""
    return _TOOL_RESULTS[api.dialect.prefix](json.loads(request.body))


def _said(api: Api, provider: str, request: RecordedRequest) -> Said:
    path = api.path.fullmatch(request.target.partition(b"?")[0])
    named = path.groupdict().get("model") if path is not None else None
    return Said(named.decode() if named else model_in(request.body), int(time.time()), pieces_of(provider))


def _streams(api: Api, request: RecordedRequest) -> bool:
    path, _, query = request.target.partition(b"?")
    fields = {name.lower(): value for name, value in request.fields}
    return api.dialect.asks_for_stream(path, query, fields, request.body)


def _json(status: int, document: Document, fields: Fields = ()) -> Steps:
    return answer(status, compact_json(document), ((b"Content-Type", b"application/json"), *fields))


# Refusals, as in the vendors' documentation.


def _anthropic_error(status: int) -> Document:
    kinds = {401: "authentication_error", 429: "rate_limit_error", 503: "api_error", 529: "overloaded_error"}
    return {"type": "error", "error": {"type": kinds[status], "message": f"The vendor said {status}."}}


def _openai_error(status: int) -> Document:
    codes = {401: "invalid_api_key", 429: "rate_limit_exceeded", 503: "server_is_overloaded", 529: "overloaded_error"}
    return {
        "error": {"message": f"The vendor said {status}.", "type": codes[status], "param": None, "code": codes[status]}
    }


def _google_error(status: int) -> Document:
    words = {401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE", 529: "UNAVAILABLE"}
    return {"error": {"code": status, "message": f"The vendor said {status}.", "status": words[status]}}


_ERRORS: Final = {ANTHROPIC.prefix: _anthropic_error, OPENAI.prefix: _openai_error, GEMINI.prefix: _google_error}

_ERROR_EVENTS: Final = {
    ANTHROPIC.prefix: event(compact_json(_anthropic_error(529)), b"error"),
    OPENAI.prefix: event(
        compact_json(
            {
                "type": "response.failed",
                "sequence_number": 2,
                "response": {
                    "id": "resp_demo",
                    "object": "response",
                    "status": "failed",
                    "output": [],
                    "error": {"code": "server_is_overloaded", "message": "The vendor said overloaded."},
                },
            }
        ),
        b"response.failed",
    ),
    GEMINI.prefix: event(compact_json(_google_error(503))),
}


def _preamble(api: Api, said: Said) -> list[bytes]:
    """What a stream begins with before its content; nothing in Google's API."""
    events = list(api.events(said))
    return {ANTHROPIC.prefix: events[:1], OPENAI.prefix: events[:2], GEMINI.prefix: []}[api.dialect.prefix]


# Tool calls.


def _named(document: Document) -> bytes:
    return event(compact_json(document), document["type"].encode())


def _anthropic_call(api: Api, said: Said, call: ToolCall) -> Iterator[bytes]:
    yield next(iter(api.events(said)))
    block = {"type": "tool_use", "id": CALL_ID, "name": call.name, "input": {}}
    yield _named({"type": "content_block_start", "index": 0, "content_block": block})
    delta = {"type": "input_json_delta", "partial_json": json.dumps(call.arguments)}
    yield _named({"type": "content_block_delta", "index": 0, "delta": delta})
    yield _named({"type": "content_block_stop", "index": 0})
    reason = {"stop_reason": "tool_use", "stop_sequence": None}
    yield _named({"type": "message_delta", "delta": reason, "usage": {"output_tokens": 9}})
    yield _named({"type": "message_stop"})


def _openai_call(api: Api, said: Said, call: ToolCall) -> Iterator[bytes]:
    document = api.whole(said)
    item = {"id": "fc_demo", "type": "function_call", "call_id": CALL_ID, "name": call.name, "arguments": ""}
    arguments = json.dumps(call.arguments)
    done = {**item, "status": "completed", "arguments": arguments}
    of_item = {"output_index": 0, "item_id": "fc_demo"}
    documents: tuple[Document, ...] = (
        {"type": "response.created", "response": {**document, "status": "in_progress", "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "status": "in_progress"}},
        {"type": "response.function_call_arguments.delta", **of_item, "delta": arguments},
        {"type": "response.function_call_arguments.done", **of_item, "arguments": arguments},
        {"type": "response.output_item.done", "output_index": 0, "item": done},
        {"type": "response.completed", "response": {**document, "output": [done]}},
    )
    for number, each in enumerate(documents):
        yield _named({**each, "sequence_number": number})


def _google_call(api: Api, said: Said, call: ToolCall) -> Iterator[bytes]:
    chunk = api.whole(evolve(said, pieces=[""]))
    part = {"functionCall": {"id": CALL_ID, "name": call.name, "args": dict(call.arguments)}}
    chunk["candidates"][0]["content"]["parts"] = [part]
    yield event(compact_json(chunk))


_TOOL_EVENTS: Final = {
    ANTHROPIC.prefix: _anthropic_call,
    OPENAI.prefix: _openai_call,
    GEMINI.prefix: _google_call,
}


def _anthropic_result(body: Any) -> str:
    blocks = [block for message in body["messages"] for block in message["content"] if isinstance(block, dict)]
    results = [block for block in blocks if block["type"] == "tool_result" and block["tool_use_id"] == CALL_ID]
    return json.dumps(results) if results else ""


def _openai_result(body: Any) -> str:
    items = [item for item in body["input"] if item.get("type") == "function_call_output"]
    results = [item for item in items if item["call_id"] == CALL_ID]
    return json.dumps(results) if results else ""


def _google_result(body: Any) -> str:
    parts = [part for content in body["contents"] for part in content["parts"]]
    results = [part["functionResponse"] for part in parts if "functionResponse" in part]
    return json.dumps(results) if results else ""


_TOOL_RESULTS: Final = {
    ANTHROPIC.prefix: _anthropic_result,
    OPENAI.prefix: _openai_result,
    GEMINI.prefix: _google_result,
}
