"""`GET /status`: each field, in a test that makes it change."""

from __future__ import annotations

from tests.asking import ask, ranked
from tests.proxy import StartProxy
from tests.seen import client_status
from tests.wirekit.fixtures import Connect, StartUpstream
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import answer


@ensure_deferred
async def test_the_numbers_of_a_failover(
    start_proxy: StartProxy, start_upstream: StartUpstream, connect: Connect
) -> None:
    limited = answer(429, b"", ((b"Retry-After", b"30"),))
    proxy = ranked(start_proxy, start_upstream(limited), start_upstream(answer(200, b"two")))
    before = await client_status(proxy)
    assert (before["preferred"], before["can_answer"], before["requests"]) == ("one", True, 0)
    assert await ask(await connect(proxy.port)) == b"two"
    found = await client_status(proxy)
    assert (found["preferred"], found["requests"], found["failovers"]) == ("two", 1, 1)
    one, _ = found["providers"]
    assert (one["health"], one["reason"], one["failures"]) == ("open", "rate limit", {"rate limit": 1})
