"""Passes the pauses of a client's transport on to the producer of the answer."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer


@implementer(IPushProducer)
class Backpressure:
    """The producer that is registered with a client's transport while the connection lasts.

    Parameters:
        resumed: called when the client takes bytes again while no other producer is registered here.

    Attributes:
        paused: whether the transport is full, because the client takes too little.
    """

    def __init__(self, resumed: Callable[[], None]) -> None:
        self._resumed = resumed
        self._producer: IPushProducer | None = None
        self.paused = False

    def register(self, producer: IPushProducer) -> None:
        """Pauses and resumes `producer` from now on; pauses it at once while the transport is full."""
        self._producer = producer
        if self.paused:
            producer.pauseProducing()

    def unregister(self) -> None:
        """Lets go of the producer, because it has written everything."""
        self._producer = None

    def pauseProducing(self) -> None:
        self.paused = True
        if self._producer is not None:
            self._producer.pauseProducing()

    def resumeProducing(self) -> None:
        self.paused = False
        if self._producer is not None:
            self._producer.resumeProducing()
        else:
            self._resumed()

    def stopProducing(self) -> None:
        """The connection is lost. Its protocol learns of that by itself."""
