"""A splice sends with the client's own socket, and through its transport whatever the socket does not take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from attrs import define, field
from twisted.internet.interfaces import IProtocol

from clipal.dialects.token_counts import BEGINNING, TAIL
from clipal.downstream.splice import Splice
from clipal.upstream.connection import Connection
from clipal.wire.response_parser import Body


@define
class Client:
    """A client's transport, and its socket.

    Attributes:
        room: bytes that the socket takes.
        broken: whether the socket takes nothing any more.
        taken: by the socket.
        queued: in the transport.
        sends: how often the socket was used directly.
    """

    room: int = 1_000_000
    broken: bool = False
    taken: bytes = b""
    queued: bytes = b""
    sends: int = 0

    def direct(self) -> Callable[[bytes], int] | None:
        return None if self.queued else self._send

    def write(self, data: bytes) -> None:
        self.queued += data
        self.flush()

    def flush(self) -> None:
        """The socket takes what it has room for."""
        at_once = 0 if self.broken else self.room
        self.taken += self.queued[:at_once]
        self.room -= len(self.queued[:at_once])
        self.queued = self.queued[at_once:]

    def _send(self, data: bytes) -> int:
        self.sends += 1
        if self.broken or not self.room:
            raise BlockingIOError
        sent = data[: self.room]
        self.taken += sent
        self.room -= len(sent)
        return len(sent)


@define
class Unframed:
    """A provider's connection whose bytes are the body; each of `~` separates two pieces of one read."""

    pieces: list[bytes] = field(factory=list)

    def spliced(self, protocol: IProtocol) -> Body:
        return Body(self._feed, self.pieces)

    def _feed(self, data: bytes) -> None:
        self.pieces += data.split(b"~")


def joined(client: Client, *, chunked: bool = False) -> Splice:
    splice = Splice(cast("Any", client), lambda: 7.0, chunked=chunked)
    splice.join(cast("Connection", Unframed()))
    return splice


def test_what_the_socket_takes_goes_to_it_directly() -> None:
    client = Client()
    splice = joined(client, chunked=True)
    splice.dataReceived(b"one~two")
    splice.dataReceived(b"three")
    assert client.taken == b"6\r\nonetwo\r\n5\r\nthree\r\n"
    assert client.sends == 2
    assert (splice.sent, splice.heard_at) == (11, 7.0)


def test_what_the_socket_does_not_take_is_queued_and_nothing_overtakes_it() -> None:
    client = Client(room=3)
    splice = joined(client)
    for piece in (b"hello", b" ", b"world"):
        splice.dataReceived(piece)
    assert (client.taken, client.queued, client.sends) == (b"hel", b"lo world", 1)
    client.room = 1000
    client.flush()
    for piece in (b"!", b"!", b"!"):
        splice.dataReceived(piece)
    assert client.taken == b"hello world!!!"
    assert client.sends == 3, "the first piece behind the queue goes through the transport, the others do not"


def test_a_broken_socket_is_left_to_its_transport() -> None:
    client = Client(broken=True)
    splice = joined(client)
    splice.dataReceived(b"hello")
    assert (client.queued, client.sends) == (b"hello", 1)


@pytest.mark.parametrize("size", [1, 100, 3000, TAIL, 100_000])
def test_the_ends_of_a_body_are_kept_however_it_comes(size: int) -> None:
    splice, body = joined(Client()), bytes(range(65, 91)) * 4000
    for at in range(0, len(body), size):
        splice.dataReceived(body[at : at + size])
        beginning, end = splice.ends()
        so_far = body[: at + size]
        assert (beginning, end) == (so_far[:BEGINNING], so_far[-TAIL:])
