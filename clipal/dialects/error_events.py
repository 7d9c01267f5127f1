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
_NO_NAME: Final = (b"", b"message")
_NUMBER: Final = re.compile("[45][0-9][0-9]")


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
