"""The answers of the scripted upstreams: the vendors' answers and refusals, as steps of `tests.wirekit`.

The format of an answer is that of `clipal demo`, which the real clients understand. The text names the provider, so
that the checks can see whose answer a client has shown, and whether the answer is whole.
"""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Mapping
from itertools import count
from typing import Final

import brotli
import zstandard

from acceptance.tool_calls import TOOL_EVENTS, ToolCall
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
"""The beginning of every answer, which is sent before a cut."""

BEFORE_CUT: Final = 0.5
"""Seconds between the last piece and the cut, so that the client has read the piece."""


def text_of(provider: str) -> str:
    """The whole answer of a provider."""
    return "".join(pieces_of(provider))


def pieces_of(provider: str) -> list[str]:
    """The whole answer of a provider, in the pieces in which it is streamed."""
    return [piece.format(provider) for piece in _PIECES]


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
    """Fails as `failing_as_event`, in a coding that the client accepts; without one, the request is refused."""

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
"""The codings, in the order in which providers choose among those that a client accepts."""


def cutting(api: Api, provider: str, times: int) -> Script:
    """Resets the connection in the middle of the first `times` answers; the other answers are whole."""
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
    """Answers the first request with a tool call, and the later ones with text."""
    numbers = count()
    whole = answering(api, provider)

    def script(request: RecordedRequest) -> Steps:
        if next(numbers):
            return whole(request) if callable(whole) else whole
        return event_stream(*TOOL_EVENTS[api.dialect.prefix](api, _said(api, provider, request), call))

    return script


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
    """The events of a stream before its content; Google's API has none."""
    events = list(api.events(said))
    return {ANTHROPIC.prefix: events[:1], OPENAI.prefix: events[:2], GEMINI.prefix: []}[api.dialect.prefix]
