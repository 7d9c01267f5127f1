"""The bytes of requests: those of Claude Code, with its path, its header fields and a body like its own.

An agent's session grows with each turn, so each request of a connection has another length than the one before. Claude
Code's other fields repeat; Codex sends fields that are new in each request, and `Heads.CHANGING` does as well.
"""

from __future__ import annotations

import itertools
import json
from enum import Enum
from functools import cache
from typing import Final

from attrs import define, field

PIECE: Final = 15_000
"""Bytes of a body that are sent at once, where a request is sent in pieces."""
PAUSE: Final = 0.001
"""Seconds between two pieces."""
_LENGTHS: Final = 4
"""How many bodies of different lengths a connection sends in turn."""
_GROWTH: Final = 64
"""Bytes by which one is longer than the one before."""


class Heads(Enum):
    """Whether the heads of a connection's requests repeat, apart from the length of the body."""

    REPEATING = "repeating"
    CHANGING = "changing"


_sessions: Final = itertools.count(1)
_BETAS: Final = (
    "claude-code-20250219,oauth-2025-04-20,interleaved-thinking-2025-05-14,fine-grained-tool-streaming-2025-05-14,"
    "context-management-2025-06-27,prompt-caching-scope-2026-01-05,effort-2025-11-24,adaptive-thinking-2026-01-28,"
    "structured-outputs-2025-12-15,token-efficient-tools-2026-03-28"
)
_FIELDS: Final = {
    "Accept": "application/json",
    "Content-Type": "application/json",
    "User-Agent": "claude-cli/2.1.330 (external, cli)",
    "X-Claude-Code-Session-Id": "SESSION",
    "X-Stainless-Arch": "x64",
    "X-Stainless-Helper-Method": "stream",
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
    "accept-language": "*",
    "sec-fetch-mode": "cors",
    "Connection": "keep-alive",
    "Accept-Encoding": "gzip, deflate, br, zstd",
}
_METADATA: Final = json.dumps(
    {
        "turn_id": "TURN",
        "session_id": "0199c6d2-7c0f-7e31-9d0c-2f1d0a4c5b6e",
        "sandbox": "seccomp",
        "thread_source": "user",
        "workspaces": {f"/home/user/project-{number}": {"commit": f"{number:040x}"} for number in range(6)},
    }
)
_CHANGING_FIELDS: Final = {"x-client-request-id": "TURN", "x-codex-turn-metadata": _METADATA}


@define
class Requests:
    """The requests of one connection, one after the other: those of one session.

    Attributes:
        body_length: of the shortest, in bytes; at least a few hundred.
        port: of the proxy, for Host.
        in_pieces: whether a body goes out in pieces, with a pause between two.
    """

    body_length: int
    port: int
    stream: bool
    heads: Heads = Heads.REPEATING
    in_pieces: bool = False
    _session: str = field(init=False)
    _head: str = field(init=False)
    _bodies: list[list[bytes]] = field(init=False)
    _sent: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        fields = {"Host": f"127.0.0.1:{self.port}", **_FIELDS}
        if self.heads is Heads.CHANGING:
            fields.update(_CHANGING_FIELDS)
        fields.update({"x-benchmark": "WANTED", "Content-Length": "LENGTH"})
        lines = (f"{name}: {value}" for name, value in fields.items())
        head = "\r\n".join(["POST /claudecode/v1/messages?beta=true HTTP/1.1", *lines, "", ""])
        self._session = f"8d0d1c3e-52d5-4f0e-9c59-{next(_sessions):012x}"
        self._head = head.replace("SESSION", self._session)
        self._bodies = _bodies(self.body_length, self.stream, self.in_pieces)

    def next(self, wanted: bytes) -> list[bytes]:
        """The pieces of the next request, which asks for the answer `wanted`."""
        first, *others = self._bodies[self._sent % _LENGTHS]
        self._sent += 1
        head = self._head.replace("WANTED", wanted.decode("ascii"))
        head = head.replace("LENGTH", str(len(first) + sum(map(len, others))))
        if self.heads is Heads.CHANGING:
            head = head.replace("TURN", f"{self._session}-{self._sent}")
        return [head.encode("ascii") + first, *others]


@cache
def _bodies(length: int, stream: bool, in_pieces: bool) -> list[list[bytes]]:
    """The bodies that a connection sends in turn, each in pieces; all connections of a kind share them."""
    size = PIECE if in_pieces else length + _GROWTH * _LENGTHS
    return [_cut(_body(length + _GROWTH * number, stream), size) for number in range(_LENGTHS)]


def _body(length: int, stream: bool) -> bytes:
    message = {"role": "user", "content": ""}
    content = {"model": "claude-opus-4-6", "max_tokens": 32000, "stream": stream, "messages": [message]}
    message["content"] = "x" * (length - len(json.dumps(content)))
    return json.dumps(content).encode("ascii")


def _cut(body: bytes, size: int) -> list[bytes]:
    """`body` in pieces of `size`; the first is no longer than `PIECE`, because it is copied behind a head."""
    first = min(size, PIECE)
    return [body[:first], *(body[begin : begin + size] for begin in range(first, len(body), size))]
