"""The parser itself: however the bytes are cut, the same items come out; its limits; what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any
from weakref import ref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipal.wire.message import END, BadMessage, RequestHead, RequestItem, ResponseHead
from clipal.wire.parser import TARGET_LIMIT
from clipal.wire.request_parser import FIELDS_LIMIT, HEAD_LIMIT, RequestParser
from clipal.wire.response_parser import ANSWER_HEAD_LIMIT, ResponseParser


def plain(items: Iterable[object]) -> list[Any]:
    """Items that can be compared: heads as tuples, neighbouring pieces of a body joined, and no words of a refusal."""
    found: list[Any] = []
    for item in items:
        if isinstance(item, bytes):
            if found and isinstance(found[-1], bytes):
                item = found.pop() + item
            found.append(item)
        elif isinstance(item, RequestHead):
            found.append((item.method, item.target, item.version, item.fields, item.keep_alive, item.upgrade))
        elif isinstance(item, ResponseHead):
            found.append((item.status, item.reason, item.version, item.fields, item.keep_alive, item.until_close))
        else:
            found.append(item.status if isinstance(item, BadMessage) else item)
    return found


def parsed(pieces: Iterable[bytes]) -> list[Any]:
    parser = RequestParser()
    return plain([item for piece in pieces for item in all_items(parser, piece)])


def all_items(parser: RequestParser, data: bytes) -> Iterator[RequestItem]:
    """The items of all requests in `data`: a feed stops behind each."""
    while data:
        yield from parser.feed(data)
        data = parser.take_rest()


def answered(pieces: Iterable[bytes], method: bytes = b"GET", *, eof: bool = False) -> list[Any]:
    parser = ResponseParser()
    parser.expect(method)
    items: list[object] = [item for piece in pieces for item in parser.feed(piece)]
    return plain([*items, parser.eof()] if eof else items)


def fed_past(pieces: Iterable[bytes]) -> list[Any]:
    """As `answered`, but each body is fed past the parser, as a splice does it, as soon as there is one."""
    parser, body, taken = ResponseParser(), None, 0
    items: list[object] = []
    for piece in pieces:
        if body is None:
            items += parser.feed(piece)
            body = parser.body()
            continue
        error: Exception | None = None
        try:
            body.feed(piece)
        except Exception as raised:
            error = raised
        if error is not None or not body.pieces:
            items += parser.fed(piece, error, taken)
        taken += sum(map(len, body.pieces))
        items += body.pieces
        body.pieces.clear()
        if items[-1] is END or isinstance(items[-1], BadMessage):
            body = None
    return plain(items)


def singles(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    at = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(at) if a < b]


TOKEN = st.text("abcXYZ-_09!#~", min_size=1, max_size=8).map(str.encode)
NAMES = TOKEN.map(lambda name: b"X-" + name)
VALUES = st.binary(max_size=12).map(lambda value: bytes(b for b in value if b > 31 and b != 127).strip(b" "))
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=4)
BODY = st.binary(max_size=40)


def written(fields: list[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%b:%b \r\n" % field for field in fields)


def framed(framing: str, pieces: list[bytes]) -> bytes:
    """The framing's field, the empty line and a body."""
    if framing == "none":
        return b"\r\n"
    if framing == "length":
        body = b"".join(pieces)
        return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    chunks = b"".join(b"%x;e=f\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece)
    trailer = b"X-Sum: 1\r\n" if framing == "trailer" else b""
    return b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n" + trailer + b"\r\n"


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    method = draw(st.sampled_from([b"GET", b"POST", b"OPTIONS", b"QUERY", b"M-SEARCH"]))
    target = b"/" + draw(st.text("abc/%?&=.", max_size=10)).encode()
    framing = draw(st.sampled_from(["none", "length", "chunked", "trailer"]))
    upgrade = draw(
        st.sampled_from([b"", b"", b"Connection: upgrade\r\nUpgrade: websocket\r\n", b"Connection: close\r\n"])
    )
    before = draw(st.sampled_from([b"", b"", b"\r\n", b"\r\n\r\n"]))
    start = b"%b%b %b HTTP/1.1\r\nHost: h\r\n" % (before, method, target)
    return start + upgrade + written(draw(FIELDS)) + framed(framing, draw(st.lists(BODY, max_size=3)))


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    interim = draw(
        st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" * 2])
    )
    status = draw(st.sampled_from([b"200 OK", b"429 Too Many", b"529 ", b"599"]))
    framing = draw(st.sampled_from(["length", "chunked", "trailer"]))
    start = b"HTTP/1.1 %b\r\n%b" % (status, written(draw(FIELDS)))
    return interim + start + framed(framing, draw(st.lists(BODY, max_size=3)))


@given(st.lists(requests(), min_size=1, max_size=3).map(b"".join), st.lists(st.integers(0, 10_000), max_size=6))
def test_requests_are_the_same_however_they_are_cut(data: bytes, places: list[int]) -> None:
    whole = parsed([data])
    assert whole[-1] is END or b"Connection: close" in data
    assert parsed(cut(data, places)) == whole
    assert parsed(singles(data)) == whole


@given(answers(), st.lists(st.integers(0, 10_000), max_size=6))
def test_answers_are_the_same_however_they_are_cut(data: bytes, places: list[int]) -> None:
    whole = answered([data])
    assert whole[-1] is END
    assert answered(cut(data, places)) == whole
    assert answered(singles(data)) == whole


@given(answers(), st.binary(max_size=10), st.integers(0, 10_000), st.lists(st.integers(0, 10_000), max_size=6))
def test_a_body_that_is_fed_past_the_parser_is_the_same(
    data: bytes, damage: bytes, place: int, places: list[int]
) -> None:
    place %= len(data)
    for each in (data, data[:place] + damage + data[place + len(damage) :]):
        for pieces in (cut(each, places), singles(each)):
            assert fed_past(pieces) == answered(pieces)


@given(requests(), st.binary(max_size=10), st.integers(0, 10_000), st.lists(st.integers(0, 10_000), max_size=4))
def test_damaged_requests_are_refused_or_taken_the_same_however_they_are_cut(
    data: bytes, damage: bytes, place: int, places: list[int]
) -> None:
    at = place % (len(data) + 1)
    damaged = data[:at] + damage + data[at + len(damage) :]
    whole, pieces = parsed([damaged]), parsed(cut(damaged, places))
    assert [400 if item == 501 else item for item in pieces] == [400 if item == 501 else item for item in whole]


# Requests


def test_a_chunk_extension_without_an_end_is_refused_past_the_parser_too() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert isinstance(fed_past([head, b"1;", *[b"a" * 1000] * 20])[-1], int), "a status: the answer is refused"
    between = [b"1;", b"a" * 9000, b"\r\nx\r\n"]
    assert fed_past([head, *between * 4, b"0\r\n\r\n"])[1:] == [b"xxxx", END], "content between begins the count anew"


def test_a_head_is_what_came() -> None:
    (head,) = RequestParser().feed(
        b"POST /a?%2F HTTP/1.1\r\nHost: h\r\nx-A:  b \t\r\nX-a: c\r\nContent-Length: 2\r\n\r\n"
    )
    assert isinstance(head, RequestHead)
    assert (head.method, head.target, head.version) == (b"POST", b"/a?%2F", "1.1")
    assert head.fields == [(b"Host", b"h"), (b"x-A", b"b"), (b"X-a", b"c"), (b"Content-Length", b"2")]
    assert head.keys == [b"host", b"x-a", b"x-a", b"content-length"]
    assert head.table[b"x-a"] == b"c"
    assert (head.content_length, head.chunked, head.keep_alive, head.upgrade) == (2, False, True, False)


@pytest.mark.parametrize(
    ("data", "keep_alive"),
    [
        (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True),
    ],
)
def test_keep_alive_follows_version_and_connection(data: bytes, keep_alive: bool) -> None:
    head, end = RequestParser().feed(data)
    assert isinstance(head, RequestHead)
    assert head.keep_alive is keep_alive
    assert end is END


def test_pipelined_requests_come_in_order() -> None:
    one = b"POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
    two = b"GET /2 HTTP/1.1\r\nHost: h\r\n\r\n"
    items = parsed([one + two + two])
    assert [item[1] if isinstance(item, tuple) else item for item in items] == [
        b"/1",
        b"abc",
        END,
        b"/2",
        END,
        b"/2",
        END,
    ]


@pytest.mark.parametrize("empty", [b"\r\n", b"\r\n\r\n"])
@pytest.mark.parametrize("framing", ["none", "length", "chunked"])
def test_an_empty_line_that_comes_by_itself_belongs_to_no_body(framing: str, empty: bytes) -> None:
    asked = b"POST /a HTTP/1.1\r\nHost: h\r\n" + framed(framing, [b"hello"])
    assert parsed([asked, empty, asked]) == parsed([asked, asked])
    assert parsed([asked + empty, asked]) == parsed([asked, asked])


def get(*lines: bytes, start: bytes = b"GET / HTTP/1.1") -> bytes:
    return b"\r\n".join([start, b"Host: h", *lines, b"", b""])


PIPELINED = {
    "no body": get(),
    "a length": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\na\r\n\r\nb",
    "a large length": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 17000\r\n\r\n" + b"a" * 17_000,
    "chunks": b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n\r\n\r\n\r\n0\r\n\r\n",
    "trailers": b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n",
    "an upgrade": get(b"Connection: upgrade", b"Upgrade: h2c"),
    "an upgrade with chunks": get(b"Connection: upgrade", b"Upgrade: h2c", b"Transfer-Encoding: chunked")
    + b"1\r\na\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("first", PIPELINED.values(), ids=PIPELINED.keys())
def test_nothing_is_parsed_behind_the_end_of_a_request(first: bytes) -> None:
    """Wherever the bytes are cut, and whatever comes next: it stays in `rest` until it is fed again."""
    following = b"GET /next HTTP/1.1\r\nX" * 3
    data = first + following
    for at in range(max(3, len(first) - 80), len(first)):
        for between in (0, 1, 2):
            parser = RequestParser()
            pieces = data[: at - between], data[at - between : at], data[at:]
            items = [item for piece in pieces for item in parser.feed(piece)]
            assert isinstance(items[0], RequestHead)
            assert items[-1] is END
            assert items.count(END) == 1
            assert parser.take_rest() == following


@pytest.mark.parametrize("line", [b"GET / RTSP/1.0", b"GET / ICE/1.0", b"GET / HTTP/2.0", b"GET  / HTTP/1.0"])
@pytest.mark.parametrize("following", [b"\r\n\r\n", b"\r\nX: ", b"\r\nX: y\r\n\r\n", b"\r\nContent-Length: 18\r\n\r\n"])
def test_a_line_of_http_further_on_excuses_no_other_protocol(line: bytes, following: bytes) -> None:
    for behind in (b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"):
        data = line + following + behind
        for at in range(len(data)):
            found = parsed([data[:at], data[at:]])
            assert len(found) == 1
            assert found[0] in (400, 501, 505)


def test_many_declined_upgrades_are_as_many_requests() -> None:
    data = get(b"Connection: upgrade", b"Upgrade: h2c")
    assert parsed([data * 2000]).count(END) == 2000


def test_the_body_of_one_feed_is_one_piece() -> None:
    data = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n"
    assert RequestParser().feed(data)[1:] == [b"ab", END]


def test_idle_and_in_head_follow_the_message() -> None:
    parser = RequestParser()
    seen = []
    for piece in (b"", b"PO", b"ST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n", b"a", b"b", b"G"):
        parser.feed(piece)
        seen.append((parser.idle, parser.in_head))
    assert seen == [(True, False), (False, True), (False, False), (False, False), (True, False), (False, True)]


def test_trailers_are_kept_apart() -> None:
    parser = RequestParser()
    parser.feed(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 1\r\n\r\n")
    assert parser.trailers == [(b"X-Sum", b"1")]


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 4\r\n\r\nGET ", b"Transfer-Encoding: chunked\r\n\r\n4\r\nGET \r\n0\r\n\r\n"]
)
@pytest.mark.parametrize(
    "asks", [b"Connection: upgrade\r\nUpgrade: h2c\r\n", b"Upgrade: h2c\r\nConnection: Upgrade, x\r\n"]
)
def test_a_body_behind_an_upgrade_is_no_request(asks: bytes, framing: bytes) -> None:
    data = b"POST /1 HTTP/1.1\r\nHost: h\r\n" + asks + framing + b"GET /2 HTTP/1.1\r\nHost: h\r\n\r\n"
    for pieces in ([data], singles(data)):
        first, body, end, second, last = parsed(pieces)
        assert (first[1], first[5], body, end, second[1], last) == (b"/1", True, b"GET ", END, b"/2", END)


REFUSED = {
    "unknown method": (get(start=b"BREW / HTTP/1.1"), 501),
    "unknown long method": (get(start=b"B" * 64 + b" / HTTP/1.1"), 501),
    "method in lower case": (get(start=b"get / HTTP/1.1"), 501),
    "far too long a method": (get(start=b"B" * 65 + b" / HTTP/1.1"), 400),
    "no method": (get(start=b" / HTTP/1.1"), 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00", 400),
    "HTTP/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "HTTP/2.0": (get(start=b"GET / HTTP/2.0"), 400),
    "HTTP/1.2": (get(start=b"GET / HTTP/1.2"), 400),
    "HTTP/0.9": (b"GET /\r\n\r\n", 400),
    "RTSP": (get(start=b"GET / RTSP/1.0"), 400),
    "two spaces": (get(start=b"GET  / HTTP/1.1"), 400),
    "a space behind": (get(start=b"GET / HTTP/1.1 "), 400),
    "raw bytes in the target": (get(start=b"GET /\xfc HTTP/1.1"), 400),
    "a fragment": (get(start=b"GET /#a HTTP/1.1"), 400),
    "bare LF": (b"GET / HTTP/1.1\nHost: h\n\n", 400),
    "bare CR": (get(b"X: a\rb"), 400),
    "NUL": (get(b"X: a\0b"), 400),
    "folding": (get(b"X: a", b" b"), 400),
    "a blank before the colon": (get(b"X : a"), 400),
    "an empty name": (get(b": a"), 400),
    "no colon": (get(b"X"), 400),
    "two Hosts": (get(b"Host: h"), 400),
    "CL and TE": (get(b"Content-Length: 1", b"Transfer-Encoding: chunked"), 400),
    "TE and CL": (get(b"Transfer-Encoding: chunked", b"Content-Length: 1"), 400),
    "TE twice": (get(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), 400),
    "TE of two": (get(b"Transfer-Encoding: gzip, chunked"), 400),
    "TE unknown": (get(b"Transfer-Encoding: gzip"), 400),
    "TE empty": (get(b"Transfer-Encoding:"), 400),
    "TE in HTTP/1.0": (get(b"Transfer-Encoding: chunked", start=b"POST / HTTP/1.0"), 400),
    "CL twice": (get(b"Content-Length: 1", b"Content-Length: 1"), 400),
    "CL of words": (get(b"Content-Length: 1, 1"), 400),
    "CL signed": (get(b"Content-Length: -1"), 400),
    "CL absurd": (get(b"Content-Length: " + b"9" * 30), 400),
    "a bad chunk size": (get(b"Transfer-Encoding: chunked") + b"g\r\n", 400),
    "an absurd chunk size": (get(b"Transfer-Encoding: chunked") + b"f" * 20 + b"\r\n", 400),
    "a chunk that is too long": (get(b"Transfer-Encoding: chunked") + b"1\r\nab\r\n", 400),
}


@pytest.mark.parametrize(("data", "status"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_request_is_refused_for_good(data: bytes, status: int) -> None:
    parser = RequestParser()
    last = parser.feed(data)[-1]
    assert isinstance(last, BadMessage)
    assert last.status == status
    assert parser.feed(get()) == []


@pytest.mark.parametrize(("data", "status"), REFUSED.values(), ids=REFUSED.keys())
def test_it_is_refused_however_it_is_cut(data: bytes, status: int) -> None:
    assert parsed(singles(data))[-1] in (status, 400)


def test_what_came_before_a_refusal_is_told() -> None:
    items = parsed([get() + get(b"Transfer-Encoding: chunked") + b"2\r\nab\r\nzz"])
    assert [item if not isinstance(item, tuple) else item[0] for item in items] == [b"GET", END, b"GET", b"ab", 400]


def test_a_refusal_holds_nothing_of_what_came() -> None:
    bad = RequestParser().feed(get(b"X-Api-Key : secret"))[-1]
    assert "secret" not in repr(bad)


def test_no_field_shows_in_a_heads_repr() -> None:
    head = RequestParser().feed(get(b"X-Api-Key: secret"))[0]
    assert repr(head) == "<RequestHead with 2 fields>"


LIMITS = {
    "target": (lambda n: get(start=b"GET /%b HTTP/1.1" % (b"a" * (n - 1))), TARGET_LIMIT, 414),
    "one field": (lambda n: get(b"X: " + b"a" * (n - 14)), HEAD_LIMIT, 431),
    "fields": (lambda n: get(*[b"a:"] * (n - 1)), FIELDS_LIMIT, 431),
}


@pytest.mark.parametrize("step", [1, 1000, 1_000_000])
@pytest.mark.parametrize(("make", "limit", "status"), LIMITS.values(), ids=LIMITS.keys())
def test_a_head_may_be_as_large_as_its_limits_and_no_larger(
    make: Callable[[int], bytes], limit: int, status: int, step: int
) -> None:
    for size, last in ((limit, END), (limit + 1, status)):
        data = make(size)
        assert parsed(data[i : i + step] for i in range(0, len(data), step))[-1] == last


ENDLESS = {
    "a method": b"GET",
    "a target": b"GET /",
    "a field's name": b"GET / HTTP/1.1\r\n",
    "a field's value": b"GET / HTTP/1.1\r\nX: ",
    "a chunk extension": get(b"Transfer-Encoding: chunked") + b"1;",
    "a trailer's name": get(b"Transfer-Encoding: chunked") + b"0\r\n",
    "a trailer's value": get(b"Transfer-Encoding: chunked") + b"0\r\nX: ",
}


@pytest.mark.parametrize("start", ENDLESS.values(), ids=ENDLESS.keys())
def test_what_never_ends_is_refused_before_it_is_large(start: bytes) -> None:
    parser = RequestParser()
    items, fed = parser.feed(start), 0
    while not any(isinstance(item, BadMessage) for item in items):
        items = parser.feed(b"a" * 1000)
        fed += 1000
        assert fed < 128 * 1024


def test_many_trailers_are_refused() -> None:
    parser = RequestParser()
    parser.feed(get(b"Transfer-Encoding: chunked") + b"0\r\n")
    fed = 0
    while not parser.feed(b"X: y\r\n" * 100):
        fed += 600
        assert fed < 128 * 1024


def test_many_small_chunks_with_extensions_are_a_body() -> None:
    parser = RequestParser()
    parser.feed(get(b"Transfer-Encoding: chunked"))
    for _ in range(1000):
        assert parser.feed(b"1;" + b"e" * 50 + b"\r\na\r\n") == [b"a"]


# Answers


def answer(*lines: bytes, start: bytes = b"HTTP/1.1 200 OK", body: bytes = b"") -> bytes:
    return b"\r\n".join([start, *lines, b"", body])


OK = answer(b"Content-Length: 2", body=b"ok")


def test_an_answers_head_is_what_came() -> None:
    head, body, end = ResponseParser().feed(OK.replace(b"OK", b"All \xfc right"))
    assert isinstance(head, ResponseHead)
    assert (head.status, head.reason, head.version) == (200, b"All \xfc right", "1.1")
    assert (head.fields, head.has_body, head.until_close) == ([(b"Content-Length", b"2")], True, False)
    assert (body, end) == (b"ok", END)


@pytest.mark.parametrize("interim", [100, 102, 103, 199])
def test_interim_answers_are_not_told(interim: int) -> None:
    data = b"HTTP/1.1 %d Wait\r\nX: y\r\n\r\n" % interim
    assert answered([data * 3 + OK]) == answered([OK])
    assert answered(singles(data * 3 + OK)) == answered([OK])


def test_only_interim_answers_are_no_answer() -> None:
    assert answered([b"HTTP/1.1 100 Continue\r\n\r\n"], eof=True) == [502]


def test_interim_answers_count_towards_the_heads_limit() -> None:
    parser = ResponseParser()
    interim, fed = b"HTTP/1.1 103 Hints\r\nLink: " + b"a" * 10_000 + b"\r\n\r\n", 0
    while not parser.feed(interim):
        fed += len(interim)
        assert fed < 2 * ANSWER_HEAD_LIMIT
    assert fed > ANSWER_HEAD_LIMIT // 2


@pytest.mark.parametrize(
    ("method", "data", "has_body"),
    [
        (b"HEAD", answer(b"Content-Length: 5"), False),
        (b"HEAD", answer(b"Transfer-Encoding: chunked"), False),
        (b"HEAD", answer(), False),
        (b"GET", answer(start=b"HTTP/1.1 204 No Content"), False),
        (b"GET", answer(start=b"HTTP/1.1 304 Not Modified"), False),
        (b"GET", answer(b"Content-Length: 5", start=b"HTTP/1.1 304 Not Modified"), False),
        (b"GET", answer(b"Content-Length: 0"), True),
    ],
)
def test_what_carries_no_body_ends_with_its_head(method: bytes, data: bytes, has_body: bool) -> None:
    for pieces in ([data], singles(data)):
        parser = ResponseParser()
        parser.expect(method)
        head, end = [item for piece in pieces for item in parser.feed(piece)]
        assert isinstance(head, ResponseHead)
        assert head.has_body is has_body
        assert not head.until_close
        assert end is END
        assert parser.reusable


@pytest.mark.parametrize(
    ("method", "data", "reusable"),
    [
        (b"GET", OK, True),
        (b"GET", answer(b"Content-Length: 0", b"Connection: close"), False),
        (b"GET", answer(b"Content-Length: 0", start=b"HTTP/1.0 200 OK"), False),
        (b"GET", answer(b"Content-Length: 0", b"Connection: keep-alive", start=b"HTTP/1.0 200 OK"), True),
        (b"HEAD", answer(b"Content-Length: 5"), True),
        (b"HEAD", answer(), True),
        (b"HEAD", answer(b"Connection: Close"), False),
        (b"HEAD", answer(start=b"HTTP/1.0 200 OK"), False),
        (b"GET", OK + b"x", False),
        (b"GET", OK + OK, False),
        (b"HEAD", answer(b"Content-Length: 2", body=b"ok"), False),
        (b"HEAD", answer(b"Transfer-Encoding: chunked", body=b"2\r\nok\r\n0\r\n\r\n"), False),
        (b"HEAD", answer(body=b"ok"), False),
        (b"HEAD", answer(b"Content-Length: 0") + OK, False),
        (b"GET", answer(b"Content-Length: 2", start=b"HTTP/1.1 304 Not Modified", body=b"ok"), False),
        (b"GET", answer(b"Content-Length: 2", start=b"HTTP/1.1 204 No Content", body=b"ok"), False),
    ],
)
def test_a_connection_is_used_again_only_behind_a_clean_end(method: bytes, data: bytes, reusable: bool) -> None:
    parser = ResponseParser()
    parser.expect(method)
    assert not parser.reusable
    items = parser.feed(data)
    assert items[-1] is END
    assert parser.reusable is reusable


def test_bytes_behind_the_end_are_dropped() -> None:
    assert answered([OK + b"HTTP/1.1 200 OK\r\n\r\n"]) == answered([OK])
    assert answered([OK, b"x", OK]) == answered([OK])
    parser = ResponseParser()
    parser.feed(OK)
    assert parser.reusable
    assert parser.feed(b"x") == []
    assert not parser.reusable


def test_a_body_behind_an_answer_to_head_is_not_the_next_ones() -> None:
    parser = ResponseParser()
    parser.expect(b"HEAD")
    parser.feed(OK)
    parser.expect(b"GET")
    assert b"ok" not in parser.feed(answer(b"Content-Length: 1", body=b"a"))


def test_one_answer_after_another() -> None:
    parser = ResponseParser()
    for method in (b"GET", b"HEAD", b"HEAD", b"GET", b"POST"):
        parser.expect(method)
        data = answer(b"Content-Length: 2") if method == b"HEAD" else OK
        assert plain(parser.feed(data))[1:] == ([END] if method == b"HEAD" else [b"ok", END])
        assert parser.reusable


@pytest.mark.parametrize(
    ("data", "last"),
    [
        (b"", 502),
        (b"HTTP/1.1 200 OK\r\n", 502),
        (answer(), END),
        (answer(body=b"some"), END),
        (answer(start=b"HTTP/1.0 200 OK", body=b"some"), END),
        (answer(b"Connection: close", body=b"some"), END),
        (answer(b"Content-Length: 5", body=b"some"), 502),
        (answer(b"Transfer-Encoding: chunked", body=b"4\r\nsome\r\n"), 502),
        (answer(b"Transfer-Encoding: chunked", body=b"4\r\nsome\r\n0\r\n"), 502),
    ],
)
def test_the_connections_end_ends_only_what_has_no_length(data: bytes, last: object) -> None:
    assert answered([data], eof=True)[-1] == last


def test_a_body_until_close_leaves_nothing_to_use_again() -> None:
    parser = ResponseParser()
    parser.feed(answer(body=b"some"))
    assert parser.eof() is END
    assert not parser.reusable
    assert isinstance(parser.eof(), BadMessage)


DUBIOUS = {
    "no HTTP": b"SSH-2.0-OpenSSH\r\n",
    "HTML": b"<html>\r\n\r\n",
    "a request": get(),
    "HTTP/9.9": answer(b"Content-Length: 0", start=b"HTTP/9.9 200 OK"),
    "HTTP/2.0": answer(b"Content-Length: 0", start=b"HTTP/2.0 200 OK"),
    "HTTP/0.9": answer(b"Content-Length: 0", start=b"HTTP/0.9 200 OK"),
    "ICY": answer(b"Content-Length: 0", start=b"ICY 200 OK"),
    "RTSP": answer(b"Content-Length: 0", start=b"RTSP/1.0 200 OK"),
    "status 0": answer(b"Content-Length: 0", start=b"HTTP/1.1 000 OK"),
    "status 99": answer(b"Content-Length: 0", start=b"HTTP/1.1 099 OK"),
    "status 600": answer(b"Content-Length: 0", start=b"HTTP/1.1 600 OK"),
    "status 999": answer(b"Content-Length: 0", start=b"HTTP/1.1 999 OK"),
    "a status of two digits": answer(b"Content-Length: 0", start=b"HTTP/1.1 20 OK"),
    "a status of four digits": answer(b"Content-Length: 0", start=b"HTTP/1.1 2000 OK"),
    "no status": answer(b"Content-Length: 0", start=b"HTTP/1.1"),
    "unasked 101": answer(b"Upgrade: x", b"Connection: upgrade", start=b"HTTP/1.1 101 Switching Protocols"),
    "two spaces": answer(b"Content-Length: 0", start=b"HTTP/1.1  200 OK"),
    "a control character in the reason": answer(b"Content-Length: 0", start=b"HTTP/1.1 200 O\x07K"),
    "a NUL in the reason": answer(b"Content-Length: 0", start=b"HTTP/1.1 200 O\0K"),
    "a NUL in a field": answer(b"X: a\0b", b"Content-Length: 0"),
    "a CR in a field": answer(b"X: a\rb", b"Content-Length: 0"),
    "a bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "a folded field": answer(b"X: a", b" b", b"Content-Length: 0"),
    "a blank before the colon": answer(b"X : a", b"Content-Length: 0"),
    "CL and TE": answer(b"Content-Length: 0", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "TE and CL": answer(b"Transfer-Encoding: chunked", b"Content-Length: 0", body=b"0\r\n\r\n"),
    "TE twice": answer(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "TE gzip": answer(b"Transfer-Encoding: gzip", body=b"0\r\n\r\n"),
    "TE gzip, chunked": answer(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"),
    "TE identity": answer(b"Transfer-Encoding: identity", body=b"0\r\n\r\n"),
    "TE in HTTP/1.0": answer(b"Transfer-Encoding: chunked", start=b"HTTP/1.0 200 OK", body=b"0\r\n\r\n"),
    "CLs that differ": answer(b"Content-Length: 0", b"Content-Length: 1"),
    "CL of words": answer(b"Content-Length: 1, 1", body=b"a"),
    "CL negative": answer(b"Content-Length: -1"),
    "a bad chunk size": answer(b"Transfer-Encoding: chunked", body=b"zz\r\n"),
    "a chunk that is too long": answer(b"Transfer-Encoding: chunked", body=b"1\r\nab\r\n0\r\n\r\n"),
    "a header section without end": answer(b"X: " + b"a" * ANSWER_HEAD_LIMIT, b"Content-Length: 0"),
}


@pytest.mark.parametrize("data", DUBIOUS.values(), ids=DUBIOUS.keys())
def test_a_dubious_answer_is_none(data: bytes) -> None:
    parser = ResponseParser()
    last = parser.feed(data)[-1]
    assert isinstance(last, BadMessage)
    assert not parser.reusable
    assert parser.feed(OK) == []
    assert isinstance(parser.eof(), BadMessage)


@pytest.mark.parametrize("name", [name for name, data in DUBIOUS.items() if len(data) < 1000])
def test_a_dubious_answer_is_none_however_it_is_cut(name: str) -> None:
    last = answered(singles(DUBIOUS[name]))[-1]
    assert isinstance(last, int), last


def test_a_large_head_of_an_answer_is_taken() -> None:
    data = answer(*[b"X: " + b"a" * 1000] * 1000, b"Content-Length: 0")
    head, end = ResponseParser().feed(data)
    assert isinstance(head, ResponseHead)
    assert len(head.fields) == 1001
    assert end is END


def test_an_answers_field_without_end_is_refused() -> None:
    parser = ResponseParser()
    parser.feed(b"HTTP/1.1 200 OK\r\nX: ")
    fed = 0
    while not parser.feed(b"a" * 60_000):
        fed += 60_000
        assert fed < 2 * ANSWER_HEAD_LIMIT


def test_what_was_found_is_not_kept() -> None:
    """An idle connection must not hold the last piece of a body, which may be 256 KiB."""
    parser = RequestParser()
    items = parser.feed(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab")
    head = ref(items[0])
    del items
    assert head() is None


def test_a_body_of_a_known_length_is_taken_as_it_comes() -> None:
    """llhttp would copy it; what stands behind it is the next request's all the same."""
    parser = RequestParser()
    assert plain(parser.feed(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 300\r\n\r\nabc"))[1:] == [b"abc"]
    first, last = b"d" * 200, b"e" * 97
    (item,) = parser.feed(first)
    assert item is first
    following = b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n"
    assert parser.feed(last + following) == [last, END]
    assert parser.take_rest() == following
    assert parser.idle
