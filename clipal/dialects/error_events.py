"""Errors that come as events, after a head that said 200: what the dialects share in reading them.

Only what looks like an error, or cannot be told by its name, is parsed, and only up to the size that the gate
holds at most. An error event is turned into what it stands for: a status code, and the body that an answer
of that status would have had. What cannot be read is not understood, which is an answer too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from clipal.dialects.dialect import UNKNOWN, EventKind, EventMeaning, compact_json

PARSED: Final = 256 * 1024
"""Bytes of an event that are parsed at most. OpenAI's `response.failed` repeats the request's instructions
and tools, and Codex's requests have 40 to 70 kB."""

_TYPE: Final = re.compile(rb'\s{0,16}\{\s{0,16}"type"\s{0,16}:\s{0,16}"([^"\\]{1,64})"')
_BARE_ERROR: Final = re.compile(rb'\s{0,16}\{\s{0,16}"error"\s{0,16}:\s{0,16}["{]')
_NUMBER: Final = re.compile("[45][0-9][0-9]")


def event_name(event: bytes, data: bytes) -> bytes:
    """What an event is called: by its `event:` field, or else by the `type` that its data begins with.

    Data that begins with an error is called `error`. Empty for what has no name.
    """
    if event:
        return event
    found = _TYPE.match(data)
    if found is not None:
        return found[1]
    return b"error" if _BARE_ERROR.match(data) else b""


def parse_object(data: bytes) -> dict[str, Any] | None:
    """The JSON object in `data`; None for whatever else it is, and for what is too long or nested too deep.

    Bytes that are no UTF-8 are replaced, as the event stream's standard has it.
    """
    if len(data) > PARSED:
        return None
    try:
        value = json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def failure(document: Mapping[str, Any] | None, statuses: Mapping[str, int]) -> EventMeaning:
    """What an error event stands for.

    Parameters:
        document: has the error as its `error`, or is the error itself; None for one that could not be parsed.
        statuses: the HTTP status for each code, type or status word of the API. An error whose words are not
            among them, and that names no HTTP status as a number either, is a 500: the provider gave up, we
            know not why.
    """
    if document is None:
        return UNKNOWN
    error = document.get("error")
    if isinstance(error, str):
        error = {"message": error}
    elif not isinstance(error, dict):
        error = document
    try:
        body = compact_json({"error": error})
    except RecursionError:
        return UNKNOWN
    return EventMeaning(EventKind.ERROR, _status(error, statuses), body)


def _status(error: Mapping[str, Any], statuses: Mapping[str, int]) -> int:
    for word in map(error.get, ("code", "type", "status")):
        if isinstance(word, str) and word in statuses:
            return statuses[word]
        if isinstance(word, str | int) and _NUMBER.fullmatch(str(word)):
            return int(word)
    return 500
