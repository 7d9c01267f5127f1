"""The bytes of requests and answers: those of Claude Code, and those of a provider.

Both sides of the benchmark know these bytes, so that neither has to parse them. A request names the answer that it
wants in a header field, which proxies pass on. An event is 100 bytes long and carries the moment at which it was
written, on the monotonic clock that all processes of a machine share.
"""

from __future__ import annotations

import json
import re
import time
from typing import Final

JSON: Final = b"json"
FAST: Final = b"fast"
BRIEF: Final = b"brief"
PACED: Final = b"paced-"

MEGABYTE: Final = 1_000_000
EVENT_LENGTH: Final = 100
ANSWER_LENGTH: Final = 1024

WANTED: Final = re.compile(rb"\r\nx-benchmark: ([a-z0-9-]+)\r\n", re.IGNORECASE)
LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
STAMP: Final = re.compile(rb'"text":"(\d{15})"')

_BETAS: Final = (
    "claude-code-20250219,oauth-2025-04-20,interleaved-thinking-2025-05-14,fine-grained-tool-streaming-2025-05-14,"
    "context-management-2025-06-27,prompt-caching-scope-2026-01-05,effort-2025-11-24,adaptive-thinking-2026-01-28,"
    "structured-outputs-2025-12-15,token-efficient-tools-2026-03-28"
)
_FIELDS: Final = {
    "Accept": "application/json",
    "Content-Type": "application/json",
    "User-Agent": "claude-cli/2.1.330 (external, cli)",
    "X-Claude-Code-Session-Id": "8d0d1c3e-52d5-4f0e-9c59-2f5f3a3c8a11",
    "X-Stainless-Arch": "x64",
    "X-Stainless-Lang": "js",
    "X-Stainless-OS": "Linux",
    "X-Stainless-Package-Version": "0.128.0",
    "X-Stainless-Retry-Count": "0",
    "X-Stainless-Runtime": "node",
    "X-Stainless-Runtime-Version": "v24.3.0",
    "X-Stainless-Timeout": "600",
    "anthropic-beta": _BETAS,
    "anthropic-dangerous-direct-browser-access": "true",
    "anthropic-version": "2023-06-01",
    "Authorization": "Bearer any-value",
    "x-app": "cli",
    "Connection": "keep-alive",
    "Accept-Encoding": "gzip, deflate, br, zstd",
}


def request(wanted: bytes, body_length: int, port: int, *, stream: bool) -> bytes:
    """One request of Claude Code, whole.

    Parameters:
        wanted: the answer: JSON, FAST, BRIEF, or PACED with a number of events a second.
        body_length: in bytes, at least a few hundred.
        port: of the proxy, for Host.
    """
    message = {"role": "user", "content": ""}
    content = {"model": "claude-opus-4-6", "max_tokens": 32000, "stream": stream, "messages": [message]}
    message["content"] = "x" * (body_length - len(json.dumps(content)))
    fields = {
        "Host": f"127.0.0.1:{port}",
        **_FIELDS,
        "x-benchmark": wanted.decode("ascii"),
        "Content-Length": str(body_length),
    }
    lines = ["POST /claudecode/v1/messages?beta=true HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", json.dumps(content)]).encode("ascii")


def answer(status: str, content: dict[str, object], length: int = 0) -> bytes:
    """An answer with a JSON body, of at least `length` bytes."""
    body = json.dumps(content).encode("ascii").ljust(length)
    fields = f"Content-Type: application/json\r\nrequest-id: req_1\r\nContent-Length: {len(body)}"
    return f"HTTP/1.1 {status}\r\n{fields}\r\n\r\n".encode("ascii") + body


def chunk(data: bytes) -> bytes:
    """`data` in chunked coding (RFC 9112, 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def microseconds() -> int:
    """Now, on the clock of the stamps."""
    return time.monotonic_ns() // 1000


def event(stamp: int) -> bytes:
    """A chunk with one event of `EVENT_LENGTH` bytes, written at `stamp`."""
    return _EVENT % stamp


_DELTA: Final = b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"%015d"}}\n\n'
_EVENT: Final = chunk(_DELTA % 0).replace(b"%015d" % 0, b"%015d")
_START: Final = (
    b'event: message_start\ndata: {"type":"message_start","message":{"type":"message","role":"assistant"}}\n\n'
)
_STOP: Final = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'

STREAM_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
    b"request-id: req_1\r\nTransfer-Encoding: chunked\r\n\r\n"
) + chunk(_START)
BRIEF_STREAM: Final = STREAM_HEAD + event(0) * 3 + chunk(_STOP) + b"0\r\n\r\n"
BLOCK: Final = event(0) * 160
"""What a fast stream writes at once: 16 kB of events, each a chunk of its own, as providers send them."""

JSON_ANSWER: Final = answer("200 OK", {"type": "message", "content": []}, ANSWER_LENGTH)
ERRORS: Final = {
    b"/503/": answer("503 Service Unavailable", {"type": "error", "error": {"type": "api_error", "message": "busy"}}),
    b"/401/": answer("401 Unauthorized", {"type": "error", "error": {"type": "authentication_error", "message": "no"}}),
}
"""The answers of a provider that fails, by how the path begins."""
