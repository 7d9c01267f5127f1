"""The states of a client's connection, and which state may follow which."""

from __future__ import annotations

from enum import Enum
from typing import Final


class ChannelState(Enum):
    """The state of a channel."""

    READING = "reading"
    """No request is being answered: one is coming in, or is expected."""
    ANSWERING = "answering"
    """One request is being answered."""
    UPGRADED = "upgraded"
    """The connection is a WebSocket: bytes pass as they are."""
    CLOSING = "closing"
    """Everything is written: the connection ends when the client has taken it."""
    CLOSED = "closed"


_NEXT: Final = {
    ChannelState.READING: (ChannelState.ANSWERING, ChannelState.CLOSING, ChannelState.CLOSED),
    ChannelState.ANSWERING: (ChannelState.READING, ChannelState.UPGRADED, ChannelState.CLOSING, ChannelState.CLOSED),
    ChannelState.UPGRADED: (ChannelState.CLOSING, ChannelState.CLOSED),
    ChannelState.CLOSING: (ChannelState.CLOSED,),
    ChannelState.CLOSED: (),
}
"""The states that may follow each state."""


def may_follow(state: ChannelState, before: ChannelState) -> bool:
    """Whether `state` may follow `before`."""
    return state in _NEXT[before]
