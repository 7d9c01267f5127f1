"""What a client's transport says about its queue, passed on to whoever answers the client."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer


@implementer(IPushProducer)
class Backpressure:
    """The producer of a client's transport, for as long as the connection lasts.

    Parameters:
        resumed: called when the client takes what is written again, and no producer is answering it.

    Attributes:
        paused: whether the client has not taken what was written.
    """

    def __init__(self, resumed: Callable[[], None]) -> None:
        self._resumed = resumed
        self._producer: IPushProducer | None = None
        self.paused = False

    def register(self, producer: IPushProducer) -> None:
        """Lets `producer` be paused and resumed; it is paused at once where the client takes nothing now."""
        self._producer = producer
        if self.paused:
            producer.pauseProducing()

    def unregister(self) -> None:
        """The producer has written all."""
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
        """The transport is going away; its protocol is told of that."""
