"""Gemini CLI: Google's Gemini API.

Errors are google.rpc.Status objects (google/rpc/code.proto maps each code to HTTP); what Gemini CLI does
with an answer was measured (0.61.0). It reads a wait from the words "Please retry in 37s" of a message, not
from Retry-After.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

from clipal.config.model import Carrier
from clipal.dialects.dialect import (
    CONTENT,
    PREAMBLE,
    UNKNOWN,
    Dialect,
    EventMeaning,
    FieldTable,
    TimeLimits,
    compact_json,
)
from clipal.dialects.error_events import failure, parse_object
from clipal.dialects.model_name import LONGEST_MODEL_NAME, ModelName
from clipal.dialects.openai import openai_tokens
from clipal.dialects.token_counts import TokenCounts, UsageKey, count, is_events

_WORDS: Final = {
    HTTPStatus.UNAUTHORIZED: "UNAUTHENTICATED",
    HTTPStatus.FORBIDDEN: "PERMISSION_DENIED",
    HTTPStatus.NOT_FOUND: "NOT_FOUND",
    HTTPStatus.METHOD_NOT_ALLOWED: "UNIMPLEMENTED",
    HTTPStatus.REQUEST_TIMEOUT: "DEADLINE_EXCEEDED",
    HTTPStatus.UPGRADE_REQUIRED: "FAILED_PRECONDITION",
    HTTPStatus.TOO_MANY_REQUESTS: "RESOURCE_EXHAUSTED",
    HTTPStatus.INTERNAL_SERVER_ERROR: "INTERNAL",
    HTTPStatus.NOT_IMPLEMENTED: "UNIMPLEMENTED",
    HTTPStatus.SERVICE_UNAVAILABLE: "UNAVAILABLE",
}

_MODEL: Final = re.compile(rb"/models/(?P<name>[^?]+?)(?::|%3[Aa])[A-Za-z]+\Z")
_LONE_MODEL: Final = re.compile(rb"/models/(?P<name>[^/:?]+)(?=/|\Z)")  # without a method: a look-up

_CANDIDATES: Final = re.compile(rb'\s{0,16}\{\s{0,16}"candidates"')
_SAYS_NOTHING: Final = frozenset(("usageMetadata", "modelVersion", "responseId", "createTime", "modelStatus"))

_USAGE: Final = UsageKey("usageMetadata", "promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount")

_GEMINI_CLI: Final = TimeLimits(stream=40.0, whole=50.0)


class Gemini(Dialect):
    """What Gemini CLI speaks."""

    prefix = "gemini"
    config_file = "gemini.yaml"
    title = "Gemini CLI"
    carrier = Carrier.X_GOOG_API_KEY
    first_event_timeout = 15.0
    key_in_query = True

    def error_body(self, status: HTTPStatus, message: str, request_id: str) -> bytes:
        """See Dialect."""
        word = _WORDS.get(status, "INVALID_ARGUMENT")
        return compact_json({"error": {"code": status.value, "message": message, "status": word}})

    def counts_tokens(self, path: bytes) -> bool:
        """See Dialect."""
        return path.endswith(b":countTokens")

    def asks_for_stream(self, path: bytes, query: bytes, fields: FieldTable, ends: bytes) -> bool:
        """See Dialect. The method behind the last colon says so; without one, the other dialects' rule decides."""
        _, colon, method = path.rpartition(b"/")[2].rpartition(b":")
        if colon:
            return method == b"streamGenerateContent"
        return super().asks_for_stream(path, query, fields, ends)

    def model_in_path(self, path: bytes) -> ModelName | None:
        """See Dialect. `/v1beta/models/NAME:method`; NAME may be percent-encoded, and the colon too."""
        match = _MODEL.search(path) or _LONE_MODEL.search(path)
        if match is None:
            return None
        try:
            name = unquote(match["name"], errors="strict")
        except UnicodeDecodeError:
            return None
        return ModelName(name, *match.span("name")) if len(name) <= LONGEST_MODEL_NAME else None

    def names_model_in_body(self, path: bytes) -> bool:
        """See Dialect. Only Google's OpenAI-compatible endpoints name it there."""
        return b"/openai/" in path

    def says_nothing(self, document: object) -> bool:
        """See Dialect. The answer, or each part of it, has only its token counts."""
        parts = document if isinstance(document, list) else [document]
        return bool(parts) and all(map(_only_says_usage, parts))

    def time_limits(self, fields: FieldTable) -> TimeLimits:
        """See Dialect. Gemini CLI gives up after 60 s without a head; SDKs wait for longer."""
        return _GEMINI_CLI if fields.get(b"user-agent", b"").startswith(b"GeminiCLI") else super().time_limits(fields)

    def tokens(self, beginning: bytes, end: bytes, path: bytes) -> TokenCounts | None:
        """See Dialect. Each part of a stream may have a `usageMetadata`; the last one counts all of it."""
        if self.names_model_in_body(path):  # Google's OpenAI-compatible endpoints
            return openai_tokens(beginning, end)
        usage = _USAGE.last(end, events=is_events(beginning))
        if usage is None:
            return None
        given = count(usage, "promptTokenCount") + count(usage, "toolUsePromptTokenCount")
        output = count(usage, "candidatesTokenCount") + count(usage, "thoughtsTokenCount")
        return TokenCounts.of(given, count(usage, "cachedContentTokenCount"), output)

    def meaning(self, event: bytes, data: bytes, path: bytes) -> EventMeaning:
        """See Dialect. A blocked prompt is an answer like any other."""
        if _CANDIDATES.match(data):
            return CONTENT
        document = parse_object(data)
        if document is None:
            return UNKNOWN
        if document.get("error"):
            return failure(document)
        if document.get("candidates") or document.get("promptFeedback"):
            return CONTENT
        return PREAMBLE if document and document.keys() <= _SAYS_NOTHING else UNKNOWN


def _only_says_usage(part: object) -> bool:
    return (
        isinstance(part, dict)
        and "usageMetadata" in part
        and {key for key, value in part.items() if value} <= _SAYS_NOTHING
    )


GEMINI: Final = Gemini()
