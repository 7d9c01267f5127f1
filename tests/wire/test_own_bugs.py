"""A bug of ours: 500 in the client's shape, the traceback in the log, the next request fine."""

from __future__ import annotations

import json

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from clipal.config.settings import FirstEventMode
from clipal.downstream import exchange, relay_exchange
from clipal.downstream.relay import Relay
from clipal.downstream.resources import HealthResource
from clipal.failover import round as round_module
from clipal.failover.failover import Failover
from clipal.failover.gate import FirstEvent
from clipal.outcomes import outcome
from tests.proxy import provider
from tests.wirekit.client import request
from tests.wirekit.fixtures import FlushLoggedFailures
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import Hang, Send, Steps, Wait, answer, chunked, event, event_stream
from tests.wirekit.waiting import reactor
from tests.world import World


def bug(*_: object, **__: object) -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("where", "name", "steps"),
    [
        (Failover, "answer", answer(200, b"hello")),
        (round_module, "succeeded", answer(200, b"hello")),
        (relay_exchange, "write_whole", answer(200, b"hello")),
        (Relay, "connectionMade", chunked(b"hel", b"lo")),
    ],
    ids=str,
)
@ensure_deferred
async def test_a_bug_is_a_500(
    world: World,
    flush_logged_failures: FlushLoggedFailures,
    where: object,
    name: str,
    steps: Steps,
) -> None:
    upstream = world.upstream(steps)
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(where, name, bug)
        client.send(request(b"POST", b"/claudecode/v1/messages", body=b"{}"))
        response = await client.read_response()
    assert response.status == 500
    assert json.loads(response.body)["error"]["type"] == "api_error"
    assert [failure.type for failure in flush_logged_failures(ZeroDivisionError)] == [ZeroDivisionError]
    client.send(request(b"POST", b"/claudecode/v1/messages", body=b"{}"))
    assert (await client.read_response()).body == b"hello"


@pytest.mark.parametrize(("where", "name"), [(round_module, "succeeded"), (outcome, "relayed")], ids=str)
@ensure_deferred
async def test_a_bug_keeps_no_provider_busy(
    world: World,
    flush_logged_failures: FlushLoggedFailures,
    where: object,
    name: str,
) -> None:
    upstream = world.upstream((*chunked(b"hel", last=False), Hang()))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(where, name, bug)
        client.send(request(b"POST", b"/claudecode/v1/messages", body=b"{}"))
        assert (await client.read_response()).status == 500
    assert flush_logged_failures(ZeroDivisionError)
    await upstream.next_connection_lost()
    (one,) = proxy.service.failovers["claudecode"].route.providers
    assert (one.tally.outcomes, one.tally.open_requests) == ({"bug in clipal": 1}, 0)


@pytest.mark.parametrize("leaves", [True, False], ids=["the client leaves", "the answer is whole"])
@ensure_deferred
async def test_a_bug_at_the_end_keeps_no_place_and_no_client_waiting(
    world: World,
    flush_logged_failures: FlushLoggedFailures,
    leaves: bool,
) -> None:
    go_on: Deferred[None] = Deferred()
    upstream = world.upstream((*chunked(b"hel", last=False), Wait(go_on), Send(b"0\r\n\r\n")))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(exchange, "log_request", bug)
        client.send(request(b"POST", b"/claudecode/v1/messages", body=b"{}"))
        await client.wait_for(b"hel")
        if leaves:
            client.abort()
        else:
            go_on.callback(None)
        await client.closed()
        await deferLater(reactor, 0.1)
        assert not proxy.service.site.channels
    flush_logged_failures()


@ensure_deferred
async def test_a_bug_in_an_ordinary_resource_is_a_500(world: World, flush_logged_failures: FlushLoggedFailures) -> None:
    proxy = world.proxy({})
    client = await world.connect(proxy.port)
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(HealthResource, "render_GET", bug)
        client.send(request(b"GET", b"/health"))
        assert (await client.read_response()).status == 500
    assert flush_logged_failures(ZeroDivisionError)
    client.send(request(b"GET", b"/health"))
    assert (await client.read_response()).status == 200
    client.send(request(b"POST", b"/health", body=b"x"))
    refused = await client.read_response()
    assert (refused.status, refused.values(b"allow")) == (405, [b"HEAD, GET"])


@pytest.mark.parametrize("method", ["feed", "end"])
@pytest.mark.parametrize("mode", [FirstEventMode.ON, FirstEventMode.SHADOW])
@ensure_deferred
async def test_a_bug_in_the_gate_opens_it(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    flush_logged_failures: FlushLoggedFailures,
    mode: FirstEventMode,
    method: str,
) -> None:
    monkeypatch.setattr(FirstEvent, method, bug)
    upstream = world.upstream(event_stream(event(b"{}", b"ping")))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]}, first_event=mode)
    client = await world.connect(proxy.port)
    client.send(request(b"POST", b"/claudecode/v1/messages", body=b"{}"))
    assert (await client.read_response()).complete
    assert flush_logged_failures(ZeroDivisionError)
