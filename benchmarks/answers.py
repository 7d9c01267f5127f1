"""The bytes of a provider's answers: Anthropic's JSON and Anthropic's events, each event a chunk of its own."""

from __future__ import annotations

import json
from typing import Final

from benchmarks import traffic


def answer(status: str, content: dict[str, object], length: int = 0) -> bytes:
    """An answer with a JSON body, of at least `length` bytes."""
    body = json.dumps(content).encode("ascii").ljust(length)
    fields = f"Content-Type: application/json\r\nrequest-id: req_1\r\nContent-Length: {len(body)}"
    return f"HTTP/1.1 {status}\r\n{fields}\r\n\r\n".encode("ascii") + body


def chunk(data: bytes) -> bytes:
    """`data` in chunked coding (RFC 9112, 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(stamp: int) -> bytes:
    """A chunk with one event of `EVENT_LENGTH` bytes, written at `stamp`."""
    return _EVENT % stamp


def turn_event(stamp: int) -> bytes:
    """A chunk with one event of `TURN_EVENT_LENGTH` bytes, written at `stamp`."""
    return _TURN_EVENT % stamp


def block(_stamp: int = 0) -> bytes:
    """16 kB of events, each a chunk of its own; they carry no moment."""
    return BLOCK


def _sse(name: str, content: dict[str, object]) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **content}, separators=(',', ':'))}\n\n".encode("ascii")


def _template(data: bytes) -> bytes:
    """A chunk with `%015d` where `data` has a stamp of zeros."""
    return chunk(data).replace(b"%015d" % 0, b"%015d")


_DELTA: Final = b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"%015d"}}\n\n' % 0
_EVENT: Final = _template(_DELTA)
_TURN_DELTA: Final = _sse("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": "0" * 15}})
_PADDED: Final = _TURN_DELTA.replace(b'"}}', b" " * (traffic.TURN_EVENT_LENGTH - len(_TURN_DELTA)) + b'"}}')
_TURN_EVENT: Final = _template(_PADDED)
assert (len(_DELTA), len(_PADDED)) == (traffic.EVENT_LENGTH, traffic.TURN_EVENT_LENGTH)

_USAGE: Final[dict[str, object]] = {"input_tokens": 12, "cache_read_input_tokens": 15_000, "output_tokens": 1}
_MESSAGE: Final = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-4-6"}
_START: Final = chunk(_sse("message_start", {"message": {**_MESSAGE, "usage": _USAGE}}))

STREAM_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
    b"request-id: req_1\r\nTransfer-Encoding: chunked\r\n\r\n"
) + _START
STREAM_END: Final = (
    chunk(_sse("message_delta", {"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 150}}))
    + chunk(_sse("message_stop", {}))
    + traffic.LAST_CHUNK
)
BRIEF_STREAM: Final = STREAM_HEAD + event(0) * 3 + STREAM_END
BLOCK: Final = event(0) * traffic.BLOCK_EVENTS

_WHOLE: Final[dict[str, object]] = {**_MESSAGE, "content": [], "stop_reason": "end_turn", "usage": _USAGE}
"""A whole message. Its usage comes last, as Anthropic writes it."""
JSON_ANSWER: Final = answer("200 OK", _WHOLE, traffic.ANSWER_LENGTH)
ERRORS: Final = {
    b"/503/": answer("503 Service Unavailable", {"type": "error", "error": {"type": "api_error", "message": "busy"}}),
    b"/401/": answer("401 Unauthorized", {"type": "error", "error": {"type": "authentication_error", "message": "no"}}),
}
"""The answers of a provider that fails, by how the path begins."""
