"""An error's body, as far as it says why: what a provider sent is hostile until proven otherwise, and never shown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import field, frozen

from clipal.dialects.dialect import Fields, field_value
from clipal.wire.coding import decode

DECODED: Final = 64 * 1024
"""Bytes of a body that are looked at."""


@frozen
class ErrorBody:
    """What a body says.

    Attributes:
        error: the JSON object that describes the error; empty where there is none.
    """

    text: bytes = field(repr=False)
    is_json: bool
    error: Mapping[str, Any] = field(repr=False)

    @classmethod
    def read(cls, fields: Fields, body: bytes) -> ErrorBody:
        """Takes `body`, as it came with `fields`, apart. Never raises."""
        text = decode(body, field_value(fields, b"content-encoding") or b"", DECODED)
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            return cls(text, False, {})
        if isinstance(document, list) and document:  # Google's streams answer with a list
            document = document[0]
        error = document.get("error", document) if isinstance(document, dict) else {}
        if not isinstance(error, dict):  # a text, or nothing: what there is to say stands beside it
            error = {"message": error, **document}
        return cls(text, True, error)

    def word(self, key: str) -> str:
        """A text of the error, in lower case; empty where it is none."""
        value = self.error.get(key)
        return value.lower() if isinstance(value, str) else ""

    def details(self) -> Iterator[Mapping[str, Any]]:
        """Google's details (google.rpc), those that are objects."""
        details = self.error.get("details")
        if isinstance(details, list):
            yield from (each for each in details[:32] if isinstance(each, dict))
