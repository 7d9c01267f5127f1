"""Tool calls in each vendor's format, and their results in the client's next request."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import evolve, frozen

from clipal.demo.answers import Api, Document, Said
from clipal.dialects.anthropic import ANTHROPIC
from clipal.dialects.dialect import compact_json
from clipal.dialects.gemini import GEMINI
from clipal.dialects.openai import OPENAI
from tests.wirekit.steps import event
from tests.wirekit.upstream import RecordedRequest

CALL_ID: Final = "call_0123456789"
"""The identifier of a tool call, which the client has to send with the result."""


@frozen
class ToolCall:
    """A call of one of the client's tools.

    Attributes:
        name: of the tool.
        arguments: of the call.
    """

    name: str
    arguments: Mapping[str, Any]


def tool_result(api: Api, request: RecordedRequest) -> str:
    """The result of the tool call in a request, as JSON; empty where there is none."""
    return _TOOL_RESULTS[api.dialect.prefix](json.loads(request.body))


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


TOOL_EVENTS: Final = {
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
