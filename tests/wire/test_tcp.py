"""Transports that send at once: what the kernel does not take is queued, and all of it arrives, in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure
from zope.interface import implementer

from clipal.transport.dialer import Dialer
from clipal.transport.tcp import SMALL_READ, EagerClient, EagerPort
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.waiting import reactor, within

SIZES = [1, 0, 70_000, 300_000, 2_000_000, 5, 4_000_000]
PIECES = [b"%d" % number * size for number, size in enumerate(SIZES)]


class Collecting(Protocol):
    """Collects what comes, once it is told to read."""

    transport: Connection

    def __init__(self) -> None:
        self.data = bytearray()
        self.ended: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        self.transport.pauseProducing()

    def dataReceived(self, data: bytes) -> None:
        self.data += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.ended.callback(None)


class Noting(Protocol):
    """Notes how much each read brings."""

    transport: Connection

    def __init__(self) -> None:
        self.reads: list[int] = []
        self._wanted = 0
        self._all: Deferred[list[int]] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.reads.append(len(data))
        if sum(self.reads) == self._wanted:
            self._all.callback(self.reads)

    def reads_of(self, wanted: int) -> Deferred[list[int]]:
        """The reads that bring so many bytes from now on."""
        self.reads, self._wanted, self._all = [], wanted, Deferred()
        return within(self._all, lambda: str(self.reads))


@implementer(IPushProducer)
class Producer:
    """Counts how often it is paused."""

    paused = 0

    def pauseProducing(self) -> None:
        self.paused += 1

    def resumeProducing(self) -> None:
        """It has nothing more."""

    def stopProducing(self) -> None:
        """It has nothing more."""


def all_at_once(transport: EagerClient) -> None:
    transport.writeSequence(PIECES)


def views(transport: EagerClient) -> None:
    transport.writeSequence([memoryview(piece) for piece in PIECES])


def one_by_one(transport: EagerClient) -> None:
    for piece in PIECES:
        transport.write(piece)


def mixed(transport: EagerClient) -> None:
    for at in range(0, len(PIECES), 2):
        transport.writeSequence(PIECES[at : at + 1])
        transport.writeSequence(PIECES[at + 1 : at + 2])


@pytest.mark.parametrize("way", [all_at_once, views, one_by_one, mixed])
@ensure_deferred
async def test_all_of_it_arrives_in_order_however_slowly_it_is_read(way: Callable[[EagerClient], None]) -> None:
    reading = Collecting()
    port = EagerPort(0, Factory.forProtocol(lambda: reading), interface="127.0.0.1", reactor=reactor)
    port.startListening()
    endpoint = TCP4ClientEndpoint(Dialer(reactor), "127.0.0.1", port.getHost().port)
    writing = await endpoint.connect(Factory.forProtocol(Protocol))
    transport = cast("EagerClient", cast("Protocol", writing).transport)
    producer = Producer()
    transport.registerProducer(producer, True)
    way(transport)
    assert producer.paused, "six megabytes are more than a kernel takes"
    transport.unregisterProducer()
    transport.loseConnection()
    await deferLater(reactor, 0.01)
    reading.transport.resumeProducing()
    await within(reading.ended, lambda: f"{len(reading.data)} bytes")
    assert reading.data == b"".join(PIECES)
    await port.stopListening()


@ensure_deferred
async def test_a_client_reads_into_a_large_buffer_only_while_much_comes() -> None:
    writing, reading = Collecting(), Noting()
    port = EagerPort(0, Factory.forProtocol(lambda: writing), interface="127.0.0.1", reactor=reactor)
    port.startListening()
    endpoint = TCP4ClientEndpoint(Dialer(reactor), "127.0.0.1", port.getHost().port)
    await endpoint.connect(Factory.forProtocol(lambda: reading))
    reads = []
    for data in (b"x" * 1_000_000, b"little", b"x" * 1_000_000):
        writing.transport.write(data)
        reads.append(await reading.reads_of(len(data)))
    much, little, much_again = reads
    assert much[0] == much_again[0] == SMALL_READ
    assert little == [6]
    assert max(much) > SMALL_READ < max(much_again)
    reading.transport.loseConnection()
    writing.transport.resumeProducing()
    await within(writing.ended, lambda: "still open")
    await port.stopListening()
