"""A request's body: immutable bytes that can be sent again on each attempt."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IConsumer, IPushProducer
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

from clipal.transport.tcp import SendsAtOnce

_END: Final = 16 * 1024
_SLICE: Final = 256 * 1024
_AT_ONCE: Final = 1024 * 1024
"""Bytes handed to the transport at a time. The transport copies what the kernel does not take into its buffer.

The transport asks for more while it still holds up to 64 KiB (Twisted's `bufferSize`), so it holds both at most.
"""
_PIECES: Final = 64
"""Pieces in one system call at most; systems take some hundreds."""

Piece: TypeAlias = bytes | bytearray | memoryview
"""A part of a body."""


@implementer(IBodyProducer)
class BytesBody:
    """Writes what it holds to any number of consumers, one after another or at once.

    Parameters:
        pieces: the body's parts in order. They are joined only for `whole`, which takes the body's size in memory
            once more.
    """

    def __init__(self, *pieces: Piece) -> None:
        self._pieces: Sequence[Piece] = pieces
        self._variants: list[BytesBody] = []
        self.length = sum(map(len, pieces))

    @property
    def whole(self) -> bytes:
        """The body in one piece."""
        pieces = self._pieces
        if len(pieces) != 1 or not isinstance(pieces[0], bytes):
            pieces = self._pieces = (b"".join(pieces),)
        return bytes(pieces[0])

    @property
    def ends(self) -> bytes:
        """The first and the last 16 KiB with a NUL between them; the whole of a body that is not longer than both."""
        if self.length <= 2 * _END:
            return self.whole
        return _beginning(self._pieces) + b"\0" + _end(self._pieces)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Writes the body as fast as `consumer` takes it. The Deferred fires after the last byte.

        The consumers of twisted.web's own agent have no `registerProducer`: they get the body in one write.
        """
        if not hasattr(consumer, "registerProducer"):
            consumer.write(self.whole)
            return succeed(None)
        return _Sending(self._pieces, consumer).done

    def with_replaced(self, parts: Iterable[tuple[int, int, bytes]]) -> BytesBody:
        """A body with other bytes in some places. The bytes that stay are not copied.

        `forget` of this body forgets the new body too.

        Parameters:
            parts: in order: begin and end of the bytes to replace, and the new bytes.
        """
        whole, at = memoryview(self.whole), 0
        pieces: list[Piece] = []
        for begin, end, new in parts:
            pieces += (whole[at:begin], new)
            at = end
        variant = BytesBody(*pieces, whole[at:])
        self._variants.append(variant)
        return variant

    def forget(self) -> None:
        """Drops the bytes, which are not sent again: a cancelled request's traceback may keep the body itself."""
        self._pieces = ()
        self.length = 0
        for variant in self._variants:
            variant.forget()

    def stopProducing(self) -> None:
        """Does nothing: each sending ends with its own connection."""

    pauseProducing = resumeProducing = stopProducing


@implementer(IPushProducer)
class _Sending:
    """One body on its way to one connection."""

    def __init__(self, pieces: Iterable[Piece], consumer: IConsumer) -> None:
        self._slices = deque(
            memoryview(piece)[begin : begin + _SLICE] for piece in pieces for begin in range(0, len(piece), _SLICE)
        )
        self._consumer = consumer
        self._write: Callable[[list[memoryview]], None] = lambda views: consumer.write(b"".join(views))
        if isinstance(consumer, SendsAtOnce):  # it copies no more than what the kernel does not take
            self._write = consumer.writeSequence
        self._paused = False
        self.done: Deferred[None] = Deferred()
        consumer.registerProducer(self, True)
        self.resumeProducing()

    def resumeProducing(self) -> None:
        self._paused = False
        while not self._paused and self._slices:
            self._write(self._next())
        if not self._slices and not self.done.called:
            self._consumer.unregisterProducer()
            self.done.callback(None)

    def _next(self) -> list[memoryview]:
        taken = [self._slices.popleft()]
        room = _AT_ONCE - len(taken[0])
        while self._slices and len(self._slices[0]) <= room and len(taken) < _PIECES:
            taken.append(self._slices.popleft())
            room -= len(taken[-1])
        return taken

    def pauseProducing(self) -> None:
        self._paused = True

    def stopProducing(self) -> None:
        self._paused = True
        self._slices.clear()


def _beginning(pieces: Iterable[Piece]) -> bytes:
    taken = b""
    for piece in pieces:
        taken += bytes(piece[: _END - len(taken)])
        if len(taken) == _END:
            break
    return taken


def _end(pieces: Sequence[Piece]) -> bytes:
    taken = b""
    for piece in reversed(pieces):
        taken = bytes(piece[len(taken) - _END :]) + taken
        if len(taken) == _END:
            break
    return taken
