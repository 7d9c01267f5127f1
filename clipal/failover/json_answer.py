"""Tells an answer in JSON from an error that came under a 200."""

from __future__ import annotations

import json
import re
from typing import Final

from clipal.dialects.dialect import Dialect
from clipal.failover.gate import EMPTY, HOLD, OPEN, Decision
from clipal.outcomes.classification import error_in

_BEGINNING: Final = 8 * 1024
"""Bytes that are searched for content; an answer that has none there is held until it is whole."""

_STRING: Final = rb'"(?:[^"\\]|\\.)*"'
_FLAT: Final = rb'[^{}\[\]"]*(?:' + _STRING + rb'[^{}\[\]"]*)*'
_VALUE: Final = rb"(?:" + _STRING + rb'|[^{}\[\]",\s]+|\{' + _FLAT + rb"\}|\[" + _FLAT + rb"\])"
_PAIR: Final = rb"\s*" + _STRING + rb"\s*:\s*" + _VALUE + rb"\s*,"
_ITEM: Final = rb'"(?:choices|content|candidates|output|data)"\s*:\s*(?:\[\s*[^\]\s]|\{\s*[^}\s]|"[^"])'
_CONTENT: Final = rb"\s*" + _ITEM
_MAY_BE_CONTENT: Final = re.compile(_ITEM)
"""At whatever depth. Where it does not match, the slower expressions below cannot match either."""
_BEGINS_WITH_CONTENT: Final = re.compile(rb"\{(?:" + _PAIR + rb")*?" + _CONTENT, re.DOTALL)
_HAS_CONTENT: Final = re.compile(rb"[{,]" + _CONTENT)
_NEXT_DOCUMENT: Final = re.compile(rb"\}[ \t\r]*\n\s*\{")
"""JSON lines, which are a stream. Within one document, a comma or an escape stands at this place."""
_MAY_BE_NONE: Final = re.compile(
    rb'"(?:error|base_resp|usageMetadata)"\s*:\s*[^n\s]|"success"\s*:\s*false|"type"\s*:\s*"error"'
)
"""Every error, and every answer without content, matches somewhere. A body that does not match is not parsed."""


class JSONAnswer:
    """Holds a JSON answer until it shows content, or is whole and can be judged.

    Most answers show content in their first read, so they are held no longer than that. A stream in one long list, as
    Gemini sends it without `alt=sse`, does so too. Only a body that may be an error is parsed.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._text = bytearray()

    @property
    def progress(self) -> int:
        """See Gate."""
        return len(self._text)

    def feed(self, data: bytes) -> Decision:
        """See Gate."""
        look = len(self._text) < _BEGINNING
        self._text += data
        return OPEN if look and _shows_content(self._text) else HOLD

    def end(self) -> Decision:
        """See Gate."""
        if _MAY_BE_NONE.search(self._text) is None:
            return OPEN
        try:
            document = json.loads(self._text)
        except (ValueError, RecursionError):
            return OPEN
        error = error_in(document)
        if error is not None:
            return error
        return EMPTY if self._dialect.says_nothing(document) else OPEN


def _shows_content(text: bytearray) -> bool:
    if b"\n" in text and _NEXT_DOCUMENT.search(text, 0, _BEGINNING) is not None:
        return True
    if _MAY_BE_CONTENT.search(text, 0, _BEGINNING) is None:
        return False
    if text.startswith(b"["):
        return _HAS_CONTENT.search(text, 0, _BEGINNING) is not None
    return _BEGINS_WITH_CONTENT.match(text, 0, _BEGINNING) is not None
