"""A request's body: pieces that are sent as they are, as often as it takes."""

from __future__ import annotations

from typing import cast

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.interfaces import IConsumer, IProducer, IPushProducer
from zope.interface import implementer

from clipal.upstream.body import BytesBody

END = 16 * 1024
PIECES = st.lists(
    st.one_of(st.binary(max_size=20), st.integers(0, 3 * END).map(lambda size: b"x" * size), st.just(bytearray(b"y"))),
    max_size=6,
)


@implementer(IConsumer)
class Consumer:
    """Asks for a pause behind each write."""

    def __init__(self) -> None:
        self.producer: IPushProducer | None = None
        self.written: list[bytes] = []

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        self.producer = cast("IPushProducer", producer)

    def unregisterProducer(self) -> None:
        self.producer = None

    def write(self, data: bytes) -> None:
        self.written.append(data)
        assert self.producer is not None
        self.producer.pauseProducing()


@given(PIECES)
def test_a_body_is_sent_in_order_and_as_slowly_as_it_is_taken(pieces: list[bytes | bytearray]) -> None:
    body, all_of_it = BytesBody(*pieces), b"".join(pieces)
    for _ in range(2):  # it is sent again to the next provider
        consumer = Consumer()
        done = body.startProducing(consumer)
        assert len(consumer.written) <= 1
        while consumer.producer is not None:
            before = len(consumer.written)
            consumer.producer.resumeProducing()
            assert len(consumer.written) == before + 1
        assert done.called
        assert b"".join(consumer.written) == all_of_it
    assert body.length == len(all_of_it)
    assert body.whole == all_of_it


@given(PIECES)
def test_a_bodys_ends_are_found_without_joining_it(pieces: list[bytes | bytearray]) -> None:
    body, all_of_it = BytesBody(*pieces), b"".join(pieces)
    if len(all_of_it) <= 2 * END:
        assert body.ends == all_of_it
    else:
        assert body.ends == all_of_it[:END] + b"\0" + all_of_it[-END:]


def test_a_large_body_is_handed_on_in_pieces() -> None:
    """Or all of it would be copied into the buffer of a provider that does not read."""
    body, consumer = BytesBody(b"a" * 2_000_000, b"b" * 10), Consumer()
    body.startProducing(consumer)
    while consumer.producer is not None:
        consumer.producer.resumeProducing()
    assert [len(each) for each in consumer.written] == [4 * 262_144, 2_000_010 - 4 * 262_144]


def test_many_pieces_go_together() -> None:
    body, consumer = BytesBody(*[b"c" * 20_000] * 150, b"d"), Consumer()
    body.startProducing(consumer)
    while consumer.producer is not None:
        consumer.producer.resumeProducing()
    assert [len(each) for each in consumer.written] == [1_040_000, 1_040_000, 920_001]


def test_nothing_is_sent_behind_a_stop() -> None:
    body, consumer = BytesBody(b"a" * 2_000_000), Consumer()
    body.startProducing(consumer)
    assert consumer.producer is not None
    consumer.producer.stopProducing()
    assert len(b"".join(consumer.written)) == 4 * 262_144


def test_a_forgotten_body_holds_no_bytes() -> None:
    body = BytesBody(b"a", b"b")
    body.forget()
    assert body.whole == b""
    assert body.length == 0


def test_parts_are_replaced_in_a_body_of_its_own() -> None:
    body = BytesBody(b"one two", bytearray(b" three"))
    other = body.with_replaced([(0, 3, b"1"), (8, 13, b"333")])
    consumer = Consumer()
    other.startProducing(consumer)
    while consumer.producer is not None:
        consumer.producer.resumeProducing()
    assert b"".join(consumer.written) == other.whole == b"1 two 333"
    assert other.length == 9
    assert body.whole == b"one two three"


def test_a_body_is_forgotten_with_the_one_that_it_was_made_of() -> None:
    body = BytesBody(b"one two")
    other = body.with_replaced([(0, 3, b"1")])
    body.forget()
    assert (other.length, other.whole) == (0, b"")
