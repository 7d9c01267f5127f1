"""No descriptor is left for another client: nobody is accepted until somebody gives way or is gone."""

from __future__ import annotations

from typing import Any, cast

import pytest
from twisted.internet.task import Clock

from clipal.downstream.connections import Connections
from clipal.process.descriptors import OF_CLIENT, Descriptors
from clipal.transport.tcp import EagerPort


class Client:
    """One that has been idle since a time, and is told to close."""

    def __init__(self, idle_since: float) -> None:
        self.idle_since = idle_since
        self.closed = False
        self.transport = self

    def gives_way(self, before: float) -> bool:
        return self.idle_since <= before

    def loseConnection(self) -> None:
        self.closed = True


class Port:
    """One that listens, and may be told not to."""

    connected = True
    may_accept: Any = None
    reading = True

    def stopReading(self) -> None:
        self.reading = False

    def startReading(self) -> None:
        self.reading = True


@pytest.mark.parametrize("idle", [True, False])
def test_nobody_is_accepted_without_a_descriptor(idle: bool) -> None:
    clock, port = Clock(), Port()
    clock.advance(100.0)
    connections = Connections(clock, Descriptors(OF_CLIENT), lambda: False)
    connections.accept_from(cast("EagerPort", port))
    assert port.may_accept()
    client = Client(0.0 if idle else float("inf"))
    connections.add(cast("Any", client))
    assert not port.may_accept()
    assert (client.closed, port.reading) == (idle, False)
    connections.discard(cast("Any", client))
    assert port.reading
    assert port.may_accept()
    connections.stop()
