"""The states of a connection to a provider, and which state may follow which."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class ConnectionState(IntEnum):
    """What a connection does. An IntEnum, because a plain Enum is slower to look up in a set."""

    IDLE = 0
    """It waits for a request."""
    ASKED = 1
    """It sends a request, or has sent it, and no byte of an answer has come."""
    HEARD = 2
    """An answer has begun; its head is not complete."""
    ANSWERING = 3
    """An answer's head is complete; its body is not."""
    SPLICED = 4
    """As ANSWERING, but another protocol has taken the connection's place at the socket."""
    CLOSED = 5
    """It has ended."""


_IDLE, _ASKED, _HEARD, _ANSWERING, _SPLICED, _CLOSED = ConnectionState
CONNECTION_NEXT: Final = {
    _IDLE: frozenset(
        [
            _ASKED,  # a request is sent
            _CLOSED,
        ]
    ),
    _ASKED: frozenset(
        [
            _HEARD,  # the first byte of an answer has come
            _CLOSED,
        ]
    ),
    _HEARD: frozenset(
        [
            _ANSWERING,  # the head is complete
            _CLOSED,
        ]
    ),
    _ANSWERING: frozenset(
        [
            _SPLICED,  # the answer is committed
            _IDLE,  # the body is complete, and the connection can carry another request
            _CLOSED,
        ]
    ),
    _SPLICED: frozenset(
        [
            _IDLE,  # as after ANSWERING
            _CLOSED,
        ]
    ),
    _CLOSED: frozenset[ConnectionState](),
}
"""Which state may follow which, and when. CLOSED follows where the connection is lost, closed or aborted."""

IN_BODY: Final = frozenset([_ANSWERING, _SPLICED])
"""The states in which the body of an answer comes."""
