"""Bounds the memory that the bodies of all requests take together."""

from __future__ import annotations

from typing import Protocol


class Holder(Protocol):
    """A request with a body that is counted.

    Attributes:
        held: bytes that are counted for it.
    """

    held: int


class Bodies:
    """Counts the bodies that are kept so that they can be sent again.

    A body of a declared length is counted whole when its head is let in, because the client will send it. A chunked
    body is counted as it comes.

    Attributes:
        held: the bytes of all of them.
    """

    def __init__(self) -> None:
        self.held = 0

    def hold(self, holder: Holder, length: int, limit: int) -> bool:
        """Counts `length` more bytes for `holder`; False, without counting them, if the sum would be over `limit`."""
        if self.held + length > limit:
            return False
        self.held += length
        holder.held += length
        return True

    def release(self, holder: Holder) -> None:
        """Ends the count of `holder`."""
        self.held -= holder.held
        holder.held = 0
