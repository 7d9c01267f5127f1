"""What an answer says that it cost is in the log line of its request, in `/status` and in `/metrics`."""

from __future__ import annotations

import gzip
import json

import pytest

from tests.asking import ask
from tests.proxy import Proxy, provider
from tests.pure.test_token_counts import ANSWERS, CHAT, CLAUDE, chunks, claude_stream, completed
from tests.seen import client_status, get, metrics
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.message import Fields
from tests.wirekit.steps import Reset, Steps, answer, chunked
from tests.world import World

EVENTS = ((b"Content-Type", b"text/event-stream"),)
SPENT = {"input": 12034, "cached_input": 11200, "output": 512}
LINE = "tokens: 12034 in (11200 cached), 512 out"
PREFIXES = {"ANTHROPIC": "claudecode", "OPENAI": "codex", "GEMINI": "gemini"}


def cut(body: bytes, size: int, fields: Fields = EVENTS) -> Steps:
    """`body` in pieces of `size` bytes, each a segment of its own."""
    return chunked(*(body[at : at + size] for at in range(0, len(body), size)), fields=fields)


async def served(world: World, steps: Steps, prefix: str = "claudecode", **settings: object) -> Proxy:
    """One request that is answered with `steps`."""
    proxy = world.proxy({prefix: [provider("main", world.upstream(steps).base_url)]}, **settings)
    await ask(await world.connect(proxy.port), prefix)
    await proxy.logged(" → ")
    return proxy


@ensure_deferred
@pytest.mark.parametrize("name", ANSWERS)
async def test_every_kind_of_answer_is_counted(world: World, name: str) -> None:
    dialect, body = ANSWERS[name]
    fields = EVENTS if body.startswith(b"data:") else ((b"Content-Type", b"application/json"),)
    proxy = await served(world, answer(200, body, fields), dialect.prefix)
    assert LINE in proxy.requests[0]
    (main,) = (await client_status(proxy, dialect.prefix))["providers"]
    assert main["tokens"] == SPENT
    samples = await metrics(proxy)
    for kind, number in SPENT.items():
        assert samples("clipal_tokens_total", client=dialect.prefix, provider="main", kind=kind) == number


@ensure_deferred
@pytest.mark.parametrize("size", [3, 7, 1000])
async def test_a_stream_may_be_cut_anywhere(world: World, size: int) -> None:
    long = claude_stream(CLAUDE, {"output_tokens": 512}, "x" * 9000)
    if size < 10:
        long = claude_stream(CLAUDE, {"output_tokens": 512}, "x" * 200)
    assert LINE in (await served(world, cut(long, size))).requests[0]


@ensure_deferred
async def test_it_is_counted_where_no_first_event_is_waited_for(world: World) -> None:
    steps = cut(claude_stream(CLAUDE, {"output_tokens": 512}, "x" * 20_000), 100)
    proxy = world.proxy({"claudecode": [provider("main", world.upstream(steps).base_url)]}, pinned="main")
    await ask(await world.connect(proxy.port))
    await proxy.logged(LINE)


@ensure_deferred
async def test_a_long_stream_of_small_events_is_counted(world: World) -> None:
    text = claude_stream(CLAUDE, {"output_tokens": 512}).split(b"event: content_block_stop")
    ping = b"event: ping\ndata: {}\n\n"
    steps = chunked(text[0], *[ping] * 700, b"event: content_block_stop" + text[1], fields=EVENTS)
    assert LINE in (await served(world, steps)).requests[0]


@ensure_deferred
async def test_a_last_event_of_megabytes_is_counted(world: World) -> None:
    usage = {"input_tokens": 12034, "input_tokens_details": {"cached_tokens": 11200}, "output_tokens": 512}
    body = b'data: {"type":"response.output_text.delta","delta":"x"}\n\n' + completed(usage, ["x" * 2_000_000])
    assert LINE in (await served(world, cut(body, 60_000), "codex")).requests[0]


@ensure_deferred
async def test_a_compressed_answer_counts_nothing(world: World) -> None:
    body = gzip.compress(chunks(CHAT))
    proxy = await served(world, answer(200, body, (*EVENTS, (b"Content-Encoding", b"gzip"))), "codex")
    assert "tokens" not in proxy.requests[0]


@ensure_deferred
async def test_an_error_that_is_relayed_counts_nothing(world: World) -> None:
    proxy = await served(world, answer(400, json.dumps({"error": {"message": "no"}, "usage": CLAUDE}).encode()))
    assert "tokens" not in proxy.requests[0]


@ensure_deferred
async def test_an_answer_that_breaks_off_counts_what_it_had_said(world: World) -> None:
    body = claude_stream(CLAUDE, {"output_tokens": 512})
    steps = (*chunked(body[: body.index(b"event: content_block_stop")], fields=EVENTS, last=False), Reset())
    proxy = world.proxy({"claudecode": [provider("main", world.upstream(steps).base_url)]})
    await ask(await world.connect(proxy.port))
    await proxy.logged("tokens: 12034 in (11200 cached), 0 out")


@ensure_deferred
async def test_an_answer_that_is_fetched_again_is_not_counted_again(world: World) -> None:
    body = json.dumps({"output": [], "usage": CHAT}).encode()
    proxy = world.proxy({"codex": [provider("main", world.upstream(answer(200, body)).base_url)]})
    await get(proxy.port, b"/codex/v1/responses/resp_1")
    await proxy.logged(" → ")
    assert "tokens" not in proxy.requests[0]
