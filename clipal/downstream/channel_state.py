"""The states of a client's connection, and which state may follow which.

What comes from the client is parsed in READING, passed on in UPGRADED, dropped in CLOSING, and kept in any other state.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class ChannelState(IntEnum):
    """The state of a channel. An IntEnum, because a plain Enum is slower to look up in a set."""

    READING = 0
    """No request is being answered: one is coming in, or is expected."""
    ANSWERING = 1
    """One request is being answered."""
    QUEUED = 2
    """The answer is written. The reactor's next turn goes on with the bytes that are kept behind its request."""
    FULL = 3
    """The answer is written, and the client takes too little of it. Nothing is parsed until it has taken more."""
    UPGRADED = 4
    """The connection is a WebSocket: bytes pass as they are."""
    CLOSING = 5
    """Everything is written: the connection ends when the client has taken it."""
    CLOSED = 6


_READING, _ANSWERING, _QUEUED, _FULL, _UPGRADED, _CLOSING, _CLOSED = ChannelState
CHANNEL_NEXT: Final = {
    _READING: frozenset(
        [
            _ANSWERING,  # a request is complete
            _CLOSING,  # a request is refused, or there is no room for the connection
            _CLOSED,
        ]
    ),
    _ANSWERING: frozenset(
        [
            _READING,  # the answer is written
            _QUEUED,  # the answer is written, and more has come from the client
            _FULL,  # the answer is written, and the client takes too little of it
            _UPGRADED,  # the answer is a 101
            _CLOSING,  # the last answer is written, or an answer breaks off
            _CLOSED,
        ]
    ),
    _QUEUED: frozenset(
        [
            _READING,  # the reactor's next turn
            _CLOSED,
        ]
    ),
    _FULL: frozenset(
        [
            _READING,  # the client has taken enough
            _QUEUED,  # the client has taken enough, and more has come from it
            _CLOSED,
        ]
    ),
    _UPGRADED: frozenset(
        [
            _CLOSING,  # the provider has ended
            _CLOSED,
        ]
    ),
    _CLOSING: frozenset([_CLOSED]),
    _CLOSED: frozenset[ChannelState](),
}
"""Which state may follow which, and when. CLOSED follows where the connection is lost."""
