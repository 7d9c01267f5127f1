"""A request's body is let go of as soon as the request has ended, in whichever way."""

from __future__ import annotations

import gc

import pytest
from twisted.internet.task import deferLater

from clipal.upstream.body import BytesBody
from tests.proxy import StartProxy, provider
from tests.wirekit.client import request
from tests.wirekit.fixtures import Connect, StartUpstream
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import Hang, Steps, answer, chunked
from tests.wirekit.waiting import reactor

SIZE = 1_000_000


@pytest.mark.parametrize(
    "script",
    [chunked(b"x"), answer(500, b""), (Hang(),), (*chunked(b"x", last=False), Hang())],
    ids=["whole", "an error", "the client leaves before the head", "the client leaves in the body"],
)
@ensure_deferred
async def test_the_body_is_released(
    start_proxy: StartProxy, start_upstream: StartUpstream, connect: Connect, script: Steps
) -> None:
    upstream = start_upstream(script)
    proxy = start_proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await connect(proxy.port)
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
        assert not [each for each in gc.get_objects() if isinstance(each, BytesBody) and len(each.body) == SIZE]
    finally:
        gc.enable()
