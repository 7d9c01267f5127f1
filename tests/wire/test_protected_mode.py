"""Listening beyond loopback without tokens: whoever is not on this machine gets a 403 that names two ways out."""

from __future__ import annotations

import json

import pytest

from tests.proxy import Proxy, provider
from tests.wire.test_addresses import own_address
from tests.wire.test_client_tokens import GOOD, asked, shown, token
from tests.wirekit.client import RawResponse, request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.message import Fields
from tests.wirekit.steps import answer
from tests.world import World

PATH = b"/codex/v1/responses"


def everywhere(world: World, **settings: object) -> Proxy:
    upstream = world.upstream(answer(200, b"ok"))
    return world.proxy({"codex": [provider("one", upstream.base_url)]}, listen_addr="0.0.0.0", **settings)


async def from_elsewhere(world: World, proxy: Proxy, target: bytes = PATH, fields: Fields = ()) -> RawResponse:
    """The answer to a client at an address that is not loopback."""
    address = own_address()
    client = await world.connect(proxy.port, address)
    client.send(request(b"POST" if target == PATH else b"GET", target, ((b"Host", address.encode()), *fields), b"{}"))
    return await client.read_response()


@pytest.mark.parametrize("target", [PATH, b"/status", b"/metrics", b"/nothing"])
@ensure_deferred
async def test_another_machine_is_told_the_two_ways_out(world: World, target: bytes) -> None:
    proxy = everywhere(world)
    answered = await from_elsewhere(world, proxy, target)
    assert answered.status == 403
    message = json.loads(answered.body)["error"]["message"]
    assert "client_tokens" in message
    assert "protected_mode: false" in message


@ensure_deferred
async def test_this_machine_is_served_and_health_to_everybody(world: World) -> None:
    proxy = everywhere(world)
    assert (await asked(world, proxy, "codex")).body == b"ok"
    assert (await from_elsewhere(world, proxy, b"/health")).status == 200


@pytest.mark.parametrize("trace", [b"Forwarded", b"X-Forwarded-For", b"via"])
@ensure_deferred
async def test_loopback_behind_a_proxy_is_not_this_machine(world: World, trace: bytes) -> None:
    proxy = everywhere(world)
    assert (await asked(world, proxy, "codex", ((trace, b"127.0.0.1"),))).status == 403


@ensure_deferred
async def test_where_no_other_machine_can_connect_such_a_field_changes_nothing(world: World) -> None:
    upstream = world.upstream(answer(200, b"ok"))
    proxy = world.proxy({"codex": [provider("one", upstream.base_url)]})
    assert (await asked(world, proxy, "codex", ((b"Via", b"1.1 own"),))).body == b"ok"


@ensure_deferred
async def test_tokens_or_protected_mode_false_end_it(world: World) -> None:
    assert (await from_elsewhere(world, everywhere(world, protected_mode=False))).body == b"ok"
    proxy = everywhere(world, client_tokens=(token(),))
    assert (await from_elsewhere(world, proxy)).status == 401
    assert (await from_elsewhere(world, proxy, fields=shown(GOOD))).body == b"ok"
