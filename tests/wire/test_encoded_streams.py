"""Compressed and mislabelled streams over sockets: an error fails over, and what is relayed is what came, in time."""

from __future__ import annotations

import pytest

from clipal.config.settings import FirstEventMode
from tests.codings import ENCODINGS
from tests.formats import BODY, EACH, FORMATS, Format, clients, whole
from tests.proxy import provider
from tests.wirekit.client import request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import Hang, Steps, chunked, event_stream
from tests.world import World

EVENTS = (b"Content-Type", b"text/event-stream")
FORM = FORMATS["Anthropic Messages"]
EACH_CODING = pytest.mark.parametrize("coding", ENCODINGS)


def encoded(coding: bytes, *events: bytes, last: bool = True, kind: bytes = b"text/event-stream") -> Steps:
    """A stream whose encoder flushes behind each event."""
    fields = ((b"Content-Type", kind), (b"Content-Encoding", coding))
    pieces = ENCODINGS[coding](events)
    return chunked(*filter(None, pieces if last else pieces[:-1]), fields=fields, last=last)


@EACH
@EACH_CODING
@ensure_deferred
async def test_an_error_in_a_compressed_stream_fails_over(world: World, form: Format, coding: bytes) -> None:
    first = world.upstream(encoded(coding, *form.preamble, form.error))
    good = (*form.preamble, form.content, *form.rest)
    second = world.upstream(encoded(coding, *good))
    proxy = world.proxy({clients(form.path): [provider("one", first.base_url), provider("two", second.base_url)]})
    client = await world.connect(proxy.port)
    client.send(request(b"POST", form.path, body=BODY))
    response = await client.read_response()
    assert (response.status, response.complete) == (200, True)
    assert response.body == b"".join(ENCODINGS[coding](good)), "the bytes that came"
    assert response.values(b"content-encoding") == [coding]
    assert "200 via two" in proxy.requests[0]
    assert "(one: 5" in proxy.requests[0]


@EACH
@EACH_CODING
@ensure_deferred
async def test_a_compressed_event_arrives_while_the_provider_says_no_more(
    world: World, form: Format, coding: bytes
) -> None:
    """As early as a plain one: with the read that brought it, and not with the next."""
    events = (*form.preamble, form.content)
    upstream = world.upstream((*encoded(coding, *events, last=False), Hang()))
    proxy = world.proxy({clients(form.path): [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    client.send(request(b"POST", form.path, body=BODY))
    await client.wait_for(ENCODINGS[coding](events)[-2])


@EACH_CODING
@ensure_deferred
async def test_a_compressed_stream_without_content_fails_over(world: World, coding: bytes) -> None:
    first = world.upstream(encoded(coding, *FORM.preamble))
    second = world.upstream(event_stream(FORM.content))
    proxy = world.proxy({"claudecode": [provider("one", first.base_url), provider("two", second.base_url)]})
    client = await world.connect(proxy.port)
    client.send(request(b"POST", FORM.path, body=BODY))
    assert (await client.read_response()).body == FORM.content
    assert "(one: 200 empty answer)" in proxy.requests[0]


@pytest.mark.parametrize("coding", [b"rot13", b"gzip, br", b"gzip"])
@ensure_deferred
async def test_what_cannot_be_decoded_is_relayed_at_once(world: World, coding: bytes) -> None:
    body = b"\x1f\x8b\xff\xff this is none of them"
    fields = (EVENTS, (b"Content-Encoding", coding))
    upstream = world.upstream((*chunked(body, fields=fields, last=False), Hang()))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    client.send(request(b"POST", FORM.path, body=BODY))
    await client.wait_for(body)


@EACH
@pytest.mark.parametrize("kind", [b"text/plain; charset=utf-8", b"application/json", b""])
@pytest.mark.parametrize("coding", [b"", b"zstd"])
@ensure_deferred
async def test_an_error_in_a_mislabelled_stream_fails_over(
    world: World, form: Format, kind: bytes, coding: bytes
) -> None:
    events = (*form.preamble, form.error)
    fields = ((b"Content-Type", kind),) if kind else ()
    bad = encoded(coding, *events, kind=kind or b"text/plain") if coding else chunked(*events, fields=fields)
    first, second = world.upstream(bad), world.upstream(event_stream(form.content, *form.rest))
    proxy = world.proxy({clients(form.path): [provider("one", first.base_url), provider("two", second.base_url)]})
    client = await world.connect(proxy.port)
    client.send(request(b"POST", form.path, body=BODY))
    assert (await client.read_response()).body == b"".join((form.content, *form.rest))


@EACH
@ensure_deferred
async def test_a_mislabelled_stream_is_relayed_as_it_comes(world: World, form: Format) -> None:
    events = (*form.preamble, form.content)
    upstream = world.upstream((*chunked(*events, fields=((b"Content-Type", b"text/plain"),), last=False), Hang()))
    proxy = world.proxy({clients(form.path): [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    client.send(request(b"POST", form.path, body=BODY))
    await client.wait_for(form.content)


@pytest.mark.parametrize("mode", FirstEventMode)
@EACH_CODING
@ensure_deferred
async def test_the_modes_of_the_gate_hold_for_compressed_streams_too(
    world: World, mode: FirstEventMode, coding: bytes
) -> None:
    events = (FORM.preamble[0], FORM.error)
    first, second = world.upstream(encoded(coding, *events)), world.upstream(event_stream(FORM.content))
    proxy = world.proxy(
        {"claudecode": [provider("one", first.base_url), provider("two", second.base_url)]}, first_event=mode
    )
    client = await world.connect(proxy.port)
    client.send(request(b"POST", FORM.path, body=BODY))
    body = (await client.read_response()).body
    assert body == (FORM.content if mode is FirstEventMode.ON else b"".join(ENCODINGS[coding](events)))
    said = "would have asked the next provider: one answered an error event that stands for 529"
    assert (said in "".join(proxy.lines)) is (mode is FirstEventMode.SHADOW)


@ensure_deferred
async def test_shadow_sees_a_mislabelled_stream(world: World) -> None:
    upstream = world.upstream(chunked(FORM.preamble[0], FORM.error, fields=((b"Content-Type", b"text/plain"),)))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]}, first_event=FirstEventMode.SHADOW)
    client = await world.connect(proxy.port)
    client.send(request(b"POST", FORM.path, body=BODY))
    assert (await client.read_response()).body == FORM.preamble[0] + FORM.error
    assert "one answered an error event that stands for 529" in "".join(proxy.lines)


@EACH_CODING
@ensure_deferred
async def test_a_whole_compressed_stream_is_the_clients_byte_for_byte(world: World, coding: bytes) -> None:
    """In one piece, as an encoder that never flushes sends it."""
    body = b"".join(ENCODINGS[coding]([whole(FORM) * 2000]))
    upstream = world.upstream(chunked(body, fields=(EVENTS, (b"Content-Encoding", coding))))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    client.send(request(b"POST", FORM.path, body=BODY))
    response = await client.read_response()
    assert (response.body, response.complete) == (body, True)
