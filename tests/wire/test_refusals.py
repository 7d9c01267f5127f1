"""What may not come in is answered in the client's own error shape, and no provider hears of it."""

from __future__ import annotations

import json

import pytest

from tests.proxy import Proxy, StartProxy, provider
from tests.wirekit.client import RawResponse, request
from tests.wirekit.fixtures import Connect, StartUpstream
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import answer
from tests.world import World

PATH = b"/claudecode/v1/messages"
HOST = b"Host: 127.0.0.1\r\n"


def get(*lines: bytes, target: bytes = PATH, method: bytes = b"GET", version: bytes = b"1.1") -> bytes:
    return b"%b %b HTTP/%b\r\n%b\r\n" % (method, target, version, b"".join(line + b"\r\n" for line in lines))


def post(*lines: bytes, body: bytes = b"") -> bytes:
    return get(*lines, method=b"POST") + body


MALFORMED = {
    "bare LF": b"GET / HTTP/1.1\nHost: 127.0.0.1\n\n",
    "bare CR in a field": get(HOST[:-2], b"X: a\rb"),
    "NUL in a field": get(HOST[:-2], b"X: a\0b"),
    "CTL in a field": get(HOST[:-2], b"X: a\x01b"),
    "DEL in a field": get(HOST[:-2], b"X: a\x7fb"),
    "no Host": get(b"X: y"),
    "two Hosts": get(HOST[:-2], HOST[:-2]),
    "two different Hosts": get(HOST[:-2], b"Host: localhost"),
    "an empty Host": get(b"Host:"),
    "a Host of two words": get(b"Host: a b"),
    "a Host with a path": get(b"Host: localhost/x"),
    "a Host with userinfo": get(b"Host: me@localhost"),
    "a Host with a bad port": get(b"Host: localhost:80x"),
    "a list of Hosts": get(b"Host: localhost, localhost"),
    "TE and CL": post(HOST[:-2], b"Transfer-Encoding: chunked", b"Content-Length: 3", body=b"0\r\n\r\n"),
    "CL and TE": post(HOST[:-2], b"Content-Length: 3", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "TE in HTTP/1.0": post(HOST[:-2], b"Transfer-Encoding: chunked").replace(b"1.1\r", b"1.0\r"),
    "an unknown TE": post(HOST[:-2], b"Transfer-Encoding: gzip"),
    "a TE of two codings": post(HOST[:-2], b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"),
    "a repeated TE": post(HOST[:-2], b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "TE twice in a list": post(HOST[:-2], b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n"),
    "TE identity": post(HOST[:-2], b"Transfer-Encoding: identity"),
    "an obfuscated TE": post(HOST[:-2], b"Transfer-Encoding: xchunked"),
    "a TE with a parameter": post(HOST[:-2], b"Transfer-Encoding: chunked;a=b", body=b"0\r\n\r\n"),
    "differing CLs": post(HOST[:-2], b"Content-Length: 3", b"Content-Length: 4", body=b"abcd"),
    "a repeated CL": post(HOST[:-2], b"Content-Length: 3", b"Content-Length: 3", body=b"abc"),
    "a list of CLs": post(HOST[:-2], b"Content-Length: 3, 3", body=b"abc"),
    "a signed CL": post(HOST[:-2], b"Content-Length: +3", body=b"abc"),
    "a negative CL": post(HOST[:-2], b"Content-Length: -3", body=b"abc"),
    "a hexadecimal CL": post(HOST[:-2], b"Content-Length: 0x3", body=b"abc"),
    "an empty CL": post(HOST[:-2], b"Content-Length:"),
    "an absurd CL": post(HOST[:-2], b"Content-Length: " + b"9" * 23),
    "a bad chunk size": post(HOST[:-2], b"Transfer-Encoding: chunked", body=b"zz\r\n"),
    "a chunk size with a sign": post(HOST[:-2], b"Transfer-Encoding: chunked", body=b"+3\r\nabc\r\n0\r\n\r\n"),
    "a chunk size of 17 digits": post(HOST[:-2], b"Transfer-Encoding: chunked", body=b"1" * 17 + b"\r\n"),
    "a chunk longer than said": post(HOST[:-2], b"Transfer-Encoding: chunked", body=b"2\r\nabc\r\n0\r\n\r\n"),
    "a bad chunk extension": post(HOST[:-2], b"Transfer-Encoding: chunked", body=b"3;\0\r\nabc\r\n0\r\n\r\n"),
    "a chunk that ends in LF": post(HOST[:-2], b"Transfer-Encoding: chunked", body=b"3\nabc\r\n0\r\n\r\n"),
    "an endless chunk extension": post(HOST[:-2], b"Transfer-Encoding: chunked", body=b"3;" + b"a" * 200_000),
    "line folding": get(HOST[:-2], b"X: a", b" b"),
    "a folded first line": get(b" Host: 127.0.0.1"),
    "white space before the colon": get(HOST[:-2], b"X : a"),
    "an empty field name": get(HOST[:-2], b": a"),
    "a field without a colon": get(HOST[:-2], b"novalue"),
    "a raw non-ASCII target": get(HOST[:-2], target=PATH + b"\xc3\xa9"),
    "a fragment": get(HOST[:-2], target=PATH + b"#x"),
    "a target that is no path": get(HOST[:-2], target=b"v1/messages"),
    "an asterisk": get(HOST[:-2], target=b"*"),
    "no version": b"GET " + PATH + b"\r\n\r\n",
    "two spaces": get(HOST[:-2]).replace(b"GET ", b"GET  "),
    "HTTP/2.0": get(HOST[:-2], version=b"2.0"),
    "HTTP/9.9": get(HOST[:-2], version=b"9.9"),
    "HTTP/0.9": get(HOST[:-2], version=b"0.9"),
    "RTSP": get(HOST[:-2]).replace(b"HTTP/1.1", b"RTSP/1.0"),
    "ICE": get(HOST[:-2]).replace(b"HTTP/1.1", b"ICE/1.0"),
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 60,
    "HTTP/2 with prior knowledge": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "noise": b"\xff\xfe\xfd" * 100,
}
OTHERS = {
    "CONNECT": (get(HOST[:-2], method=b"CONNECT", target=b"example.com:443"), 405),
    "TRACE": (get(HOST[:-2], method=b"TRACE"), 405),
    "an unknown method": (get(HOST[:-2], method=b"FROB"), 501),
    "a method in lower case": (get(HOST[:-2], method=b"get"), 501),
    "an RTSP method": (get(HOST[:-2], method=b"DESCRIBE"), 501),
    "a foreign absolute target": (get(HOST[:-2], target=b"http://example.com/claudecode/x"), 421),
    "an absolute target over TLS": (get(HOST[:-2], target=b"https://127.0.0.1/claudecode/x"), 421),
    "a large field": (get(HOST[:-2], b"X: " + b"a" * 17_000), 431),
    "many small fields": (get(HOST[:-2], *[b"X%d: y" % n for n in range(501)]), 431),
    "a field without an end": (b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000, 431),
    "a long target": (get(HOST[:-2], target=PATH + b"?" + b"a" * 8192), 414),
    "a target without an end": (b"GET /" + b"a" * 200_000, 414),
    "a large body by its length": (post(HOST[:-2], b"Content-Length: 1025"), 413),
    "a large body before 100 Continue": (post(HOST[:-2], b"Content-Length: 1025", b"Expect: 100-continue"), 413),
    "a large body in chunks": (post(HOST[:-2], b"Transfer-Encoding: chunked", body=b"800\r\n" + b"x" * 2048), 413),
    "a WebSocket": (get(HOST[:-2], b"Connection: Upgrade", b"Upgrade: websocket"), 426),
    "a WebSocket without Connection": (get(HOST[:-2], b"Upgrade: WebSocket"), 426),
    "a foreign Host": (get(b"Host: example.com"), 403),
    "a rebound Host": (get(b"Host: evil.localhost.example"), 403),
    "a foreign Origin": (get(HOST[:-2], b"Origin: https://example.com"), 403),
    "the Origin null": (get(HOST[:-2], b"Origin: null"), 403),
    "a cross-site page": (get(HOST[:-2], b"Sec-Fetch-Site: cross-site"), 403),
    "a same-site page": (get(HOST[:-2], b"Sec-Fetch-Site: Same-Site"), 403),
    "a preflight": (get(HOST[:-2], b"Origin: http://evil.example", method=b"OPTIONS"), 403),
}


async def refused(
    data: bytes, start_proxy: StartProxy, start_upstream: StartUpstream, connect: Connect
) -> tuple[Proxy, RawResponse]:
    """The answer to `data`; checks what holds for every refusal."""
    upstream = start_upstream(answer(200, b"hello"))
    proxy = start_proxy({"claudecode": [provider("one", upstream.base_url)]}, max_request_body_bytes=1024)
    client = await connect(proxy.port)
    client.send(data)
    response = await client.read_response()
    assert response.complete
    assert response.values(b"connection") == [b"close"]
    assert response.values(b"content-type") == [b"application/json"]
    assert not [name for name, _ in response.fields if name.lower().startswith(b"access-control")]
    document = json.loads(response.body)
    assert document["error"]["message"]
    assert response.values(b"x-request-id")[0].decode() in "".join(proxy.lines)
    assert await client.closed() == "close"
    assert not upstream.requests
    return proxy, response


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
@ensure_deferred
async def test_malformed_http_is_a_400(data: bytes, world: World) -> None:
    _, response = await refused(data, world.proxy, world.upstream, world.connect)
    assert response.status == 400


@pytest.mark.parametrize(("data", "status"), OTHERS.values(), ids=OTHERS.keys())
@ensure_deferred
async def test_refusals(data: bytes, status: int, world: World) -> None:
    _proxy, response = await refused(data, world.proxy, world.upstream, world.connect)
    assert response.status == status
    if b" /claudecode" in data[:40] and status not in (414, 431, 501):
        assert json.loads(response.body)["type"] == "error", "in the client's own shape"


@ensure_deferred
async def test_an_asterisk_is_well_formed_with_options_only(world: World) -> None:
    """RFC 9112, 3.2.4: it asks about the server as a whole, where clipal has nothing."""
    client = await world.connect(world.proxy({}).port)
    client.send(get(HOST[:-2], method=b"OPTIONS", target=b"*"))
    assert (await client.read_response()).status == 404
    client.send(get(HOST[:-2], target=b"*"))
    assert (await client.read_response()).status == 400


ALL_METHODS = {b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"}


@pytest.mark.parametrize(
    ("method", "target", "allowed"),
    [
        (b"TRACE", PATH, ALL_METHODS),
        (b"TRACE", b"/nothing", ALL_METHODS),
        (b"TRACE", b"http://localhost" + PATH, ALL_METHODS),
        (b"TRACE", b"/health", {b"GET", b"HEAD"}),
        (b"CONNECT", b"example.com:443", ALL_METHODS),
        (b"POST", b"/health", {b"GET", b"HEAD"}),
    ],
)
@ensure_deferred
async def test_a_method_that_is_not_served_is_told_which_are(
    method: bytes, target: bytes, allowed: set[bytes], world: World
) -> None:
    client = await world.connect(world.proxy({}).port)
    client.send(get(HOST[:-2], method=method, target=target))
    response = await client.read_response()
    assert response.status == 405
    (allow,) = response.values(b"allow")
    assert set(allow.split(b", ")) == allowed


@pytest.mark.parametrize("line", [b"GET / RTSP/1.0", b"GET / HTTP/2.0", b"OPTIONS * RTSP/1.0"])
@pytest.mark.parametrize("following", [b"\r\n", b"X: y\r\n\r\n", b"X: "])
@ensure_deferred
async def test_another_protocol_is_refused_whatever_follows(line: bytes, following: bytes, world: World) -> None:
    proxy = world.proxy({})
    for behind in (b"GET /health HTTP/1.0\r\n\r\n", b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"):
        client = await world.connect(proxy.port)
        client.send(line + b"\r\n" + following + behind)
        assert (await client.read_response()).status in (400, 501, 505)
        assert await client.closed() == "close"
        assert bytes(client.received).count(b"HTTP/1.1 ") == 1


SERVED = {
    "any case of localhost": get(b"Host: LOCALHOST:1234"),
    "a name below localhost": get(b"Host: clipal.localhost"),
    "another loopback address": get(b"Host: 127.8.9.1"),
    "IPv6 loopback": get(b"Host: [::1]:3333"),
    "an allowed host": get(b"Host: clipal.lan:80"),
    "an allowed origin": get(HOST[:-2], b"Origin: http://App.Example"),
    "Node's fetch": get(HOST[:-2], b"Sec-Fetch-Mode: cors"),
    "a typed address": get(HOST[:-2], b"Sec-Fetch-Site: none"),
    "an absolute target that names us": get(b"Host: other.example", target=b"http://localhost:1" + PATH),
    "HTTP/1.0 without a Host": get(version=b"1.0"),
    "another protocol offered": get(HOST[:-2], b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c"),
}


@pytest.mark.parametrize("data", SERVED.values(), ids=SERVED.keys())
@ensure_deferred
async def test_what_is_no_reason_to_refuse(data: bytes, world: World) -> None:
    upstream = world.upstream(answer(200, b"hello"))
    proxy = world.proxy(
        {"claudecode": [provider("one", upstream.base_url)]},
        allowed_hosts=("clipal.lan",),
        allowed_origins=("http://app.example",),
    )
    client = await world.connect(proxy.port)
    client.send(data)
    response = await client.read_response()
    assert (response.status, response.body) == (200, b"hello")
    assert upstream.requests[0].target == b"/v1/messages"


@ensure_deferred
async def test_a_head_that_trickles_is_a_408(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipal.downstream.incoming.HEAD_DEADLINE", 0.1)
    proxy = world.proxy({})
    client = await world.connect(proxy.port)
    client.send(b"GET /health HT")
    assert (await client.read_response()).status == 408
    assert await client.closed() == "close"


@ensure_deferred
async def test_a_body_that_stops_is_a_408(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipal.downstream.incoming.BODY_SILENCE", 0.1)
    proxy = world.proxy({})
    client = await world.connect(proxy.port)
    client.send(post(HOST[:-2], b"Content-Length: 10", body=b"abc"))
    response = await client.read_response()
    assert (response.status, json.loads(response.body)["type"]) == (408, "error")
    assert await client.closed() == "close"


@ensure_deferred
async def test_an_idle_connection_is_closed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipal.downstream.incoming.IDLE_DEADLINE", 0.1)
    proxy = world.proxy({})
    client = await world.connect(proxy.port)
    client.send(request(b"GET", b"/health"))
    assert (await client.read_response()).status == 200
    assert await client.closed() == "close"
    assert bytes(client.received).count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    ("deadline", "begun"),
    [("HEAD_DEADLINE", get(HOST[:-2])[:-4]), ("BODY_SILENCE", post(HOST[:-2], b"Content-Length: 10", body=b"abc"))],
)
@ensure_deferred
async def test_a_request_that_begins_behind_another_has_the_same_time(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    deadline: str,
    begun: bytes,
) -> None:
    monkeypatch.setattr(f"clipal.downstream.incoming.{deadline}", 0.1)
    upstream = world.upstream(answer(200, b"hello"))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    client.send(request(b"POST", PATH, body=b"{}") + begun)
    assert (await client.read_response()).status == 200
    assert (await client.read_response()).status == 408
    assert await client.closed() == "close"
