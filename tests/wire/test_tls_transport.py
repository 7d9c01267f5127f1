"""Our own TLS transport: every byte once and in order, and an end that nobody can forge."""

from __future__ import annotations

import ssl
from contextlib import suppress

import pytest
from twisted.internet.error import ConnectingCancelledError
from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import deferLater
from zope.interface import implementer

from clipal.transport.tls import HandshakeFailed, TLSClient
from tests.tls_world import Ours, TLSWorld
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.tls_server import TLSServerConnection
from tests.wirekit.waiting import reactor

BOTH = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
BIG = bytes(range(256)) * 4096


# Bytes


@BOTH
@ensure_deferred
async def test_bytes_go_both_ways(tls_world: TLSWorld, version: ssl.TLSVersion) -> None:
    server = tls_world.serve(maximum_version=version)
    ours, theirs = await tls_world.pair(server)
    assert ours.below.connected
    for data in (b"a", b"b" * 70_000, BIG):
        ours.send(data)
        assert await theirs.up_to(len(data)) == data
        theirs.send(data)
        assert await ours.up_to(len(data)) == data
    assert theirs.tls.version() == ("TLSv1.2" if version is ssl.TLSVersion.TLSv1_2 else "TLSv1.3")


@ensure_deferred
async def test_a_record_may_come_in_any_pieces(tls_world: TLSWorld) -> None:
    ours, theirs = await tls_world.pair(tls_world.serve())
    record = theirs.encrypt(b"hello, world")
    for at in range(len(record)):
        assert not ours.received
        theirs.send_raw(record[at : at + 1])
        await theirs.drained()
    assert await ours.up_to(12) == b"hello, world"
    assert ours.pieces == [b"hello, world"]


@ensure_deferred
async def test_what_one_read_brings_is_delivered_in_one_call(tls_world: TLSWorld) -> None:
    ours, theirs = await tls_world.pair(tls_world.serve())
    records = [theirs.encrypt(b"%d," % number) for number in range(100)]
    theirs.send_raw(b"".join(records) + records[0][:1])  # and the beginning of one that never comes
    whole = b"".join(b"%d," % number for number in range(100))
    assert await ours.up_to(len(whole)) == whole
    assert ours.pieces == [whole]


@ensure_deferred
async def test_a_paused_transport_delivers_nothing(tls_world: TLSWorld) -> None:
    ours, theirs = await tls_world.pair(tls_world.serve())
    ours.pause()
    theirs.send(b"hello")
    theirs.send(BIG)
    another, theirs_too = await tls_world.pair(tls_world.serve())
    theirs_too.send(b"hello")
    await another.wait_for(5)  # and the first one would have come before
    assert not ours.received
    ours.resume()
    assert await ours.up_to(5 + len(BIG)) == b"hello" + BIG


class SpeaksFirst(TLSServerConnection):
    """Its first bytes come with the end of the handshake; that is possible up to TLS 1.2."""

    def shaken(self) -> None:
        self.tls.write(b"hello")


class PausesFirst(Ours):
    """Does not want anything yet."""

    def connectionMade(self) -> None:
        super().connectionMade()
        self.pause()


@ensure_deferred
async def test_what_comes_with_the_handshake_is_delivered(tls_world: TLSWorld) -> None:
    server = tls_world.serve(kind=SpeaksFirst, maximum_version=ssl.TLSVersion.TLSv1_2)
    ours, _ = await tls_world.pair(server)
    assert await ours.up_to(5) == b"hello"


@ensure_deferred
async def test_bytes_behind_the_handshake_wait_while_the_protocol_pauses(tls_world: TLSWorld) -> None:
    server = tls_world.serve(kind=SpeaksFirst, maximum_version=ssl.TLSVersion.TLSv1_2)
    ours, _ = await tls_world.pair(server, ours=PausesFirst())
    assert not ours.received
    ours.resume()  # nothing more comes from the socket
    assert ours.received == b"hello"


class SpeaksAndLeaves(SpeaksFirst):
    """Has nothing more to say."""

    def shaken(self) -> None:
        super().shaken()
        with suppress(ssl.SSLWantReadError):
            self.tls.unwrap()


@pytest.mark.parametrize("kind", [Ours, PausesFirst])
@ensure_deferred
async def test_a_close_notify_may_come_with_the_handshake(tls_world: TLSWorld, kind: type[Ours]) -> None:
    server = tls_world.serve(kind=SpeaksAndLeaves, maximum_version=ssl.TLSVersion.TLSv1_2)
    ours, _ = await tls_world.pair(server, ours=kind())
    if kind is PausesFirst:
        assert ours.ended is None
        ours.resume()
    assert await ours.closed() == "close"
    assert ours.received == b"hello"


@implementer(IPushProducer)
class Producer:
    """Writes for as long as it is not told to pause."""

    def __init__(self, transport: TLSClient) -> None:
        self._transport = transport
        self.written = 0
        self.pauses = 0
        self._paused = False

    def resumeProducing(self) -> None:
        self._paused = False
        while not self._paused and self.written < 64 << 20:
            self._transport.write(BIG)
            self.written += len(BIG)

    def pauseProducing(self) -> None:
        self._paused = True
        self.pauses += 1

    def stopProducing(self) -> None:
        self._paused = True


@ensure_deferred
async def test_a_writer_is_paused_while_the_server_does_not_read(tls_world: TLSWorld) -> None:
    ours, theirs = await tls_world.pair(tls_world.serve())
    theirs.pause()
    producer = Producer(ours.below)
    ours.below.registerProducer(producer, True)
    producer.resumeProducing()
    assert producer.pauses == 1
    assert producer.written < 16 << 20
    before = producer.written
    theirs.resume()
    await theirs.wait_for(before + 1)
    assert producer.written > before
    ours.below.unregisterProducer()


@ensure_deferred
async def test_a_write_waits_for_the_rest_of_a_message_of_tls_itself(tls_world: TLSWorld) -> None:
    """In the middle of a ticket that came in two records, OpenSSL wants to read before it writes."""
    ours, theirs = await tls_world.pair(tls_world.serve())
    real = ours.below._tls

    class Stuck:
        def __init__(self) -> None:
            self.room = 3

        def write(self, data: bytes) -> int:
            if not self.room:
                raise ssl.SSLWantReadError
            taken, self.room = min(self.room, len(data)), 0
            return real.write(data[:taken])

    ours.below._tls = Stuck()  # type: ignore[assignment]
    ours.send(b"one, ")
    ours.send(b"two, ")
    await theirs.wait_for(3)
    assert theirs.received == b"one"
    ours.below._tls = real
    theirs.send(b"the rest")
    await ours.wait_for(b"the rest")
    ours.send(b"three")
    await theirs.wait_for(15)
    assert theirs.received == b"one, two, three"


# The end


@BOTH
@ensure_deferred
async def test_a_close_notify_is_an_end(tls_world: TLSWorld, version: ssl.TLSVersion) -> None:
    ours, theirs = await tls_world.pair(tls_world.serve(maximum_version=version))
    theirs.holding = True
    theirs.send(b"hello")
    theirs.say_goodbye()
    theirs.send_raw(theirs.held + b"what is behind it does not count")
    assert await ours.closed() == "close"
    assert ours.received == b"hello"
    await theirs.closed()
    assert theirs.said_goodbye


@BOTH
@ensure_deferred
async def test_a_fin_alone_is_a_cut(tls_world: TLSWorld, version: ssl.TLSVersion) -> None:
    """Anybody on the way can send one (RFC 8446, 6.1)."""
    ours, theirs = await tls_world.pair(tls_world.serve(maximum_version=version))
    theirs.send(b"hello")
    theirs.close()
    assert await ours.closed() == "aborted"
    assert ours.received == b"hello"


@ensure_deferred
async def test_a_reset_is_a_cut(tls_world: TLSWorld) -> None:
    ours, theirs = await tls_world.pair(tls_world.serve())
    theirs.abort()
    assert await ours.closed() == "aborted"


class Answers(Ours):
    """Writes while it reads, even when that is too late."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.send(b"answer")


@pytest.mark.parametrize("kind", [Ours, Answers])
@ensure_deferred
async def test_a_damaged_record_ends_the_connection_with_an_alert(tls_world: TLSWorld, kind: type[Ours]) -> None:
    ours, theirs = await tls_world.pair(tls_world.serve(), ours=kind())
    good, bad = theirs.encrypt(b"good"), bytearray(theirs.encrypt(b"evil"))
    bad[-1] ^= 1
    theirs.send_raw(good + bad + theirs.encrypt(b"late"))
    assert await ours.closed() == "aborted"
    assert ours.received == b"good"
    await theirs.closed()
    assert "bad record mac" in theirs.alert


@ensure_deferred
async def test_closing_sends_what_was_written_and_a_close_notify(tls_world: TLSWorld) -> None:
    ours, theirs = await tls_world.pair(tls_world.serve())
    theirs.send(b"hello")
    await ours.wait_for(5)  # the tickets before it too: a kernel that has unread bytes sends an RST
    theirs.pause()
    ours.send(BIG * 8)
    ours.close()
    theirs.resume()
    assert await theirs.to_the_end() == BIG * 8
    assert theirs.said_goodbye
    assert await ours.closed() == "close"


class AbortsAtOnce(Ours):
    """Leaves at the first bytes, and writes to nobody after that."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.below.abortConnection()


@ensure_deferred
async def test_nothing_is_delivered_after_an_abort(tls_world: TLSWorld) -> None:
    ours, theirs = await tls_world.pair(tls_world.serve(), ours=AbortsAtOnce())
    theirs.send(b"hello")
    await ours.wait_for(5)
    theirs.send(b"more")
    assert await ours.closed() == "aborted"
    await theirs.closed()
    assert ours.received == b"hello"
    assert not theirs.said_goodbye
    ours.send(b"into the void")


# The handshake


@ensure_deferred
async def test_a_handshake_that_breaks_off_fails_the_connecting(tls_world: TLSWorld) -> None:
    server = tls_world.serve()
    connecting = tls_world.connecting(server, tls_world.host())
    theirs = await server.accepted.get()
    theirs.close()
    with pytest.raises(HandshakeFailed, match=r"^TLS handshake failed$"):
        await connecting


@ensure_deferred
async def test_a_handshake_that_is_cancelled_closes_the_connection(tls_world: TLSWorld) -> None:
    server = tls_world.serve()
    connecting = tls_world.connecting(server, tls_world.host())
    theirs = await server.accepted.get()
    theirs.holding = True
    await theirs.wait_for(lambda _: bool(theirs.held))
    connecting.cancel()
    with pytest.raises(ConnectingCancelledError):
        await connecting
    await theirs.closed()


@BOTH
@ensure_deferred
async def test_a_session_is_resumed(tls_world: TLSWorld, version: ssl.TLSVersion) -> None:
    server = tls_world.serve(maximum_version=version)
    host = tls_world.host()
    for resumed in (False, True, True):
        ours, theirs = await tls_world.pair(server, host)
        theirs.send(b"hello")
        assert await ours.up_to(5) == b"hello"
        assert theirs.tls.session_reused is resumed
    another, theirs = await tls_world.pair(server, tls_world.host())
    theirs.send(b"hello")
    assert await another.up_to(5) == b"hello"
    assert not theirs.tls.session_reused, "each host has its own"


@ensure_deferred
async def test_a_session_is_not_offered_after_a_failure(tls_world: TLSWorld) -> None:
    good = tls_world.serve()
    host = tls_world.host()
    ours, theirs = await tls_world.pair(good, host)
    theirs.send(b"hello")
    await ours.wait_for(5)
    await deferLater(reactor, 0, lambda: None)
    assert host.session is not None
    bad = tls_world.serve()
    connecting = tls_world.connecting(bad, host)
    (await bad.accepted.get()).abort()
    with pytest.raises(HandshakeFailed):
        await connecting
    assert host.session is None
