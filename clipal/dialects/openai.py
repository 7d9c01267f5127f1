"""Codex CLI: the OpenAI Responses API, and Chat Completions, which SDKs send the same way.

Error words and stream events are those of OpenAI's API reference ("Responses", "Streaming events", "Chat
Completions"); what Codex does with an answer was measured (0.169.0).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

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
    Unavailable,
    compact_json,
    whole_seconds,
)
from clipal.dialects.error_events import event_name, failure, parse_object
from clipal.dialects.token_counts import TokenCounts, UsageKey, count, is_events, part

_LONGEST_WAIT: Final = 60
"""Seconds of Retry-After that Codex is told at most: it obeys any value, silently, for each of 30 tries."""

_PREAMBLE: Final = frozenset(
    (
        b"response.created",
        b"response.queued",
        b"response.in_progress",
        b"response.output_item.added",
        b"response.content_part.added",
        b"response.reasoning_summary_part.added",
        b"response.reasoning_part.added",
        b"response.metadata",
        b"codex.response.metadata",
        b"codex.rate_limits",
    )
)

_PROGRESS: Final = re.compile(
    rb"response\.(?:[a-z_]{1,64}_call\.(?:added|queued|in_progress|searching|generating|interpreting)"
    rb"|mcp_list_tools\.in_progress)"
)
"""Hosted tools (web and file search, images, code, MCP) say that they work before the model says anything."""

_RESOURCE: Final = re.compile(rb"/(?:responses|chat/completions|completions|models|embeddings)(?:/|\Z)")
_VERSION: Final = re.compile(rb"/v[0-9]+(?:(?:alpha|beta)[0-9]*)?\Z")
_BEGINNING: Final = 64 * 1024
_ID: Final = rb'"[ \t\r\n]*:[ \t\r\n]*"(resp_[A-Za-z0-9_-]{1,128})"'
_PREVIOUS_NAME: Final = b"previous_response_"
"""A part of the name that ends with a character that is rare in text: `find` takes a third of the time for it."""
_PREVIOUS: Final = re.compile(rb'"previous_response_id' + _ID)
_MADE: Final = re.compile(rb'"id' + _ID)

_USAGE: Final = UsageKey("usage", "input_tokens", "prompt_tokens", "output_tokens", "completion_tokens")


class OpenAI(Dialect):
    """What Codex CLI speaks."""

    prefix = "codex"
    config_file = "codex.yaml"
    title = "Codex CLI"
    carrier = Carrier.BEARER
    session_fields = (b"session-id", b"thread-id", SESSION_FIELD)  # x-client-request-id names no session
    first_event_timeout = 120.0
    builds_on_answers = True

    def error_body(self, status: HTTPStatus, message: str, request_id: str) -> bytes:
        """See Dialect. Codex shows `message`, and the request id from its header field.

        No code is one that Codex has its own words for: `server_is_overloaded`, `slow_down`, a quota's.
        """
        error = {"message": message, "type": _type(status), "param": None, "code": _code(status)}
        return compact_json({"error": error})

    def unavailable(self, *, rate_limited: bool, wait: float | None) -> Unavailable:
        """See Dialect. Chosen by what Codex does with each answer.

        | wait | answer | Codex |
        |---|---|---|
        | at most 60 s | 503, Retry-After | waits just that before each of 30 tries (of a 429: 6) |
        | unknown, or none | 503 | tries 30 times in 25 s: no cooldown is known, so one may succeed |
        | longer, all of it rate limits | 429 | gives up at once: no try within 25 s could succeed |
        | longer, otherwise | 503 | tries 30 times in 25 s, then prints our message |
        """
        seconds = whole_seconds(wait)
        if seconds is not None and seconds <= _LONGEST_WAIT:
            return Unavailable(HTTPStatus.SERVICE_UNAVAILABLE, seconds)
        limited = rate_limited and seconds is not None
        return Unavailable(HTTPStatus.TOO_MANY_REQUESTS if limited else HTTPStatus.SERVICE_UNAVAILABLE, None)

    def counts_tokens(self, path: bytes) -> bool:
        """See Dialect."""
        return path in (b"/responses/input_tokens", b"/v1/responses/input_tokens")

    def upstream_path(self, path: bytes, base_path: bytes) -> bytes:
        """See Dialect. Codex may be set up with or without `/v1`, and so may a provider; all four work."""
        if _VERSION.search(base_path):
            return path[len(b"/v1") :] if path.startswith(b"/v1/") else path
        return b"/v1" + path if _RESOURCE.match(path) else path

    def previous_answer(self, body: bytes) -> bytes | None:
        """See Dialect."""
        at = body.find(_PREVIOUS_NAME)  # much faster through a large body than `re` by itself
        found = None if at < 0 else _PREVIOUS.search(body, max(0, at - 1))  # from its quote
        return None if found is None else found[1]

    def made_answer(self, beginning: bytes) -> bytes | None:
        """See Dialect. The id stands at the beginning of the first event, and of a whole answer too."""
        found = _MADE.search(beginning, endpos=_BEGINNING)
        return None if found is None else found[1]

    def tokens(self, beginning: bytes, end: bytes, path: bytes) -> TokenCounts | None:
        """See Dialect."""
        return openai_tokens(beginning, end)

    def meaning(self, event: bytes, data: bytes, path: bytes) -> EventMeaning:
        """See Dialect. `…/completions` has chunks of data only, everything else the events of Responses."""
        if data == b"[DONE]":
            return END_EVENT
        if path.endswith(b"/completions"):
            return _meaning_of_chunk(event, data)
        name = event_name(event, data)
        if name == b"keepalive":  # undocumented; github.com/openai/openai-node/issues/1964
            return PING
        if name in _PREAMBLE or _PROGRESS.fullmatch(name):
            return PREAMBLE
        if name in (b"error", b"response.failed"):
            return failure(_error_document(parse_object(data)))
        if name.endswith((b".delta", b".done")) or name in (b"response.completed", b"response.incomplete"):
            return CONTENT
        return UNKNOWN


def openai_tokens(beginning: bytes, end: bytes) -> TokenCounts | None:
    """What an answer of Responses or Chat Completions says that it cost.

    In a stream it is in `response.completed`, or in the last chunk, if the client asked for it. Some vendors count
    reasoning apart from the output; then the total says so.
    """
    usage = _USAGE.last(end, events=is_events(beginning))
    if usage is None:
        return None
    given, output = count(usage, "input_tokens", "prompt_tokens"), count(usage, "output_tokens", "completion_tokens")
    details = part(usage, "input_tokens_details") or part(usage, "prompt_tokens_details")
    cached = count(details, "cached_tokens") or count(usage, "prompt_cache_hit_tokens", "cached_tokens")
    reasoning = count(part(usage, "completion_tokens_details"), "reasoning_tokens")
    if reasoning and count(usage, "total_tokens") == given + output + reasoning:
        output += reasoning
    return TokenCounts.of(given, cached, output)


def _type(status: HTTPStatus) -> str:
    if status is HTTPStatus.TOO_MANY_REQUESTS:
        return "rate_limit_error"
    return "invalid_request_error" if status.value < 500 else "server_error"


_CODES: Final = {
    HTTPStatus.UNAUTHORIZED: "invalid_api_key",
    HTTPStatus.REQUEST_TIMEOUT: "timeout",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too_large",
    HTTPStatus.REQUEST_URI_TOO_LONG: "uri_too_long",
    HTTPStatus.MISDIRECTED_REQUEST: "misdirected",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_exceeded",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "head_too_large",
    HTTPStatus.INTERNAL_SERVER_ERROR: "internal",
    HTTPStatus.SERVICE_UNAVAILABLE: "unavailable",
}
"""What `code` says where it is not the status's own name."""


def _code(status: HTTPStatus) -> str:
    return _CODES.get(status) or status.name.lower()


def _error_document(document: dict[str, Any] | None) -> Mapping[str, Any] | None:
    """Where the error is: in the `response` that failed, under `error`, or it is the event itself."""
    if document is not None and isinstance(document.get("response"), dict):
        response = document["response"]
        return {"error": response.get("error") or {}}
    return document


def _meaning_of_chunk(event: bytes, data: bytes) -> EventMeaning:
    document = parse_object(data)
    if document is None:
        return UNKNOWN
    if document.get("error") or event == b"error" or document.get("type") == "error":
        return failure(document)
    choices = document.get("choices")
    if not isinstance(choices, list):
        return UNKNOWN
    if not choices:
        return PING
    return CONTENT if any(map(_speaks, choices)) else PREAMBLE


def _speaks(choice: object) -> bool:
    """Whether a choice says more than whose turn it is: text, a tool call, reasoning, or why it ended."""
    if not isinstance(choice, dict):
        return True
    delta = choice.get("delta")
    if isinstance(delta, dict) and any(value for key, value in delta.items() if key != "role"):
        return True
    return bool(choice.get("finish_reason") or choice.get("text") or choice.get("message"))


OPENAI: Final = OpenAI()
