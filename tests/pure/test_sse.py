"""The scanner of server-sent events: the standard's rules, however the stream is cut."""

from __future__ import annotations

import itertools
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipal.dialects.sse import Event, Scanner

BOM = b"\xef\xbb\xbf"

GNARLY = (
    BOM + b": a comment\r\nevent: first\rdata: one\ndata:two\r\n\r\n"
    b"\r\revent:lost\n\n"
    b"data\n\nid: 7\nretry: 10\nDATA: no\ndata:  two spaces\r\r\n"
    b"event: a\nevent: b\ndata: x:y: z\n\n"
    b"data: last line has no end"
)
GNARLY_EVENTS = [
    Event(b"first", b"one\ntwo"),
    Event(b"", b""),
    Event(b"", b" two spaces"),
    Event(b"b", b"x:y: z"),
]


def scan(*pieces: bytes) -> list[Event]:
    scanner = Scanner()
    return [event for piece in pieces for event in scanner.feed(piece)]


def reference(stream: bytes) -> list[Event]:
    """The same rules, on a whole stream at once."""
    lines = re.split(rb"\r\n|\r|\n", stream.removeprefix(BOM))[:-1]
    events, name, data = [], b"", b""
    for line in lines:
        found = re.fullmatch(rb"(?s)([^:]+)(?:: ?(.*))?", line)
        if not line:
            events += [Event(name, data[:-1])] if data else []
            name, data = b"", b""
        elif found and found[1] == b"event":
            name = found[2] or b""
        elif found and found[1] == b"data":
            data += (found[2] or b"") + b"\n"
    return events


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: x\n\n", [Event(b"", b"x")]),
        (b"data: x\r\r", [Event(b"", b"x")]),
        (b"data: x\r\n\r\n", [Event(b"", b"x")]),
        (b"data: x\n\r\n", [Event(b"", b"x")]),
        (b"data: x\n", []),
        (b"data: x", []),
        (b"", []),
        (b"\n\n\n", []),
        (b"event: x\n\n", []),
        (b"event: lost\n\ndata: x\n\n", [Event(b"", b"x")]),
        (b"event: a\ndata: x\n\ndata: y\n\n", [Event(b"a", b"x"), Event(b"", b"y")]),
        (b"event: a\nevent\ndata: x\n\n", [Event(b"", b"x")]),
        (b"data\n\n", [Event(b"", b"")]),
        (b"data:\n\n", [Event(b"", b"")]),
        (b"data\ndata\n\n", [Event(b"", b"\n")]),
        (b"data: a\ndata: b\ndata:c\n\n", [Event(b"", b"a\nb\nc")]),
        (b"data:  x \n\n", [Event(b"", b" x ")]),
        (b"data:\tx\n\n", [Event(b"", b"\tx")]),
        (b": ping\n\n:\n\ndata: x\n\n", [Event(b"", b"x")]),
        (b" data: x\n\ndata : x\n\nData: x\n\n", []),
        (b"id: 1\nretry: 2\nother: 3\ndata: x\n\n", [Event(b"", b"x")]),
        (BOM + b"data: x\n\n", [Event(b"", b"x")]),
        (BOM + BOM + b"data: x\n\n", []),
        (b"data: x\n\n" + BOM + b"data: y\n\n", [Event(b"", b"x")]),
        (b"data: a\x0bb\x0cc\x1cd\xc2\x85e\n\n", [Event(b"", b"a\x0bb\x0cc\x1cd\xc2\x85e")]),
        (b"data: \xff\x00\n\n", [Event(b"", b"\xff\x00")]),
        (GNARLY, GNARLY_EVENTS),
    ],
)
def test_a_stream_is_read_by_the_standards_rules(stream: bytes, events: list[Event]) -> None:
    assert scan(stream) == events
    assert reference(stream) == events


@pytest.mark.parametrize("split", range(len(GNARLY) + 1))
def test_a_cut_anywhere_changes_nothing(split: int) -> None:
    assert scan(GNARLY[:split], GNARLY[split:]) == GNARLY_EVENTS
    assert scan(GNARLY[:split], b"", GNARLY[split:]) == GNARLY_EVENTS


def test_one_byte_at_a_time_is_enough() -> None:
    assert scan(*(GNARLY[i : i + 1] for i in range(len(GNARLY)))) == GNARLY_EVENTS


def test_an_event_is_there_as_soon_as_its_blank_line_has_begun() -> None:
    scanner = Scanner()
    assert scanner.feed(b"data: x\r\n\r") == [Event(b"", b"x")]
    assert scanner.feed(b"\ndata: y\r\r") == [Event(b"", b"y")]


FRAGMENTS = st.sampled_from(
    [b"data", b"event", b"id", b":", b" ", b"\n", b"\r", b"\r\n", b"\n\n", BOM, b"x", b"data: y", b"event: e"]
)


@given(st.lists(FRAGMENTS | st.binary(max_size=4), max_size=40), st.lists(st.integers(0, 200), max_size=8))
def test_any_stream_in_any_pieces_is_read_like_the_whole(fragments: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(fragments)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[a:b] for a, b in itertools.pairwise(edges)]
    assert scan(*pieces) == scan(stream) == reference(stream)


@given(st.lists(FRAGMENTS, max_size=12))
def test_any_stream_is_read_alike_at_every_cut(fragments: list[bytes]) -> None:
    stream = b"".join(fragments)
    for split in range(len(stream) + 1):
        assert scan(stream[:split], stream[split:]) == reference(stream)


def seconds_for_a_line(length: int) -> float:
    scanner, piece = Scanner(), b"x" * 16
    began = time.process_time()
    scanner.feed(b"data: ")
    for _ in range(length // len(piece)):
        scanner.feed(piece)
    (event,) = scanner.feed(b"\n\n")
    taken = time.process_time() - began
    assert event.data == b"x" * length
    return taken


def test_a_line_of_a_megabyte_costs_linear_time() -> None:
    short = min(seconds_for_a_line(128 * 1024) for _ in range(3))
    long = min(seconds_for_a_line(1024 * 1024) for _ in range(3))
    assert long < 30 * short  # 8 times as long; what is quadratic takes 64 times


def test_an_answer_never_shows_in_a_repr() -> None:
    assert "secret" not in repr(scan(b"data: secret\n\n"))
