"""Waits for the first content of an answer that was handed on before it had any: the provider may only send pings."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure

from clipal.failover.gate import HOLD, Gate, judged
from clipal.upstream.response import WHOLE


class ContentWatch(Protocol):
    """Passes a body on to `protocol`, and feeds it to `gate` until the gate decides.

    Parameters:
        known: how many bytes of the body the gate has been fed already.
        content_came: called with `protocol` when the gate has decided.
    """

    def __init__(self, protocol: IProtocol, gate: Gate, known: int, content_came: Callable[[IProtocol], None]) -> None:
        self._protocol = protocol
        self._gate: Gate | None = gate
        self._known = known
        self._content_came = content_came

    def connectionMade(self) -> None:
        assert self.transport is not None
        self._protocol.makeConnection(self.transport)

    def dataReceived(self, data: bytes) -> None:
        self._protocol.dataReceived(data)
        fresh = data[self._known :]
        self._known = max(0, self._known - len(data))
        if fresh and self._gate is not None and judged(self._gate.feed, fresh) is not HOLD:
            self._gate = None
            self._content_came(self._protocol)

    def connectionLost(self, reason: Failure = WHOLE) -> None:
        self._protocol.connectionLost(reason)
