"""What the connection of a client does, and what may follow what."""

from __future__ import annotations

from enum import Enum
from typing import Final


class ChannelState(Enum):
    """What a channel does."""

    READING = "reading"
    """Nothing is being answered: a request is coming in, or will."""
    ANSWERING = "answering"
    """One request is being answered."""
    UPGRADED = "upgraded"
    """HTTP is over: bytes pass as they are."""
    CLOSING = "closing"
    """All is written: the connection ends when the client has it."""
    CLOSED = "closed"


_NEXT: Final = {
    ChannelState.READING: (ChannelState.ANSWERING, ChannelState.CLOSING, ChannelState.CLOSED),
    ChannelState.ANSWERING: (ChannelState.READING, ChannelState.UPGRADED, ChannelState.CLOSING, ChannelState.CLOSED),
    ChannelState.UPGRADED: (ChannelState.CLOSING, ChannelState.CLOSED),
    ChannelState.CLOSING: (ChannelState.CLOSED,),
    ChannelState.CLOSED: (),
}
"""What may follow each state."""


def may_follow(state: ChannelState, before: ChannelState) -> bool:
    """Whether a channel may do `state` next."""
    return state in _NEXT[before]
