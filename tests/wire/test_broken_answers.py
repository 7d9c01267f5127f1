"""An answer that breaks off must never look whole: the client gets every byte that came, then an abort."""

from __future__ import annotations

import pytest

from tests.proxy import provider
from tests.wirekit.client import request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import Close, Hang, Reset, Send, Steps, chunked, head
from tests.world import World

LENGTH = Send(head(200, ((b"Content-Length", b"10"),)) + b"hello")
CHUNKS = chunked(b"hello", last=False)
TO_CLOSE = Send(head(200) + b"hello")

BREAKS = {
    "chunked, FIN": (*CHUNKS, Close()),
    "chunked, RST": (*CHUNKS, Reset()),
    "inside a chunk, FIN": (*CHUNKS[:-1], Send(b"ff\r\nhello"), Close()),
    "inside a chunk, RST": (*CHUNKS[:-1], Send(b"ff\r\nhello"), Reset()),
    "a bad chunk size": (*CHUNKS, Send(b"xyz\r\n")),
    "a chunk too long": (*CHUNKS, Send(b"2\r\nabc\r\n")),
    "a trailer that is none": (*CHUNKS, Send(b"0\r\nno colon\r\n\r\n")),
    "short of its length, FIN": (LENGTH, Close()),
    "short of its length, RST": (LENGTH, Reset()),
    "until close, RST": (TO_CLOSE, Reset()),
}


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
@pytest.mark.parametrize("script", BREAKS.values(), ids=BREAKS.keys())
@ensure_deferred
async def test_a_cut_is_a_cut(world: World, script: Steps, version: bytes) -> None:
    upstream = world.upstream(script)
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    client.send(request(b"GET", b"/claudecode/v1/models").replace(b"HTTP/1.1", b"HTTP/" + version))
    answer = await client.read_response()
    assert not answer.complete
    assert answer.ended == "aborted"
    assert answer.body.startswith(b"hello")
    (line,) = proxy.requests
    assert "200 via one, provider broke off in the body" in line
    assert f"{len(answer.body)} bytes" in line


@ensure_deferred
async def test_all_that_came_arrives_before_the_abort(world: World) -> None:
    """Even where it is more than the kernel's buffers hold, and the client reads late."""
    body = bytes(range(256)) * 4096
    upstream = world.upstream((*chunked(body, last=False), Reset()))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port, receive_buffer=64 * 1024)
    client.send(request(b"GET", b"/claudecode/v1/models"))
    await client.wait_for(1)
    client.pause()
    await upstream.next_connection_lost()
    client.resume()
    answer = await client.read_response()
    assert answer.ended == "aborted"
    assert body.startswith(answer.body)
    assert int(proxy.requests[0].split(" bytes")[0].split()[-1]) == len(answer.body)


@ensure_deferred
async def test_silence_past_the_idle_timeout_is_a_cut(world: World) -> None:
    upstream = world.upstream((*CHUNKS, Hang()))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]}, upstream_idle_timeout=0.1)
    client = await world.connect(proxy.port)
    client.send(request(b"GET", b"/claudecode/v1/models"))
    answer = await client.read_response()
    assert answer.body == b"hello"
    assert answer.ended == "aborted"
    await upstream.next_connection_lost()
    assert "provider fell silent in the body" in proxy.requests[0]


@ensure_deferred
async def test_a_cut_is_never_replayed(world: World) -> None:
    first, second = world.upstream((*CHUNKS, Reset())), world.upstream(chunked(b"other"))
    proxy = world.proxy({"claudecode": [provider("one", first.base_url), provider("two", second.base_url)]})
    client = await world.connect(proxy.port)
    client.send(request(b"POST", b"/claudecode/v1/messages", body=b"{}"))
    assert (await client.read_response()).body == b"hello"
    assert not second.requests


@ensure_deferred
async def test_a_body_until_close_that_closes_is_whole(world: World) -> None:
    upstream = world.upstream((TO_CLOSE, Close()))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    for version, ended in ((b"1.1", "chunked"), (b"1.0", "close")):
        client.send(request(b"GET", b"/claudecode/v1/models").replace(b"HTTP/1.1", b"HTTP/" + version))
        answer = await client.read_response()
        assert (answer.complete, answer.ended, answer.body) == (True, ended, b"hello")
