"""Claude Code: the Anthropic Messages API.

Error words and stream events are those of Anthropic's API reference ("Errors", "Streaming Messages"); what
Claude Code does with them was measured (2.1.330).
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from clipal.config.model import Carrier
from clipal.dialects.dialect import (
    CONTENT,
    END_EVENT,
    PING,
    PREAMBLE,
    SESSION_FIELD,
    UNKNOWN,
    Dialect,
    EventMeaning,
    compact_json,
)
from clipal.dialects.error_events import event_name, failure, parse_object
from clipal.dialects.token_counts import TokenCounts, Usage, UsageKey, count, is_events

_WORDS: Final = {
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.FORBIDDEN: "permission_error",
    HTTPStatus.NOT_FOUND: "not_found_error",
    HTTPStatus.REQUEST_TIMEOUT: "timeout_error",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "request_too_large",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "request_too_large",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
    HTTPStatus.INTERNAL_SERVER_ERROR: "api_error",
    HTTPStatus.NOT_IMPLEMENTED: "api_error",
    HTTPStatus.SERVICE_UNAVAILABLE: "api_error",
}

_MEANINGS: Final = {
    b"message_start": PREAMBLE,
    b"ping": PING,
    b"content_block_stop": PREAMBLE,  # of a block that got no delta
    b"content_block_delta": CONTENT,
    # The model has said why it stopped: an empty answer may be intended, and must not fail
    # over.
    b"message_delta": CONTENT,
    b"message_stop": END_EVENT,
}

_EMPTY_LENGTH: Final = 4096
"""Bytes of an event that may begin an empty block; a longer one has something in it."""
_EMPTY_KINDS: Final = frozenset(("text", "thinking", "tool_use", "server_tool_use", "mcp_tool_use"))
_FILLED: Final = ("text", "thinking", "signature", "input", "citations")

_USAGE: Final = UsageKey("usage", "input_tokens", "output_tokens")


class Anthropic(Dialect):
    """What Claude Code speaks."""

    prefix = "claudecode"
    config_file = "claude-code.yaml"
    title = "Claude Code"
    carrier = Carrier.X_API_KEY
    session_fields = (b"x-claude-code-session-id", SESSION_FIELD)
    first_event_timeout = 60.0

    def error_body(self, status: HTTPStatus, message: str, request_id: str) -> bytes:
        """See Dialect.

        If no provider could answer, the type is `api_error`, because Claude Code then shows our message. The type is
        not that of a 529, `overloaded_error`: after three of these, Claude Code says only that they are repeated.
        """
        error = {"type": _WORDS.get(status, "invalid_request_error"), "message": message}
        return compact_json({"type": "error", "error": error, "request_id": request_id})

    def counts_tokens(self, path: bytes) -> bool:
        """See Dialect."""
        return path == b"/v1/messages/count_tokens"

    def is_probe(self, path: bytes) -> bool:
        """See Dialect. Claude Code asks for it when it starts."""
        return path == b"/api/hello"

    def tokens(self, beginning: bytes, end: bytes, path: bytes) -> TokenCounts | None:
        """See Dialect. A stream tells its input in `message_start`, and its output in the last `message_delta`.

        Some providers know the input at the end only: then `message_start` says 0.
        """
        events = is_events(beginning)
        last = _USAGE.last(end, events=events, depth=1)
        start = _USAGE.first(beginning, events=events) if events else None
        known = [usage for usage in (start, last) if usage is not None]
        if not known:
            return None
        given = max(known, key=_input) if len(known) > 1 else known[0]
        output = 0 if last is None else count(last, "output_tokens")
        return TokenCounts.of(_input(given), count(given, "cache_read_input_tokens"), output)

    def meaning(self, event: bytes, data: bytes, path: bytes) -> EventMeaning:
        """See Dialect."""
        name = event_name(event, data)
        if name == b"error":
            return failure(parse_object(data))
        if name == b"content_block_start":
            return PREAMBLE if _is_empty_block(data) else CONTENT
        return _MEANINGS.get(name, UNKNOWN)


def _input(usage: Usage) -> int:
    """All of the input: Anthropic counts what was read from the cache, or written to it, apart."""
    return (
        count(usage, "input_tokens")
        + count(usage, "cache_creation_input_tokens")
        + count(usage, "cache_read_input_tokens")
    )


def _is_empty_block(data: bytes) -> bool:
    """Whether a block begins with nothing in it yet. A block of a kind that is not known counts as filled."""
    block = (parse_object(data) or {}).get("content_block") if len(data) <= _EMPTY_LENGTH else None
    if not isinstance(block, dict) or block.get("type") not in _EMPTY_KINDS:
        return False
    return not any(map(block.get, _FILLED))


ANTHROPIC: Final = Anthropic()
