"""The memory that the bodies of all requests take together, which is bounded."""

from __future__ import annotations

from typing import Protocol


class Holder(Protocol):
    """Whose body is counted.

    Attributes:
        held: bytes that count for it.
    """

    held: int


class Bodies:
    """Counts the bodies that are kept so that they can be sent again.

    A body of a declared length counts whole as soon as its head is let in, because the client will send it; a chunked
    one counts as it comes.

    Attributes:
        held: bytes in all.
    """

    def __init__(self) -> None:
        self.held = 0

    def hold(self, holder: Holder, length: int, limit: int) -> bool:
        """Counts so many bytes more for `holder`; False, and nothing is counted, where all would be over `limit`."""
        if self.held + length > limit:
            return False
        self.held += length
        holder.held += length
        return True

    def release(self, holder: Holder) -> None:
        """Nothing counts for `holder` any more."""
        self.held -= holder.held
        holder.held = 0
