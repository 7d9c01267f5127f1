"""Answers pass unchanged: what a client gets is what the provider sent, but for hop-by-hop fields and framing."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.proxy import provider
from tests.wire.test_transparency_requests import ORDINARY, VALUES, Field
from tests.wirekit.client import request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import Close, Send, Steps, answer, chunked, head
from tests.world import World

HOP_BY_HOP = {
    b"connection": "dropped, with every field that it names",
    b"keep-alive": "dropped",
    b"transfer-encoding": "framing is this hop's",
    b"upgrade": "dropped",
}
"""Every field that may differ between the provider's side and the client's."""
BY_US = [(b"Transfer-Encoding", b"chunked")]

STATUSES = st.sampled_from(
    [200, 201, 202, 206, 301, 302, 307, 308, 400, 404, 405, 409, 413, 418, 422, 451, 499, 501, 599]
)
FRAMES = st.sampled_from(["length", "chunked", "close"])


def framed(status: int, reason: bytes, fields: list[Field], body: bytes, frame: str) -> Steps:
    if frame == "length":
        return answer(status, body, tuple(fields), reason)
    if frame == "chunked":
        middle = len(body) // 2
        pieces = [piece for piece in (body[:middle], body[middle:]) if piece]
        _first, *rest = chunked(*pieces, status=status, fields=tuple(fields))
        return (Send(head(status, (*fields, (b"Transfer-Encoding", b"chunked")), reason)), *rest)
    return (Send(head(status, tuple(fields), reason) + body), Close())


@given(
    STATUSES,
    VALUES,
    st.lists(st.one_of(ORDINARY, st.sampled_from([(b"Set-Cookie", b"a=b"), (b"set-cookie", b"c=d")])), max_size=10),
    st.binary(min_size=1, max_size=300),
    FRAMES,
)
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@ensure_deferred
async def test_answers_come_down_as_they_came(
    world: World,
    status: int,
    reason: bytes,
    fields: list[Field],
    body: bytes,
    frame: str,
) -> None:
    upstream = world.upstream(framed(status, reason, fields, body, frame))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    client.send(request(b"GET", b"/claudecode/v1/models"))
    response = await client.read_response()
    assert (response.status, response.reason, response.body, response.complete) == (status, reason, body, True)
    length = [(b"Content-Length", b"%d" % len(body))] if frame == "length" else BY_US
    assert list(response.fields) == [*fields, *length]


@pytest.mark.parametrize("coding", [b"gzip", b"br", b"zstd"])
@ensure_deferred
async def test_encoded_streams_pass_undecoded(world: World, coding: bytes) -> None:
    body = gzip.compress(b"event: x\ndata: {}\n\n")
    fields = ((b"Content-Type", b"text/event-stream"), (b"Content-Encoding", coding))
    upstream = world.upstream(chunked(body[:5], body[5:], fields=fields))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    client.send(request(b"POST", b"/claudecode/v1/messages", body=b'{"stream":true}'))
    response = await client.read_response()
    assert response.body == body
    assert response.values(b"content-encoding") == [coding]
    assert b"accept-encoding" not in upstream.requests[0].raw_head.lower()


BODILESS = {
    "204": (b"GET", head(204, ((b"X", b"y"),)), [(b"X", b"y")]),
    "204 with a length": (b"GET", head(204, ((b"Content-Length", b"5"),)), [(b"Content-Length", b"5")]),
    "304": (b"GET", head(304, ((b"ETag", b'"a"'),)), [(b"ETag", b'"a"')]),
    "304 with a length": (b"GET", head(304, ((b"Content-Length", b"5"),)), [(b"Content-Length", b"5")]),
    "HEAD with a length": (b"HEAD", head(200, ((b"Content-Length", b"5"),)), [(b"Content-Length", b"5")]),
    "HEAD chunked": (b"HEAD", head(200, ((b"Transfer-Encoding", b"chunked"),)), []),
    "HEAD without framing": (b"HEAD", head(404), []),
}


@pytest.mark.parametrize(("method", "data", "fields"), BODILESS.values(), ids=BODILESS.keys())
@ensure_deferred
async def test_no_body_where_there_is_none(
    world: World,
    method: bytes,
    data: bytes,
    fields: list[Field],
) -> None:
    upstream = world.upstream((Send(data),))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    for _ in range(2):
        client.send(request(method, b"/claudecode/api/hello"))
        response = await client.read_response(bodyless=True)
        assert list(response.fields) == fields
    assert len(upstream.connections) == 1, "the connection is used again"


@ensure_deferred
async def test_interim_answers_are_not_forwarded(world: World) -> None:
    interim = head(100) + head(103, ((b"Link", b"</x>"),)) + head(102)
    upstream = world.upstream((Send(interim), *answer(200, b"hello")))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    client.send(request(b"GET", b"/claudecode/v1/models"))
    response = await client.read_response()
    assert (response.status, response.body) == (200, b"hello")
    assert bytes(client.received).count(b"HTTP/1.1") == 1


@ensure_deferred
async def test_trailers_follow_a_chunked_body(world: World) -> None:
    end = Send(b"0\r\nX-Sum: 1\r\nContent-Encoding: br\r\nHost: x\r\n\r\n")
    upstream = world.upstream((*chunked(b"hello", fields=((b"Trailer", b"X-Sum"),), last=False), end))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    client.send(request(b"GET", b"/claudecode/v1/models"))
    response = await client.read_response()
    assert (response.body, list(response.trailers)) == (b"hello", [(b"X-Sum", b"1")])
    assert response.values(b"trailer") == [b"X-Sum"]
    old = await world.connect(proxy.port)
    old.send(request(b"GET", b"/claudecode/v1/models").replace(b"HTTP/1.1", b"HTTP/1.0"))
    response = await old.read_response()
    assert (response.body, response.ended, response.values(b"trailer")) == (b"hello", "close", [])


@ensure_deferred
async def test_redirects_are_relayed_not_followed(world: World) -> None:
    other = world.upstream(answer(200, b"stolen"))
    location = ((b"Location", other.base_url.encode()),)
    upstream = world.upstream(answer(307, b"go", location))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    client.send(request(b"POST", b"/claudecode/v1/messages", body=b"{}"))
    response = await client.read_response()
    assert (response.status, response.values(b"location")) == (307, [other.base_url.encode()])
    assert not other.connections


@ensure_deferred
async def test_cookies_are_nobody_elses(world: World) -> None:
    upstream = world.upstream(answer(200, b"x", ((b"Set-Cookie", b"a=b"), (b"Set-Cookie", b"c=d"))))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    for _ in range(2):
        client.send(request(b"GET", b"/claudecode/v1/models"))
        assert (await client.read_response()).values(b"set-cookie") == [b"a=b", b"c=d"]
    assert b"cookie" not in upstream.requests[1].raw_head.lower()


@ensure_deferred
async def test_hop_by_hop_fields_stay_behind(world: World) -> None:
    fields = (
        (b"Connection", b"keep-alive, X-Hop, Content-Length"),
        (b"X-Hop", b"1"),
        (b"Keep-Alive", b"timeout=5"),
        (b"Upgrade", b"h2c"),
        (b"Proxy-Authenticate", b"Basic"),
        (b"X-Kept", b"2"),
        (b"Server", b"theirs"),
        (b"Date", b"Mon, 23 Nov 2026 00:00:00 GMT"),
    )
    upstream = world.upstream(answer(200, b"hello", fields))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    client.send(request(b"GET", b"/claudecode/v1/models"))
    response = await client.read_response()
    assert list(response.fields) == [*fields[-3:], (b"Content-Length", b"5")]
