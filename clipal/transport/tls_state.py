"""The states of a transport that speaks TLS, and which state may follow which."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class TLSState(IntEnum):
    """The state of one transport. An IntEnum, because a plain Enum is slower to look up in a set."""

    PLAIN = 0
    """No TLS is spoken yet."""
    SHAKING = 1
    """The handshake is under way."""
    SHAKEN = 2
    """The handshake is done; bytes that came with its end may still have to be decrypted."""
    OPEN = 3
    """What comes is decrypted and delivered at once."""
    ENDED = 4
    """The other side has sent its close_notify."""
    DISCARDING = 5
    """Our close_notify is sent, and what the other side still sends is discarded."""
    FAILED = 6
    """The handshake has failed."""


_PLAIN, _SHAKING, _SHAKEN, _OPEN, _ENDED, _DISCARDING, _FAILED = TLSState
TLS_NEXT: Final = {
    _PLAIN: frozenset([_SHAKING]),  # all bytes from now on are TLS's
    _SHAKING: frozenset(
        [
            _SHAKEN,  # the handshake is done
            _DISCARDING,
            _FAILED,  # an attempt to connect ends in the handshake
        ]
    ),
    _SHAKEN: frozenset(
        [
            _OPEN,  # the first bytes are taken
            _DISCARDING,
        ]
    ),
    _OPEN: frozenset(
        [
            _ENDED,  # a close_notify has come
            _DISCARDING,
        ]
    ),
    _ENDED: frozenset([_DISCARDING]),
    _DISCARDING: frozenset[TLSState](),
    _FAILED: frozenset[TLSState](),
}
"""Which state may follow which, and when. A lost connection keeps the state in which it was lost.

DISCARDING follows where the server ends a connection gracefully.
"""
