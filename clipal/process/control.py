"""What a parent and its worker say to each other: JSON messages over a socket pair, each behind its length.

What a worker is told, by the message's `do`:

- `serve`: an `Assignment`, on which it serves.
- `known`, `share`: what is known of a client's providers, and what has just changed (`clipal.providers.shared`).
- `totals`, `ended`: the answers to the same messages of the worker.
- `drain`, `cut`: it must end, and then without its open requests.
- `reopen log`: a program has moved the log file away.

What a parent is told:

- `ready`: the worker serves.
- `follow`, `share`: the worker wants to know of a client's providers, and what it has seen change.
- `counts`, `totals`: the worker's own numbers, and that it wants the sum of all.
- `notify`: a text for the desktop.
- `ended`: the worker has drained, and cut so many requests.
"""

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
