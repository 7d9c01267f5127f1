"""Errors that come as events, after a head that said 200: what the dialects share in reading them.

Only what looks like an error, or cannot be told by its name, is parsed, and only up to the size that the gate holds at
most. What an error stands for is read elsewhere (`clipal.outcomes`). What cannot be parsed is not understood.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from clipal.dialects.dialect import UNKNOWN, EventKind, EventMeaning

PARSED: Final = 256 * 1024
"""Bytes of an event that are parsed at most. OpenAI's `response.failed` repeats the request's instructions
and tools, and Codex's requests have 40 to 70 kB."""

_TYPE: Final = re.compile(rb'\s{0,16}\{\s{0,16}"type"\s{0,16}:\s{0,16}"([^"\\]{1,64})"')
_NO_NAME: Final = (b"", b"message")


def event_name(event: bytes, data: bytes) -> bytes:
    """What an event is called: by its `event:` field, or else by the `type` of its data, wherever that stands.

    Data without either that has an error is called `error`. Empty for what has no name. `message` is what an event
    without a name is called by default (WHATWG HTML, 9.2.6), so it is no name either.
    """
    if event not in _NO_NAME:
        return event
    found = _TYPE.match(data)
    if found is not None:
        return found[1]
    document = parse_object(data) or {}
    kind = document.get("type")
    if isinstance(kind, str) and kind:
        return kind.encode("utf-8", "replace")
    return b"error" if document.get("error") else b""


def parse_object(data: bytes) -> dict[str, Any] | None:
    """The JSON object in `data`, or the first one of a list of objects, as Google's errors may be.

    None for whatever else it is, and for what is too long or nested too deep. Bytes that are no UTF-8 are replaced, as
    the event stream's standard has it.
    """
    if len(data) > PARSED:
        return None
    try:
        value = json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    if isinstance(value, list) and value:
        value = value[0]
    return value if isinstance(value, dict) else None


def failure(document: Mapping[str, Any] | None) -> EventMeaning:
    """An error event.

    Parameters:
        document: has the error as its `error`, or is the error itself; None for one that could not be parsed.
    """
    if document is None:
        return UNKNOWN
    error = document.get("error")
    if isinstance(error, str):
        error = {"message": error}
    elif not isinstance(error, dict):
        error = document
    return EventMeaning(EventKind.ERROR, error)
