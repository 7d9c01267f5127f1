"""Passes a body on while a gate looks at it: for an answer that is handed on before its gate has decided."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from clipal.failover.gate import HOLD, OPEN, PAGE, Decision, Gate, judged
from clipal.outcomes.error_body import ErrorBody
from clipal.upstream.response import WHOLE

_log = Logger()


class Watch(Protocol):
    """Passes a body on to `protocol`, and feeds it to `gate` until the gate decides.

    Parameters:
        known: how many bytes of the body the gate has been fed already.
        step_aside: called with `protocol` when the gate has decided and the body goes on.
        decided: called with the gate's decision, perhaps at the end of the body.
    """

    def __init__(
        self,
        protocol: IProtocol,
        gate: Gate,
        known: int,
        step_aside: Callable[[IProtocol], None],
        decided: Callable[[Decision], None],
    ) -> None:
        self._protocol = protocol
        self._gate: Gate | None = gate
        self._known = known
        self._step_aside = step_aside
        self._decided = decided

    def connectionMade(self) -> None:
        assert self.transport is not None
        self._protocol.makeConnection(self.transport)

    def dataReceived(self, data: bytes) -> None:
        self._protocol.dataReceived(data)
        fresh = data[self._known :]
        self._known = max(0, self._known - len(data))
        if not fresh or self._gate is None:
            return
        decision = judged(self._gate.feed, fresh)
        if decision is not HOLD:
            self._gate = None
            self._step_aside(self._protocol)
            self._decided(decision)

    def connectionLost(self, reason: Failure = WHOLE) -> None:
        gate, self._gate = self._gate, None
        if gate is not None and reason is WHOLE:
            self._decided(judged(gate.end))
        self._protocol.connectionLost(reason)


def log_shadow(provider: str, decision: Decision) -> None:
    """`first_event: shadow`: logs what the gate would have done with an answer of `provider`."""
    if decision is OPEN:
        return
    if isinstance(decision, ErrorBody):
        what = f"an error event that stands for {decision.status()}"
    else:
        what = "a page" if decision is PAGE else "nothing"
    _log.info(
        "first_event: on would have asked the next provider: {provider} answered {what}", provider=provider, what=what
    )
