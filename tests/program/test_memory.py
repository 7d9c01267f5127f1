"""What a request holds is let go of as soon as it has ended, in whichever way, its body above all."""

from __future__ import annotations

import gc
import tracemalloc

import pytest
from twisted.internet.task import deferLater

from clipal.downstream.exchange import Exchange
from clipal.downstream.relay import Relay
from clipal.downstream.request import Request
from clipal.failover.attempt import Attempt
from clipal.failover.held_answer import HeldAnswer
from clipal.upstream.body import BytesBody
from clipal.upstream.response import Response
from clipal.wire.message import RequestHead, ResponseHead
from tests.proxy import provider
from tests.wirekit.client import request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import Hang, Steps, answer, chunked, event, event_stream
from tests.wirekit.waiting import reactor
from tests.world import World

SIZE = 1_000_000


def of_a_request() -> list[object]:
    """What there is only while a request is answered."""
    kinds = (Exchange, Request, Relay, Attempt, HeldAnswer, Response, RequestHead, ResponseHead)
    return [each for each in gc.get_objects() if isinstance(each, kinds)]


@ensure_deferred
async def test_an_open_stream_holds_neither_the_body_nor_the_fields_of_its_request(world: World) -> None:
    upstream = world.upstream((*chunked(b"hello", last=False), Hang()))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    client.send(request(b"POST", b"/claudecode/x", body=b"z" * SIZE))
    await client.wait_for(b"hello")
    gc.collect()
    heads = [each for each in gc.get_objects() if isinstance(each, RequestHead) and each.target == b"/claudecode/x"]
    assert heads
    assert not any(each.fields or each.keys or each.table for each in heads)
    assert not [each for each in gc.get_objects() if isinstance(each, BytesBody) and each.length == SIZE]


@pytest.mark.parametrize(
    "script",
    [chunked(b"x"), answer(500, b""), (Hang(),), (*chunked(b"x", last=False), Hang())],
    ids=["whole", "an error", "the client leaves before the head", "the client leaves in the body"],
)
@ensure_deferred
async def test_the_body_is_released(world: World, script: Steps) -> None:
    upstream = world.upstream(script)
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    gc.collect()
    gc.disable()
    try:
        client.send(request(b"POST", b"/claudecode/x", body=b"z" * SIZE))
        await upstream.next_request()
        if any(isinstance(step, Hang) for step in script):
            client.abort()
            await upstream.next_connection_lost()
        else:
            await client.read_response()
        await deferLater(reactor, 0)
        assert not [each for each in gc.get_objects() if isinstance(each, BytesBody) and each.length == SIZE]
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (answer(200, b"whole"), answer(500)),
        (event_stream(event(b"{}", b"content_block_delta"), event(b"{}", b"message_stop")), answer(500)),
        (answer(429, b"{}"), answer(200, b"whole")),
        (answer(503, b"{}"), answer(503, b"{}")),
    ],
    ids=["whole", "streamed", "failed over", "unanswered"],
)
@ensure_deferred
async def test_a_request_leaves_nothing_for_the_garbage_collector(world: World, first: Steps, second: Steps) -> None:
    """Or it would have to be run often; `clipal.process.garbage` lets it run seldom."""
    one, two = world.upstream(first), world.upstream(second)
    proxy = world.proxy({"claudecode": [provider("one", one.base_url), provider("two", two.base_url)]})
    client = await world.connect(proxy.port)
    gc.collect()
    before = of_a_request()  # other tests' constants
    gc.disable()
    try:
        client.send(request(b"POST", b"/claudecode/v1/messages", body=b"{}"))
        await client.read_response()
        await proxy.logged(" → ")
        await deferLater(reactor, 0)
        assert not [each for each in of_a_request() if not any(each is other for other in before)]
    finally:
        gc.enable()


def test_a_body_in_tiny_pieces_costs_little_more_than_its_bytes() -> None:
    """Each of these pieces is an object of 35 bytes and a place in a list."""
    asked = Request.__new__(Request)
    asked._body, asked.received = [], 0
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(100_000):
            asked.body_received(b"%02d" % (number % 100))
        assert tracemalloc.get_traced_memory()[0] - before < 400_000
    finally:
        tracemalloc.stop()
    assert b"".join(asked.take_body()) == b"".join(b"%02d" % number for number in range(100)) * 1000
