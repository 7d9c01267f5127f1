"""How a body goes from a provider's answer to whoever gets it: who pauses, and what is no chunk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock

from clipal.downstream.relay import Relay
from clipal.failover.held_answer import HeldAnswer
from clipal.failover.trail import Ending
from clipal.transport.deadline import Deadline
from clipal.upstream.response import Response
from clipal.wire.message import ResponseHead

HEAD = ResponseHead("1.1", [], [], {}, True, True, 200, b"OK", False, True)


class Connection:
    """One that remembers whether it is paused."""

    def __init__(self) -> None:
        self.paused = True

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        self.paused = False

    def stopProducing(self) -> None:
        """Nothing to stop."""


class Full(Protocol):
    """Takes one piece, and then no more for now; or it is full from the beginning."""

    def __init__(self, *, at_once: bool) -> None:
        self.data = b""
        self._at_once = at_once

    def connectionMade(self) -> None:
        if self._at_once:
            self._pause()

    def dataReceived(self, data: bytes) -> None:
        self.data += data
        self._pause()

    def _pause(self) -> None:
        cast("IPushProducer", self.transport).pauseProducing()


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("held", [False, True])
def test_a_protocol_that_pauses_with_its_first_piece_stays_paused(held: bool, at_once: bool) -> None:
    connection, full = Connection(), Full(at_once=at_once)
    response = Response(HEAD, connection)
    response.body_received(b"piece")
    if held:
        HeldAnswer(response, Clock()).hand_on(full)
    else:
        response.deliverBody(full)
    assert full.data == b"piece"
    assert connection.paused


class Asked:
    """A request, its channel and its client's transport, as far as a relay asks them; it is done, whatever it is."""

    closes = False
    head = HEAD

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.aborted = False
        self.clock = self.reactor = Clock()
        self.silence = Deadline(self.clock)

    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self, *_: object) -> None:
        """Done."""

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def direct(self) -> None:
        """What is written here goes to no socket."""

    def abort(self) -> None:
        self.aborted = True


def test_an_empty_piece_is_not_the_last_chunk() -> None:
    request: Any = Asked()
    relay = Relay(request, HEAD, list, 0, lambda _: None)
    for piece in (b"", b"a", b"", b"b"):
        relay.dataReceived(piece)
    assert b"".join(request.written).endswith(b"\r\n\r\n1\r\na\r\n1\r\nb\r\n")


@pytest.fixture
def relayed() -> Iterator[tuple[Any, Relay, list[Ending]]]:
    """A request whose answer is being relayed, its relay, and how the answer ended."""
    request, ended = Asked(), list[Ending]()
    relay = Relay(cast("Any", request), HEAD, list, 60.0, ended.append)
    relay.makeConnection(cast("Any", Connection()))
    relay.dataReceived(b"first")
    yield request, relay, ended
    request.silence.close()


def test_silence_begins_with_the_last_piece(relayed: tuple[Any, Relay, list[Ending]]) -> None:
    request, relay, ended = relayed
    for _ in range(5):
        request.clock.advance(59.0)
        relay.splice.pass_on(b"piece", b"")
    request.clock.advance(59.0)
    assert not ended
    request.clock.advance(1.0)
    assert ended == [Ending.SILENT]
    assert request.aborted


def test_a_client_that_takes_nothing_makes_no_silence(relayed: tuple[Any, Relay, list[Ending]]) -> None:
    """The time begins anew when the client takes bytes again."""
    request, relay, ended = relayed
    relay.pauseProducing()
    request.clock.advance(1000.0)
    relay.resumeProducing()
    request.clock.advance(59.0)
    assert not ended
    request.clock.advance(1.0)
    assert ended == [Ending.SILENT]
