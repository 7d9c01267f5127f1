"""Holds an answer's body while a gate judges it, then hands the body on or aborts the answer.

The bytes that were held are handed on unchanged and in one piece. From then on the body goes straight to the protocol
that took it. Aborting an answer aborts its connection, so that the provider stops producing tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IReactorTime, ITransport
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure

from clipal.failover.gate import HOLD, OPEN, Bytes, Decision, Gate, opened_by_bug
from clipal.failover.gate_wait import GateWait
from clipal.failover.trail import Ending
from clipal.failover.watch import Watch, log_shadow
from clipal.upstream.errors import AnswerCut
from clipal.upstream.response import WHOLE, Response
from clipal.wire.coding import decode
from clipal.wire.message import Fields, ResponseHead

_BEGINNING: Final = 64 * 1024
"""Bytes of a compressed body that are decoded to read its beginning."""
ERROR_BODY: Final = 32 * 1024
"""Bytes of an error's body that are read to classify it."""
ERROR_TIME: Final = 3.0
"""Seconds in which they are read."""


class HeldAnswer(Protocol):
    """An answer that is held; once it is committed, the answer that a client gets.

    Attributes:
        provider: the name of its provider; empty until the answer is committed.
        silent: whether the answer was handed on because its time was over, and no content has come yet.
    """

    provider = ""

    # Defaults of the class: an answer that is judged by its first read sets none of these (docs/performance.md, "What
    # brought it").
    _ended: Callable[[Ending], None] | None = None
    _watch: Callable[[IProtocol], IProtocol] | None = None
    _join: Callable[[], None] | None = None
    _wait: GateWait | None = None
    silent = False

    def __init__(self, response: Response, clock: IReactorTime) -> None:
        self.head: ResponseHead = response.head
        self._response = response
        self._clock = clock
        self._pieces, self._reason = response.deliver_rest(self)

    def trailers(self) -> Fields:
        """The trailers of the answer, once its body is complete."""
        return self._response.trailers

    @property
    def held(self) -> bytes:
        """The body so far, until it is handed on."""
        pieces = self._pieces
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    @property
    def beginning(self) -> bytes:
        """The beginning of `held`, without its content coding."""
        coding = self.head.table.get(b"content-encoding")
        return self.held if coding is None else decode(self.held, coding, _BEGINNING)

    @property
    def whole(self) -> bool:
        """Whether all of the body has come, and it is not watched."""
        return self._reason is WHOLE and self._watch is None

    # Judging

    def look(self, gate: Gate) -> Decision:
        """Feeds `gate` the body so far. If the gate holds, `decide` waits for its decision.

        Raises:
            AnswerCut: the body has broken off.
        """
        decision: Decision = HOLD
        reason = self._reason
        try:
            for piece in self._pieces:
                decision = gate.feed(piece)
                if decision is not HOLD:
                    break
            if decision is HOLD and reason is WHOLE:
                decision = gate.end()
        except Exception:
            decision = opened_by_bug()
        if decision is HOLD and reason is not None:
            reason.raiseException()
        if decision is not HOLD and decision is not OPEN:
            self.pause()
        return decision

    def decide(self, gate: Gate, event_time: float, progressed: Callable[[], None]) -> Deferred[Decision]:
        """Holds the body until `gate` decides, which held when `look` fed it the body so far.

        Parameters:
            event_time: seconds from the first byte on, after which the decision is OPEN anyway; 0 for no limit.
            progressed: called at the first byte; if `event_time` is 0, whenever the gate's progress grows.

        Returns:
            the decision; AnswerCut if the body breaks off before. Cancelling it aborts the answer.
        """
        wait = self._wait_for(gate)
        wait.follow(event_time, progressed, self._open_in_silence)
        if self._pieces:
            wait.held()
        return wait.decision

    async def read_error(self) -> bytes:
        """As much of an error's body as came within `ERROR_BODY` bytes and `ERROR_TIME` seconds."""
        try:
            gate = Bytes(ERROR_BODY)
            if self.look(gate) is HOLD:
                wait = self._wait_for(gate)
                wait.open_after(ERROR_TIME)
                await wait.decision
        except AnswerCut:
            pass
        self.pause()
        return self.held

    def _wait_for(self, gate: Gate) -> GateWait:
        wait = self._wait = GateWait(gate, self._clock, self._decided, self.abort)
        return wait

    def _decided(self, decision: Decision) -> None:
        self._wait = None  # frees the gate's decoder and the decoded bytes
        if decision is not OPEN:
            self.pause()

    def _open_in_silence(self) -> None:
        """The time for content is over: the answer is handed on, and watched until content comes."""
        wait, known = self._wait, sum(map(len, self._pieces))
        assert wait is not None
        if self._watch is None:
            gate = wait.gate
            self.silent = True
            self._watch = lambda protocol: Watch(protocol, gate, known, self._step_aside, self._content_came)
        wait.settle(OPEN)

    def _content_came(self, _: Decision) -> None:
        self.silent = False

    # The end of holding

    def commit(self, provider: str, ended: Callable[[Ending], None]) -> HeldAnswer:
        """The client gets this answer, from `provider`. `ended` is called when it has ended."""
        self.provider = provider
        self._ended = ended
        return self

    def ended(self, ending: Ending) -> None:
        """The answer has ended, or the client has disconnected."""
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(ending)

    def watch(self, gate: Gate | None, provider: str) -> None:
        """Logs what `gate` would have decided about the body, after the body was handed on; nothing without a gate."""
        if gate is not None:
            self._watch = lambda protocol: Watch(protocol, gate, 0, self._step_aside, partial(log_shadow, provider))

    def _step_aside(self, protocol: IProtocol) -> None:
        """Nothing between the connection and `protocol` looks at the body any more."""
        self._response.protocol = protocol
        join, self._join = self._join, None
        if join is not None and self._reason is None:
            join()

    def take(self) -> bytes:
        """Gives away the body of an answer that is `whole`."""
        pieces, self._pieces = self._pieces, []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def hand_on(self, protocol: IProtocol, join: Callable[[], None] | None = None) -> None:
        """Delivers the body to `protocol`, from its first byte to its end.

        Parameters:
            join: called when the rest of the body is of no interest to anyone but `protocol`.
        """
        watch, self._watch = self._watch, None
        if watch is not None:
            self._join = join
            protocol = watch(protocol)
        if self._reason is None:
            self._response.protocol = protocol
            self._response.connection.resumeProducing()  # first, because the protocol may pause it
        transport = cast("ITransport", self._response.connection)
        protocol.makeConnection(transport)
        pieces, self._pieces = self._pieces, []
        if pieces:
            protocol.dataReceived(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if self._reason is not None:
            protocol.connectionLost(self._reason)
        elif watch is None and join is not None:
            join()

    def abort(self) -> None:
        """Ends the answer at once; if it was committed, the client has disconnected."""
        wait, self._wait = self._wait, None
        if wait is not None:
            wait.stop()
        self._pieces.clear()
        self._response.protocol = None
        if self._reason is None:
            self._response.connection.stopProducing()
        self.ended(Ending.CLIENT_DISCONNECTED)

    def pause(self) -> None:
        """Stops reading for now."""
        if self._reason is None:
            self._response.connection.pauseProducing()

    # IProtocol

    def dataReceived(self, data: bytes) -> None:
        self._pieces.append(data)
        if self._wait is not None:
            self._wait.feed(data)

    def connectionLost(self, reason: Failure = WHOLE) -> None:
        self._reason = reason
        wait, self._wait = self._wait, None
        if wait is not None:
            wait.end(reason)
