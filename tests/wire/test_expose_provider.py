"""`expose_provider`: an answer names who gave it; without it, not a byte is added."""

from __future__ import annotations

import pytest

from tests.proxy import provider
from tests.wire.test_tunnel import ACCEPTED, HANDSHAKE, tunnelled
from tests.wirekit.client import RawResponse, request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import Hang, Send, answer, event_stream
from tests.world import World

LOCAL = (b"Host", b"127.0.0.1")
ANSWERS = {"whole": answer(200, b"x"), "stream": event_stream(b'data: {"type":"content_block_delta"}\n\n')}


async def asked(world: World, name: str, kind: str, **settings: object) -> RawResponse:
    upstream = world.upstream(ANSWERS[kind])
    proxy = world.proxy({"claudecode": [provider(name, upstream.base_url)]}, **settings)
    client = await world.connect(proxy.port)
    client.send(request(b"POST", b"/claudecode/v1/messages", (LOCAL, (b"X-Request-Id", b"mine")), b"{}"))
    return await client.read_response()


@pytest.mark.parametrize("kind", ANSWERS)
@pytest.mark.parametrize(
    ("name", "shown"), [("my relay, two", b"my relay, two"), ("模型 100%", b"%E6%A8%A1%E5%9E%8B 100%25")]
)
@ensure_deferred
async def test_an_answer_names_its_provider(world: World, kind: str, name: str, shown: bytes) -> None:
    found = await asked(world, name, kind, expose_provider=True)
    assert found.values(b"x-clipal-provider") == [shown]
    assert found.values(b"x-clipal-request-id") == [b"mine"]
    assert found.complete


@pytest.mark.parametrize("kind", ANSWERS)
@ensure_deferred
async def test_by_default_nothing_is_added(world: World, kind: str) -> None:
    assert b"clipal" not in (await asked(world, "main", kind)).raw


@ensure_deferred
async def test_a_websocket_names_its_provider(world: World) -> None:
    proxy = tunnelled(world.proxy, world.upstream((Send(ACCEPTED), Hang())), expose_provider=True)
    client = await world.connect(proxy.port)
    client.send(HANDSHAKE)
    found = await client.read_response(bodyless=True)
    assert found.status == 101
    assert found.values(b"x-clipal-provider") == [b"one"]


@pytest.mark.parametrize("exposed", [True, False])
@ensure_deferred
async def test_an_error_of_our_own_has_the_id_alone(world: World, exposed: bool) -> None:
    proxy = world.proxy({"claudecode": []}, expose_provider=exposed)
    client = await world.connect(proxy.port)
    client.send(request(b"POST", b"/claudecode/v1/messages", (LOCAL, (b"X-Request-Id", b"mine")), b"{}"))
    found = await client.read_response()
    assert found.values(b"x-clipal-request-id") == ([b"mine"] if exposed else [])
    assert found.values(b"x-clipal-provider") == []
