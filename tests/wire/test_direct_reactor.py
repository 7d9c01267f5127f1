"""The reactor that reads connections in its loop: what one connection does to the others of the same round."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from twisted.internet.main import CONNECTION_DONE
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure

from clipal.transport.tcp import EagerPort
from tests.wirekit.fixtures import FlushLoggedFailures

pytest.importorskip("select", reason="no epoll").epoll  # noqa: B018
from clipal.transport.epoll import DirectReactor  # noqa: E402


class Served(Protocol):
    """One connection of the server's."""

    transport: Connection

    def __init__(self) -> None:
        self.data = b""
        self.lost: Failure | None = None
        self.received: Callable[[], None] = lambda: None

    def dataReceived(self, data: bytes) -> None:
        self.data += data
        self.received()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = reason


class Rig:
    """A reactor of its own, which turns only when a test says so, with a server on it."""

    def __init__(self) -> None:
        self.reactor = DirectReactor()
        self.served: list[Served] = []
        factory = Factory.forProtocol(self._serve)
        factory.noisy = False
        self.port = EagerPort(0, factory, interface="127.0.0.1", reactor=self.reactor)
        self.port.startListening()
        self._clients: list[socket.socket] = []

    def _serve(self) -> Served:
        self.served.append(Served())
        return self.served[-1]

    def turn(self, until: Callable[[], object]) -> None:
        """Turns the reactor until something is so."""
        for _ in range(200):
            if until():
                return
            self.reactor.iterate(0.01)
        raise AssertionError("it never came")

    def connect(self) -> tuple[socket.socket, Served]:
        """A client, and its connection at the server."""
        known = len(self.served)
        client = socket.create_connection(self.port.socket.getsockname(), 5)
        self._clients.append(client)
        self.turn(lambda: len(self.served) > known)
        return client, self.served[-1]

    def close(self) -> None:
        """Leaves no descriptor."""
        for client in self._clients:
            client.close()
        for each in {self.port, *self.reactor.removeAll(), *self.reactor._internalReaders}:
            each.connectionLost(Failure(CONNECTION_DONE))
        self.reactor._poller.close()


@pytest.fixture
def rig() -> Iterator[Rig]:
    with closing(Rig()) as made:
        yield made


def send_together(*clients: socket.socket) -> None:
    """Lets all of them have something to read in one round."""
    for client in clients:
        client.sendall(b"hello")


def test_an_exception_ends_its_connection_and_no_other(rig: Rig, flush_logged_failures: FlushLoggedFailures) -> None:
    (first, broken), (second, well) = rig.connect(), rig.connect()

    def bug() -> None:
        raise ZeroDivisionError

    broken.received = bug
    send_together(first, second)
    rig.turn(lambda: well.data and broken.lost)
    assert broken.lost is not None
    assert broken.lost.check(ZeroDivisionError)
    assert len(flush_logged_failures(ZeroDivisionError)) == 1
    assert first.recv(1) == b"", "the client notices"
    second.sendall(b" again")
    rig.turn(lambda: well.data == b"hello again")


def test_an_exception_at_the_end_of_a_connection_keeps_no_other_from_its_turn(
    rig: Rig, flush_logged_failures: FlushLoggedFailures
) -> None:
    (first, one), (second, two), (third, well) = rig.connect(), rig.connect(), rig.connect()

    def bug(reason: Failure = connectionDone) -> None:
        raise ZeroDivisionError

    one.connectionLost = two.connectionLost = bug  # type: ignore[method-assign]
    first.close()
    second.close()
    third.sendall(b"hello")
    rig.turn(lambda: well.data)
    assert len(flush_logged_failures(ZeroDivisionError)) == 2


def test_a_connection_that_was_aborted_in_the_same_round_is_not_read(rig: Rig) -> None:
    (first, one), (second, two) = rig.connect(), rig.connect()
    one.received, two.received = lambda: two.transport.abortConnection(), lambda: one.transport.abortConnection()
    send_together(first, second)
    rig.turn(lambda: one.lost or two.lost)
    assert sorted([one.data, two.data]) == [b"", b"hello"]


def test_a_descriptor_that_is_used_anew_in_the_same_round_gets_nothing_of_the_old_one(rig: Rig) -> None:
    (first, one), (second, two) = rig.connect(), rig.connect()
    rig.port.stopReading()
    waiting = socket.create_connection(rig.port.socket.getsockname(), 5)
    rig._clients.append(waiting)

    def close_and_accept(other: Served) -> None:
        number = other.transport.fileno()
        other.transport.connectionLost(Failure(CONNECTION_DONE))
        rig.port.doRead()
        assert rig.served[-1].transport.fileno() == number

    one.received, two.received = lambda: close_and_accept(two), lambda: close_and_accept(one)
    send_together(first, second)
    rig.turn(lambda: len(rig.served) == 3)
    new = rig.served[-1]
    waiting.sendall(b"mine")
    rig.turn(lambda: new.data)
    assert (new.data, new.lost) == (b"mine", None)


def test_a_pause_within_a_read_holds_the_next_bytes_back(rig: Rig) -> None:
    client, served = rig.connect()
    served.received = served.transport.pauseProducing
    client.sendall(b"one")
    rig.turn(lambda: served.data)
    client.sendall(b"two")
    for _ in range(5):
        rig.reactor.iterate(0.01)
    assert served.data == b"one"
    served.received = lambda: None
    served.transport.resumeProducing()
    rig.turn(lambda: served.data == b"onetwo")
    client.shutdown(socket.SHUT_WR)
    rig.turn(lambda: served.lost)
