"""How a body goes from a provider's answer to whoever gets it: who pauses, and what is no chunk."""

from __future__ import annotations

from typing import Any, cast

import pytest
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock

from clipal.downstream.relay import Relay
from clipal.failover.held_answer import HeldAnswer
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


def test_an_empty_piece_is_not_the_last_chunk() -> None:
    written: list[bytes] = []

    class Everything:
        """The request, its channel, and a deadline."""

        closes = False

        def __getattr__(self, name: str) -> Any:
            return self

        def __call__(self, *_: object) -> None:
            """Whatever it is, it is done."""

    request: Any = Everything()
    request.head = ResponseHead("1.1", [], [], {}, True, True, 200, b"OK", False, True)
    request.transport = Everything()
    request.transport.write = written.append
    relay = Relay(request, HEAD, list, 0, lambda _: None)
    for piece in (b"", b"a", b"", b"b"):
        relay.dataReceived(piece)
    assert b"".join(written).endswith(b"\r\n\r\n1\r\na\r\n1\r\nb\r\n")
