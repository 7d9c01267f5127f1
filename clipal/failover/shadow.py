"""`first_event: shadow`: nothing is held, and the log says what the gate would have done."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from clipal.failover.gate import HOLD, OPEN, PAGE, Decision, Gate, judged
from clipal.outcomes.error_body import ErrorBody
from clipal.upstream.response import WHOLE


class Shadow(Protocol):
    """Passes a body on to `protocol`, and feeds it to `gate` until the gate decides.

    Parameters:
        provider: its name, for the log.
        step_aside: called with `protocol` when the gate has decided.
    """

    _log = Logger()

    def __init__(self, protocol: IProtocol, gate: Gate, provider: str, step_aside: Callable[[IProtocol], None]) -> None:
        self._protocol = protocol
        self._gate = gate
        self._provider = provider
        self._step_aside = step_aside
        self._decided = False

    def connectionMade(self) -> None:
        assert self.transport is not None
        self._protocol.makeConnection(self.transport)

    def dataReceived(self, data: bytes) -> None:
        self._protocol.dataReceived(data)
        if self._decided:
            return
        decision = judged(self._gate.feed, data)
        if decision is not HOLD:
            self._decided = True
            self._step_aside(self._protocol)
            self._log_decision(decision)

    def connectionLost(self, reason: Failure = WHOLE) -> None:
        if not self._decided and reason is WHOLE:
            self._log_decision(judged(self._gate.end))
        self._protocol.connectionLost(reason)

    def _log_decision(self, decision: Decision) -> None:
        if decision is OPEN:
            return
        if isinstance(decision, ErrorBody):
            what = f"an error event that stands for {decision.status()}"
        else:
            what = "a page" if decision is PAGE else "nothing"
        self._log.info(
            "first_event: on would have asked the next provider: {provider} answered {what}",
            provider=self._provider,
            what=what,
        )
