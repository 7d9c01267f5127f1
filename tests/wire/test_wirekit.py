"""The tests' own library for the wire, tried on itself: what was sent is what is read, on both sides."""

from __future__ import annotations

import pytest

from tests.wirekit.client import request
from tests.wirekit.fixtures import FlushLoggedFailures
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.message import MalformedError
from tests.wirekit.steps import (
    Close,
    Reset,
    Send,
    Steps,
    answer,
    chunked,
    event,
    event_stream,
)
from tests.wirekit.tls import Authority
from tests.wirekit.upstream import RecordedRequest
from tests.world import World


@ensure_deferred
async def test_a_request_is_recorded_as_it_was_on_the_wire(world: World) -> None:
    upstream = world.upstream(answer())
    client = await world.connect(upstream.port)
    raw_head = b"POST /a%2Fb?x HTTP/1.1\r\nhOst:  h \r\nX: 1\r\nx: 2\r\nEmpty:\r\nContent-Length: 3\r\n\r\n"
    client.send(raw_head + b"abc")
    recorded = await upstream.next_request()
    assert recorded == RecordedRequest(
        raw_head=raw_head,
        method=b"POST",
        target=b"/a%2Fb?x",
        fields=((b"hOst", b"h"), (b"X", b"1"), (b"x", b"2"), (b"Empty", b""), (b"Content-Length", b"3")),
        body=b"abc",
        connection=0,
    )
    assert recorded.values(b"X") == [b"1", b"2"]
    assert upstream.requests == [recorded]
    assert bytes(upstream.connections[0].received) == raw_head + b"abc"
    assert upstream.base_url == f"http://127.0.0.1:{upstream.port}"


@ensure_deferred
async def test_a_chunked_request_is_put_together(world: World) -> None:
    upstream = world.upstream(answer())
    client = await world.connect(upstream.port)
    client.send(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n")
    assert (await upstream.next_request()).body == b"abc0123456789"


@ensure_deferred
async def test_scripts_answer_in_turn_and_the_last_one_stays(world: World) -> None:
    upstream = world.upstream(answer(503), lambda recorded: answer(200, recorded.target), answer(404))
    client = await world.connect(upstream.port)
    answers = []
    for target in (b"/0", b"/1", b"/2", b"/3"):
        client.send(request(target=target))
        answers.append(await client.read_response())
    assert [each.status for each in answers] == [503, 200, 404, 404]
    assert answers[1].body == b"/1"
    assert [recorded.connection for recorded in upstream.requests] == [0, 0, 0, 0]


_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
_TEN = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
_BARE = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.mark.parametrize(
    ("steps", "body", "chunks", "complete", "ended"),
    [
        (answer(200, b"abc"), b"abc", (b"abc",), True, "length"),
        (answer(204), b"", (), True, "length"),
        (answer(304, fields=((b"Content-Length", b"9"),)), b"", (), True, "length"),
        (chunked(b"ab", b"c"), b"abc", (b"ab", b"c"), True, "chunked"),
        (
            event_stream(event(b"1", b"a"), event(b"2")),
            b"event: a\ndata: 1\n\ndata: 2\n\n",
            None,
            True,
            "chunked",
        ),
        ((Send(_BARE + b"abc"), Close()), b"abc", (b"abc",), True, "close"),
        ((Send(_BARE + b"abc"), Reset()), b"abc", (b"abc",), False, "aborted"),
        ((Send(_TEN + b"abc"), Close()), b"abc", (b"abc",), False, "close"),
        ((Send(_TEN + b"abc"), Reset()), b"abc", (b"abc",), False, "aborted"),
        ((*chunked(b"ab", last=False), Close()), b"ab", (b"ab",), False, "close"),
        (
            (*chunked(b"ab", last=False), Send(b"9\r\nxyz"), Close()),
            b"abxyz",
            (b"ab", b"xyz"),
            False,
            "close",
        ),
        (
            (*chunked(b"ab", last=False), Send(b"9\r\nxyz"), Reset()),
            b"abxyz",
            (b"ab", b"xyz"),
            False,
            "aborted",
        ),
        (
            (*chunked(b"ab", last=False), Send(b"2\r\nxy\r"), Reset()),
            b"abxy",
            (b"ab", b"xy"),
            False,
            "aborted",
        ),
        ((*chunked(b"ab", last=False), Send(b"9\r\n"), Close()), b"ab", (b"ab",), False, "close"),
        ((*chunked(b"ab", last=False), Send(b"0\r\n"), Close()), b"ab", (b"ab",), False, "close"),
    ],
)
@pytest.mark.parametrize("over_tls", [False, True])
@ensure_deferred
async def test_the_client_knows_how_an_answer_ended(
    world: World,
    authority: Authority,
    over_tls: bool,
    steps: Steps,
    body: bytes,
    chunks: tuple[bytes, ...] | None,
    complete: bool,
    ended: str,
) -> None:
    upstream = world.upstream(steps, tls=authority.server if over_tls else None)
    client = await world.connect(upstream.port, tls=authority.client() if over_tls else None)
    client.send(request())
    response = await client.read_response()
    assert (response.body, response.complete, response.ended) == (body, complete, ended)
    assert response.raw == bytes(client.received)
    if chunks is not None:
        assert response.chunks == chunks


@ensure_deferred
async def test_heads_are_read_as_they_are(world: World) -> None:
    first = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    second = _CHUNKED + b"1\r\na\r\n0\r\nT: x\r\n\r\n"
    third = b"HTTP/1.0 599 \r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 7\r\n\r\n"
    upstream = world.upstream((Send(first + second + third),))
    client = await world.connect(upstream.port)
    client.send(request())
    hints, ok, odd = [await client.read_response(bodyless=each == 2) for each in range(3)]
    assert (hints.status, hints.reason, hints.raw) == (103, b"Early Hints", first)
    assert (ok.body, ok.trailers, ok.raw) == (b"a", ((b"T", b"x"),), second)
    assert (odd.status, odd.reason, odd.body, odd.raw) == (599, b"", b"", third)
    assert odd.values(b"set-cookie") == [b"a", b"b"]


@pytest.mark.parametrize(
    "garbage",
    [
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 200\r\n\r\n",
        b"HTTP/1.1 99 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad name: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\nb\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        _CHUNKED + b"0x1\r\na\r\n",
        _CHUNKED + b"1;x=y\r\na\r\n",
        _CHUNKED + b"1\r\nabc\r\n",
        _CHUNKED + b"0\r\n: x\r\n\r\n",
    ],
)
@ensure_deferred
async def test_what_is_no_answer_is_refused(world: World, garbage: bytes) -> None:
    upstream = world.upstream(on_connect=(Send(garbage),))
    client = await world.connect(upstream.port)
    with pytest.raises(MalformedError):
        await client.read_response()


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET /\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nX : a\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
@ensure_deferred
async def test_what_is_no_request_fails_the_test(
    world: World,
    flush_logged_failures: FlushLoggedFailures,
    garbage: bytes,
) -> None:
    upstream = world.upstream(answer())
    client = await world.connect(upstream.port)
    client.send(garbage)
    assert await client.closed() == "aborted"
    assert [failure.type for failure in flush_logged_failures(MalformedError)] == [MalformedError]
    assert upstream.requests == []
