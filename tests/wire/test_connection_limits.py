"""More connections than there may be: a 503 for requests, and `/health` and `/status` for whoever watches."""

from __future__ import annotations

import json

import pytest

from clipal.downstream.capacity import SPARE
from tests.proxy import provider
from tests.wirekit.client import RawClient, request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import answer
from tests.world import World

ASKING = request(b"POST", b"/claudecode/v1/messages", body=b"{}")


@pytest.mark.parametrize("limit", ["max_connections", "max_connections_per_address"])
@ensure_deferred
async def test_a_connection_beyond_the_limit_gets_a_503_unless_it_asks_how_clipal_is(world: World, limit: str) -> None:
    upstream = world.upstream(answer(200, b"ok"))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]}, **{limit: 2})
    first, second, third, fourth = [await world.connect(proxy.port) for _ in range(4)]
    for page in (b"/health", b"/status", b"/metrics"):
        third.send(request(b"GET", page))
        assert (await third.read_response()).status == 200
    third.send(ASKING)
    answered = await third.read_response()
    assert (answered.status, answered.values(b"retry-after")) == (503, [b"1"])
    assert json.loads(answered.body)["type"] == "error"
    for client in (first, second):
        client.send(ASKING)
        assert (await client.read_response()).body == b"ok"
    third.abort()
    await third.closed()
    first.abort()
    await first.closed()
    fourth.send(ASKING)
    assert (await fourth.read_response()).body == b"ok"


@ensure_deferred
async def test_where_the_spare_ones_are_taken_too_the_503_comes_at_once(world: World) -> None:
    proxy = world.proxy({}, max_connections=1)
    clients: list[RawClient] = [await world.connect(proxy.port) for _ in range(1 + SPARE)]
    last = await world.connect(proxy.port)
    answered = await last.read_response()
    assert (answered.status, answered.values(b"retry-after")) == (503, [b"1"])
    clients[-1].send(request(b"GET", b"/health"))
    assert (await clients[-1].read_response()).status == 200
