"""What an error event stands for, as `clipal.outcomes` reads it."""

from __future__ import annotations

from clipal.dialects.dialect import EventKind, EventMeaning
from clipal.outcomes.error_body import ErrorBody


def stands_for(meaning: EventMeaning) -> int:
    """The HTTP status; of what is no error, nothing."""
    assert meaning.kind is EventKind.ERROR
    return ErrorBody.of({"error": meaning.error}).status()
