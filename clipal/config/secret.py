"""A text that must not be seen: a provider's key, a client's token, a proxy's password."""

from __future__ import annotations

import hmac
from typing import Final

_SHOWN: Final = "***"


class Secret:
    """A text that is printed, formatted and pickled as `***`. `reveal` gives the text itself.

    Secrets of the same text are equal, so that a configuration that is read again compares with the one in force.
    """

    __slots__ = ("_text",)

    def __init__(self, text: bytes | str) -> None:
        self._text = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else bytes(text)

    def reveal(self) -> bytes:
        """The text, as bytes."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text, other._text)

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return _SHOWN

    def __format__(self, specification: str) -> str:
        return format(_SHOWN, specification)

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        """Pickles the asterisks in place of the text."""
        return Secret, (_SHOWN,)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self
