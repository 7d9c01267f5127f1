"""What the processes of one service say to each other: JSON messages over a socket pair, each behind its length."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger
from twisted.protocols.basic import Int32StringReceiver
from twisted.python.failure import Failure

Message: TypeAlias = dict[str, Any]
"""Its `do` says what it is about. An unknown `do` is ignored, because the other side may be of another version."""

_LONGEST: Final = 16 * 1024 * 1024


class Control(Int32StringReceiver):
    """One end of the connection between two processes.

    Parameters:
        received: called with each message.
        lost: called when the other process is gone.
    """

    MAX_LENGTH = _LONGEST
    _log = Logger()

    def __init__(self, received: Callable[[Message], None], lost: Callable[[], None]) -> None:
        self._received = received
        self._lost = lost

    @classmethod
    def over(
        cls, reactor: Any, end: socket.socket, received: Callable[[Message], None], lost: Callable[[], None]
    ) -> Control:
        """An end on a connected socket. The socket is closed, because the reactor has a copy of its own."""
        made = cls(received, lost)
        factory = ServerFactory.forProtocol(lambda: made)
        factory.noisy = False
        end.setblocking(False)
        reactor.adoptStreamConnection(end.fileno(), socket.AF_UNIX, factory)
        end.close()
        return made

    def tell(self, what: str, **message: Any) -> None:
        """Sends a message; nothing where the other process is gone."""
        if self.transport is not None and self.connected:
            self.sendString(json.dumps({"do": what, **message}, separators=(",", ":")).encode())

    def close(self) -> None:
        """Closes the connection once everything is sent."""
        if self.transport is not None:
            self.transport.loseConnection()

    def stringReceived(self, string: bytes) -> None:
        try:
            self._received(json.loads(string))
        except Exception:
            self._log.failure("Bug in what a process was told by another one")

    def connectionLost(self, reason: Failure | None = None) -> None:
        self._lost()
