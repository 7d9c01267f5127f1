"""The gate over sockets: an error at the start of a stream fails over, one behind content does not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from clipal.config.settings import CircuitBreaker, FailBack, FirstEventMode
from tests.formats import BODY, EACH, FORMATS, Format, clients, data, typed, whole
from tests.proxy import provider
from tests.wirekit.client import request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import Hang, Pause, Reset, Send, Step, chunk, event_stream
from tests.world import World


@EACH
@pytest.mark.parametrize("before", [0, 1, 2])
@ensure_deferred
async def test_an_error_before_content_fails_over(world: World, form: Format, before: int) -> None:
    """As the first, the second and the third event."""
    first = world.upstream(event_stream(*form.preamble[:before], form.error))
    second = world.upstream(event_stream(*form.preamble, form.content, *form.rest))
    proxy = world.proxy({clients(form.path): [provider("one", first.base_url), provider("two", second.base_url)]})
    client = await world.connect(proxy.port)
    client.send(request(b"POST", form.path, body=BODY))
    response = await client.read_response()
    assert (response.status, response.body, response.complete) == (200, whole(form), True)
    assert "200 via two" in proxy.requests[0]
    assert "(one: 5" in proxy.requests[0]
    assert first.requests[0].body == second.requests[0].body == BODY


@EACH
@ensure_deferred
async def test_an_error_after_content_is_relayed(world: World, form: Format) -> None:
    events = (*form.preamble, form.content, form.error)
    first, second = world.upstream(event_stream(*events)), world.upstream(event_stream(form.content))
    proxy = world.proxy({clients(form.path): [provider("one", first.base_url), provider("two", second.base_url)]})
    client = await world.connect(proxy.port)
    client.send(request(b"POST", form.path, body=BODY))
    response = await client.read_response()
    assert (response.body, response.complete) == (b"".join(events), True)
    assert not second.requests


@EACH
@ensure_deferred
async def test_a_break_after_content_aborts_the_client(world: World, form: Format) -> None:
    events = (*form.preamble, form.content)
    first = world.upstream((*event_stream(*events, last=False), Reset()))
    second = world.upstream(event_stream(form.content))
    proxy = world.proxy({clients(form.path): [provider("one", first.base_url), provider("two", second.base_url)]})
    client = await world.connect(proxy.port)
    client.send(request(b"POST", form.path, body=BODY))
    response = await client.read_response()
    assert (response.body, response.complete, response.ended) == (b"".join(events), False, "aborted")
    assert not second.requests


@EACH
@pytest.mark.parametrize("count", [0, 1, 2])
@ensure_deferred
async def test_an_end_or_a_cut_before_content_fails_over(world: World, form: Format, count: int) -> None:
    ended = world.upstream(event_stream(*form.preamble[:count]))
    cut = world.upstream((*event_stream(*form.preamble[:count], last=False), Reset()))
    good = world.upstream(event_stream(form.content, *form.rest))
    providers = [provider(name, each.base_url) for name, each in (("e", ended), ("c", cut), ("g", good))]
    proxy = world.proxy({clients(form.path): providers})
    client = await world.connect(proxy.port)
    client.send(request(b"POST", form.path, body=BODY))
    response = await client.read_response()
    assert response.body == b"".join((form.content, *form.rest))
    assert "(e: 200 empty answer; c: broken answer)" in proxy.requests[0]


@EACH
@ensure_deferred
async def test_packets_may_split_anywhere(world: World, form: Format) -> None:
    """Each byte of the bad stream, and each of the good one, in a write of its own."""
    bad = event_stream(form.preamble[0], form.error)
    good = event_stream(form.preamble[0], form.content)
    scripts = []
    for script in (bad, good):
        raw = b"".join(step.data for step in script if isinstance(step, Send))
        scripts.append(tuple(Send(raw[at : at + 1]) for at in range(len(raw))))
    first, second = (world.upstream(script) for script in scripts)
    proxy = world.proxy({clients(form.path): [provider("one", first.base_url), provider("two", second.base_url)]})
    client = await world.connect(proxy.port)
    client.send(request(b"POST", form.path, body=BODY))
    response = await client.read_response()
    assert (response.body, response.complete) == (form.preamble[0] + form.content, True)


@EACH
@ensure_deferred
async def test_every_cut_of_the_error_event_is_understood(world: World, form: Format) -> None:
    """In two chunks, each in a packet of its own, cut at every byte."""
    stream = form.preamble[0] + form.error
    cuts = range(1, len(stream))
    first = world.upstream(*(event_stream(stream[:at], stream[at:]) for at in cuts))
    second = world.upstream(event_stream(form.content))
    proxy = world.proxy(
        {clients(form.path): [provider("one", first.base_url), provider("two", second.base_url, priority=2)]},
        circuit_breaker=CircuitBreaker(failure_threshold=0),
        failback=FailBack.ALWAYS,
        failback_after=0.0,
    )
    client = await world.connect(proxy.port)
    for at in cuts:
        client.send(request(b"POST", form.path, body=BODY))
        assert (await client.read_response()).body == form.content, at
    assert len(first.requests) == len(second.requests) == len(cuts)


FORM = FORMATS["Anthropic Messages"]
COMMENT = b"::" + b"x" * 65533 + b"\n"
"""64 KiB that say nothing, as many as are read at once."""


@pytest.mark.parametrize("mode", [FirstEventMode.OFF, FirstEventMode.SHADOW])
@ensure_deferred
async def test_without_the_gate_the_error_is_relayed(world: World, mode: FirstEventMode) -> None:
    first, second = world.upstream(event_stream(FORM.preamble[0], FORM.error)), world.upstream(event_stream(b""))
    proxy = world.proxy(
        {"claudecode": [provider("one", first.base_url), provider("two", second.base_url)]}, first_event=mode
    )
    client = await world.connect(proxy.port)
    client.send(request(b"POST", FORM.path, body=BODY))
    response = await client.read_response()
    assert (response.body, response.complete) == (FORM.preamble[0] + FORM.error, True)
    said = "would have asked the next provider: one answered an error event that stands for 529"
    assert (said in "".join(proxy.lines)) is (mode is FirstEventMode.SHADOW)


@ensure_deferred
async def test_shadow_is_silent_about_good_streams(world: World) -> None:
    upstream = world.upstream(event_stream(*FORM.preamble, FORM.content, *FORM.rest))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]}, first_event=FirstEventMode.SHADOW)
    client = await world.connect(proxy.port)
    client.send(request(b"POST", FORM.path, body=BODY))
    assert (await client.read_response()).body == whole(FORM)
    assert "would have" not in "".join(proxy.lines)


@ensure_deferred
async def test_shadow_says_that_nothing_came(world: World) -> None:
    upstream = world.upstream(event_stream(*FORM.preamble))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]}, first_event=FirstEventMode.SHADOW)
    client = await world.connect(proxy.port)
    client.send(request(b"POST", FORM.path, body=BODY))
    assert (await client.read_response()).body == b"".join(FORM.preamble)
    assert "one answered nothing" in "".join(proxy.lines)


@ensure_deferred
async def test_a_stream_that_does_not_decide_opens_in_time(world: World) -> None:
    upstream = world.upstream((*event_stream(*FORM.preamble, last=False), Hang()))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]}, first_event_timeout=0.1)
    client = await world.connect(proxy.port)
    client.send(request(b"POST", FORM.path, body=BODY))
    await client.wait_for(b"ping")


@pytest.mark.parametrize(
    ("events", "opens"),
    [
        ((FORM.preamble[1],) * 64, True),
        ((FORM.preamble[1],) * 63, False),
        ((COMMENT,) * 6, True),
        ((*(COMMENT,) * 3, COMMENT[1:]), False),
        ((b"event: new\ndata: {}\n\n",), True),
    ],
    ids=["64 events", "63 events", "more than 256 KiB", "a byte less than 256 KiB", "an unknown event"],
)
@ensure_deferred
async def test_bounds_open_the_gate(world: World, events: Sequence[bytes], opens: bool) -> None:
    """Until then, an error event still fails over; `tests/pure/test_gate.py` has the bounds to the byte."""
    first = world.upstream(event_stream(*events, FORM.error))
    second = world.upstream(event_stream(FORM.content))
    proxy = world.proxy({"claudecode": [provider("one", first.base_url), provider("two", second.base_url)]})
    client = await world.connect(proxy.port)
    client.send(request(b"POST", FORM.path, body=BODY))
    assert (await client.read_response()).body == (b"".join((*events, FORM.error)) if opens else FORM.content)


@ensure_deferred
async def test_the_only_providers_error_is_relayed_as_it_is(world: World) -> None:
    steps = event_stream(FORM.preamble[0], FORM.error, last=False)
    upstream = world.upstream((*steps, Send(chunk(b": more\n\n")), Send(b"0\r\n\r\n")))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    client.send(request(b"POST", FORM.path, body=BODY))
    response = await client.read_response()
    assert (response.status, response.complete) == (200, True)
    assert response.body == FORM.preamble[0] + FORM.error + b": more\n\n"


def slowly(*events: bytes, seconds: float = 0.15) -> Sequence[Step]:
    """A stream that does not end, with so many seconds before each event."""
    head, *rest = event_stream(*events, last=False)
    return (head, *(step for each in rest for step in (Pause(seconds), each)), Hang())


@EACH
@pytest.mark.parametrize("silent_after", [1, 2])
@ensure_deferred
async def test_without_first_event_timeout_the_header_timeout_bounds_silence_after_a_preamble(
    world: World, form: Format, silent_after: int
) -> None:
    first = world.upstream((*event_stream(*form.preamble[:silent_after], last=False), Hang()))
    second = world.upstream(event_stream(form.content))
    proxy = world.proxy(
        {clients(form.path): [provider("one", first.base_url), provider("two", second.base_url)]},
        first_event_timeout=0.0,
        response_header_timeout=0.2,
    )
    client = await world.connect(proxy.port)
    client.send(request(b"POST", form.path, body=BODY))
    assert (await client.read_response()).body == form.content
    assert "(one: no answer in time)" in proxy.requests[0]
    await first.next_connection_lost()


PINGS = {
    "Anthropic's ping": (b"/claudecode/v1/messages", typed("ping")),
    "OpenAI's keepalive": (b"/codex/v1/responses", typed("keepalive", sequence_number=1)),
    "a chunk without a choice": (b"/codex/v1/chat/completions", data(id="c", choices=[])),
    "a comment": (b"/claudecode/v1/messages", b": OPENROUTER PROCESSING\n\n"),
    "a blank line": (b"/gemini/v1beta/models/m:streamGenerateContent?alt=sse", b"\n"),
}


@pytest.mark.parametrize(("path", "ping"), PINGS.values(), ids=PINGS)
@pytest.mark.parametrize("preamble", [True, False])
@ensure_deferred
async def test_pings_do_not_count_as_progress(
    world: World,
    path: bytes,
    ping: bytes,
    preamble: bool,
) -> None:
    form = next(each for each in FORMATS.values() if each.path.partition(b"?")[0] == path.partition(b"?")[0])
    events = (*form.preamble[: int(preamble)], *[ping] * 50)
    first, second = world.upstream(slowly(*events, seconds=0.05)), world.upstream(event_stream(form.content))
    proxy = world.proxy(
        {clients(path): [provider("one", first.base_url), provider("two", second.base_url)]},
        first_event_timeout=0.0,
        response_header_timeout=0.3,
    )
    client = await world.connect(proxy.port)
    client.send(request(b"POST", path, body=BODY))
    assert (await client.read_response()).body == form.content
    assert "(one: no answer in time)" in proxy.requests[0]


@ensure_deferred
async def test_each_event_of_a_preamble_gives_the_next_one_its_time(world: World) -> None:
    """Four events in 0.6 s, each within the head timeout of the one before."""
    start = FORM.preamble[0]
    first, second = world.upstream(slowly(start, start, start, FORM.content)), world.upstream(())
    proxy = world.proxy(
        {"claudecode": [provider("one", first.base_url), provider("two", second.base_url)]},
        first_event_timeout=0.0,
        response_header_timeout=0.4,
    )
    client = await world.connect(proxy.port)
    client.send(request(b"POST", FORM.path, body=BODY))
    await client.wait_for(b"Hello")
    assert not second.requests
