"""A request's body: immutable bytes that can be sent again on each attempt."""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IConsumer, IPushProducer
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

from clipal.transport.eager import SendsAtOnce

_SLICE = 256 * 1024
"""Bytes handed to the transport at a time: more would be copied into its buffer while the provider does not read."""


@implementer(IBodyProducer)
class BytesBody:
    """Writes `body` to any number of consumers, one after another or at once."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.length = len(body)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Writes all of it, as fast as `consumer` takes it; the Deferred fires behind the last byte.

        twisted.web's own agent hands out consumers that can only be written to: they get it at once.
        """
        if not hasattr(consumer, "registerProducer"):
            consumer.write(self.body)
            return succeed(None)
        return _Sending(self.body, consumer).done

    def forget(self) -> None:
        """Nobody will send it again. A cancelled request's traceback would keep it until the next full collection."""
        self.body = b""

    def stopProducing(self) -> None:
        """Nothing to stop: each sending ends with its own connection."""

    pauseProducing = resumeProducing = stopProducing


@implementer(IPushProducer)
class _Sending:
    """One body on its way to one connection."""

    def __init__(self, body: bytes, consumer: IConsumer) -> None:
        self._body = memoryview(body)
        self._consumer = consumer
        # An eager transport copies no more than what the kernel does not take at once.
        self._write = consumer.write if isinstance(consumer, SendsAtOnce) else lambda view: consumer.write(bytes(view))
        self._offset = 0
        self._paused = False
        self.done: Deferred[None] = Deferred()
        consumer.registerProducer(self, True)
        self.resumeProducing()

    def resumeProducing(self) -> None:
        self._paused = False
        while not self._paused and self._offset < len(self._body):
            begin, self._offset = self._offset, self._offset + _SLICE
            self._write(self._body[begin : self._offset])
        if self._offset >= len(self._body) and not self.done.called:
            self._consumer.unregisterProducer()
            self.done.callback(None)

    def pauseProducing(self) -> None:
        self._paused = True

    def stopProducing(self) -> None:
        self._paused = True
        self._offset = 0
        self._body = self._body[:0]
