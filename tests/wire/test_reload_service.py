"""A running clipal whose files change: what is under way ends as it began, what comes next goes the new way."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from twisted.internet.defer import Deferred, DeferredQueue
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.task import deferLater

import clipal.swap
import clipal.upkeep
from clipal.failover.failover import Failover
from clipal.providers.provider import Provider
from clipal.providers.route import Route
from tests.proxy import Proxy
from tests.wirekit.client import RawResponse, request
from tests.wirekit.fixtures import Connect, FlushLoggedFailures
from tests.wirekit.marks import async_fixture, ensure_deferred
from tests.wirekit.steps import Hang, Send, Steps, Wait, answer, chunk, chunked
from tests.wirekit.upstream import ScriptedUpstream
from tests.wirekit.waiting import reactor
from tests.world import World

LoadProxy: TypeAlias = Callable[[], Proxy]
LOADED = "Loaded the configuration"
KEPT = "The configuration stays as it was"
SECRET = "sk-ant-api03-Secret"
ASK = request(b"POST", b"/claudecode/v1/messages", body=b"{}")


@async_fixture
async def load_proxy(nothing_left: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LoadProxy]:
    """`Proxy.load` of the test's own directory; it looks at its files as often as a test likes to wait."""
    monkeypatch.setattr(clipal.upkeep, "UPKEEP", 0.01)
    write(tmp_path / "config.yaml", "log_stdout: false\n")
    started: list[Proxy] = []

    def load() -> Proxy:
        started.append(Proxy.load(tmp_path))
        return started[-1]

    yield load
    for proxy in started:
        await proxy.stop()
        assert all("ecret" not in line for line in proxy.lines)


def write(path: Path, text: str) -> None:
    """Saves a file in one step, with a stamp that it did not have before."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.chmod(0o600)
    before = path.stat().st_mtime_ns if path.exists() else 0
    os.utime(new, ns=(before + 1_000_000, before + 1_000_000))
    new.replace(path)


def providers(*upstreams: ScriptedUpstream) -> str:
    lines = [
        f"  - name: p{number}\n    base_url: {upstream.base_url}\n    api_key: {SECRET}-{number}\n"
        for number, upstream in enumerate(upstreams)
    ]
    return "providers:\n" + "".join(lines)


async def ask(connect: Connect, proxy: Proxy, data: bytes = ASK) -> RawResponse:
    client = await connect(proxy.port)
    client.send(data)
    return await client.read_response()


@ensure_deferred
async def test_a_changed_file_takes_effect(load_proxy: LoadProxy, world: World, tmp_path: Path) -> None:
    old, new = world.upstream(answer(200, b"old")), world.upstream(answer(200, b"new"))
    write(tmp_path / "claude-code.yaml", providers(old))
    proxy = load_proxy()
    assert (await ask(world.connect, proxy)).body == b"old"
    write(tmp_path / "claude-code.yaml", providers(new))
    await proxy.logged(LOADED)
    assert (await ask(world.connect, proxy)).body == b"new"
    assert (len(old.requests), len(new.requests)) == (1, 1)


@ensure_deferred
async def test_a_kept_connection_of_a_client_goes_the_new_way_too(
    load_proxy: LoadProxy, world: World, tmp_path: Path
) -> None:
    old, new = world.upstream(answer(200, b"old")), world.upstream(answer(200, b"new"))
    write(tmp_path / "claude-code.yaml", providers(old))
    proxy = load_proxy()
    client = await world.connect(proxy.port)
    client.send(ASK)
    assert (await client.read_response()).body == b"old"
    write(tmp_path / "claude-code.yaml", providers(new))
    await proxy.logged(LOADED)
    client.send(ASK)
    assert (await client.read_response()).body == b"new"


@pytest.mark.parametrize("touched", ["claude-code.yaml", "config.yaml"])
@ensure_deferred
async def test_a_request_in_flight_ends_on_the_route_that_it_began_with(
    load_proxy: LoadProxy, world: World, tmp_path: Path, touched: str
) -> None:
    go_on: Deferred[None] = Deferred()
    slow = (*chunked(b"one", last=False), Wait(go_on), Send(chunk(b"two") + b"0\r\n\r\n"))
    old, new = world.upstream(slow), world.upstream(answer(200, b"new"))
    write(tmp_path / "claude-code.yaml", providers(old))
    proxy = load_proxy()
    client = await world.connect(proxy.port)
    client.send(ASK)
    await client.wait_for(b"one")
    text = providers(new) if touched == "claude-code.yaml" else "log_stdout: false\nconnect_timeout: 5s\n"
    write(tmp_path / touched, text)
    await proxy.logged(LOADED)
    if touched == "claude-code.yaml":
        assert (await ask(world.connect, proxy)).body == b"new"
    go_on.callback(None)
    response = await client.read_response()
    assert (response.body, response.complete) == (b"onetwo", True)


@ensure_deferred
async def test_connections_of_an_old_route_close_as_soon_as_they_are_unused(
    load_proxy: LoadProxy, world: World, tmp_path: Path
) -> None:
    go_on: Deferred[None] = Deferred()
    slow = (*chunked(b"one", last=False), Wait(go_on), Send(chunk(b"two") + b"0\r\n\r\n"))
    upstream = world.upstream(slow, answer(200, b"idle"))
    write(tmp_path / "claude-code.yaml", providers(upstream))
    proxy = load_proxy()
    client = await world.connect(proxy.port)
    client.send(ASK)
    await client.wait_for(b"one")
    assert (await ask(world.connect, proxy)).body == b"idle"
    write(tmp_path / "claude-code.yaml", providers(upstream))
    assert (await upstream.next_connection_lost()).number == 1, "the one that was idle"
    assert [each.number for each in upstream.open_connections] == [0]
    go_on.callback(None)
    assert (await client.read_response()).complete
    assert (await upstream.next_connection_lost()).number == 0


@ensure_deferred
async def test_a_touched_file_resets_its_own_client_alone(load_proxy: LoadProxy, world: World, tmp_path: Path) -> None:
    upstream = world.upstream(answer(401, b"{}"))
    text = providers(upstream)
    for name in ("claude-code.yaml", "codex.yaml"):
        write(tmp_path / name, text)
    proxy = load_proxy()
    codex = request(b"POST", b"/codex/v1/responses", body=b"{}")
    for data in (ASK, codex):
        assert (await ask(world.connect, proxy, data)).status == 401
    write(tmp_path / "claude-code.yaml", text)
    await proxy.logged(f"{LOADED}; clients that begin afresh: /claudecode")
    assert (await ask(world.connect, proxy)).status == 401
    assert (await ask(world.connect, proxy, codex)).status == 503, "it rests"
    assert len(upstream.requests) == 3


@ensure_deferred
async def test_a_request_that_waits_for_its_head_may_still_fail_over_on_the_old_route(
    load_proxy: LoadProxy, world: World, tmp_path: Path
) -> None:
    go_on: Deferred[None] = Deferred()
    first = world.upstream((Wait(go_on), *answer(503, b"{}")))
    second, new = world.upstream(answer(200, b"second")), world.upstream(answer(200, b"new"))
    write(tmp_path / "claude-code.yaml", providers(first, second))
    proxy = load_proxy()
    client = await world.connect(proxy.port)
    client.send(ASK)
    await first.next_request()
    write(tmp_path / "claude-code.yaml", providers(new))
    await proxy.logged(LOADED)
    go_on.callback(None)
    assert (await client.read_response()).body == b"second"
    assert not new.requests


@pytest.mark.parametrize("text", ["", "providers: [", f"providers:\n  - {SECRET}\n", f"mode: {SECRET}\n"])
@ensure_deferred
async def test_broken_yaml_keeps_serving(load_proxy: LoadProxy, world: World, tmp_path: Path, text: str) -> None:
    old, new = world.upstream(answer(200, b"old")), world.upstream(answer(200, b"new"))
    write(tmp_path / "claude-code.yaml", providers(old))
    proxy = load_proxy()
    write(tmp_path / "claude-code.yaml", text)
    await proxy.logged(KEPT)
    assert (await ask(world.connect, proxy)).body == b"old"
    write(tmp_path / "claude-code.yaml", providers(new))
    await proxy.logged(LOADED)
    assert (await ask(world.connect, proxy)).body == b"new"
    assert sum(KEPT in line for line in proxy.lines) == 1


@ensure_deferred
async def test_a_touched_file_begins_afresh_with_a_resting_provider_and_config_yaml_does_not(
    load_proxy: LoadProxy, world: World, tmp_path: Path
) -> None:
    first, second = world.upstream(answer(401, b"{}")), world.upstream(answer(200, b"second"))
    text = providers(first, second)
    write(tmp_path / "claude-code.yaml", text)
    proxy = load_proxy()
    await ask(world.connect, proxy)
    asked = len(first.requests)
    write(tmp_path / "config.yaml", "log_stdout: false\nconnect_timeout: 5s\n")
    await proxy.logged(LOADED)
    await ask(world.connect, proxy)
    assert len(first.requests) == asked, "it rests, whatever config.yaml says"
    write(tmp_path / "claude-code.yaml", text)
    await proxy.logged(LOADED, 2)
    await ask(world.connect, proxy)
    assert len(first.requests) > asked


@ensure_deferred
async def test_a_deleted_client_file_means_no_providers(load_proxy: LoadProxy, world: World, tmp_path: Path) -> None:
    upstream = world.upstream(answer(200, b"old"))
    write(tmp_path / "claude-code.yaml", providers(upstream))
    proxy = load_proxy()
    (tmp_path / "claude-code.yaml").unlink()
    await proxy.logged(LOADED)
    assert (await ask(world.connect, proxy)).status == 503
    assert not upstream.requests


@ensure_deferred
async def test_a_new_limit_of_config_yaml_is_in_force(load_proxy: LoadProxy, world: World, tmp_path: Path) -> None:
    write(tmp_path / "claude-code.yaml", providers(world.upstream(answer(200, b"old"))))
    proxy = load_proxy()
    write(tmp_path / "config.yaml", "log_stdout: false\nmax_request_body_bytes: 1\nport: 4444\n")
    await proxy.logged(LOADED)
    assert (await ask(world.connect, proxy)).status == 413


CHANGED = [
    (
        "circuit_breaker:\n  failure_threshold: 1\n  open_timeout: 7s\n",
        answer(500, b""),
        "p0 rests for 7s: server error",
    ),
    ("reactivate_after: 9m\n", answer(401, b""), "p0 rests for 9m: auth"),
]


@pytest.mark.parametrize(("setting", "script", "said"), CHANGED, ids=["circuit_breaker", "reactivate_after"])
@ensure_deferred
async def test_new_cooldowns_of_config_yaml_are_in_force_for_clients_that_are_not_reset(
    load_proxy: LoadProxy,
    world: World,
    tmp_path: Path,
    setting: str,
    script: Steps,
    said: str,
) -> None:
    write(tmp_path / "claude-code.yaml", providers(world.upstream(script), world.upstream(answer(200, b"second"))))
    proxy = load_proxy()
    write(tmp_path / "config.yaml", f"log_stdout: false\n{setting}")
    await proxy.logged(LOADED)
    assert (await ask(world.connect, proxy)).body == b"second"
    await proxy.logged(said)


@ensure_deferred
async def test_a_new_connect_timeout_of_config_yaml_is_in_force(
    load_proxy: LoadProxy, world: World, tmp_path: Path
) -> None:
    silent = world.upstream(on_connect=(Hang(),), scheme="https")
    write(tmp_path / "claude-code.yaml", providers(silent, world.upstream(answer(200, b"second"))))
    proxy = load_proxy()
    write(tmp_path / "config.yaml", "log_stdout: false\nconnect_timeout: 50ms\n")
    await proxy.logged(LOADED)
    assert (await ask(world.connect, proxy)).body == b"second"
    await proxy.logged("p0: connection timed out")


@ensure_deferred
async def test_notifications_of_config_yaml_begin(
    load_proxy: LoadProxy,
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: DeferredQueue[str] = DeferredQueue()
    monkeypatch.setattr(
        "clipal.logs.notifications.sender",
        lambda: lambda text: IReactorFromThreads(reactor).callFromThread(shown.put, text),
    )
    upstreams = world.upstream(answer(500, b"")), world.upstream(answer(200, b"second"))
    write(tmp_path / "claude-code.yaml", providers(*upstreams))
    proxy = load_proxy()
    write(tmp_path / "config.yaml", "log_stdout: false\nnotifications:\n  enabled: true\n")
    await proxy.logged(LOADED)
    await ask(world.connect, proxy)
    assert await shown.get() == "claudecode: p1 answers now, in place of p0"


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
@ensure_deferred
async def test_sighup_resets_everyone(load_proxy: LoadProxy, world: World, tmp_path: Path) -> None:
    write(tmp_path / "claude-code.yaml", providers(world.upstream(answer(200, b"old"))))
    proxy = load_proxy()
    os.kill(os.getpid(), signal.SIGHUP)
    await proxy.logged(f"{LOADED}; clients that begin afresh: /claudecode, /codex, /gemini")


@ensure_deferred
async def test_a_configuration_that_cannot_be_applied_leaves_the_old_one_in_force_whole_and_is_tried_again(
    load_proxy: LoadProxy,
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flush_logged_failures: FlushLoggedFailures,
) -> None:
    old, new = world.upstream(answer(200, b"old")), world.upstream(answer(200, b"new"))
    write(tmp_path / "claude-code.yaml", providers(old))
    proxy = load_proxy()
    assert (await ask(world.connect, proxy)).body == b"old"

    def not_for_gemini(route: Route, *rest: Any) -> Failover:
        if route.dialect.prefix == "gemini":
            raise OSError(24, "Too many open files")
        return Failover(route, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(clipal.swap, "Failover", not_for_gemini)
        write(tmp_path / "config.yaml", "log_stdout: false\nmax_request_body_bytes: 1\n")
        write(tmp_path / "claude-code.yaml", providers(new))
        await proxy.logged("Bug while a new configuration was taken")
        await deferLater(reactor, 0.05)
        assert (await ask(world.connect, proxy)).body == b"old"
        assert old.open_connections, "those of the old route are kept"
    await proxy.logged(LOADED)
    assert (await ask(world.connect, proxy)).status == 413
    assert (await ask(world.connect, proxy, request(b"POST", b"/claudecode/v1/messages", body=b"x"))).body == b"new"
    assert len(flush_logged_failures(OSError)) == 1


@ensure_deferred
async def test_a_look_at_one_provider_that_fails_holds_up_no_other_look(
    load_proxy: LoadProxy,
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flush_logged_failures: FlushLoggedFailures,
) -> None:
    limited = answer(429, b"", ((b"Retry-After", b"1"),))
    write(tmp_path / "claude-code.yaml", providers(*(world.upstream(limited) for _ in range(3))))
    proxy = load_proxy()
    await ask(world.connect, proxy)
    look_after = Provider.look_after

    def not_the_second(each: Provider, now: float) -> None:
        if each.name == "p1":
            raise ValueError("p1")
        look_after(each, now)

    monkeypatch.setattr(Provider, "look_after", not_the_second)
    await proxy.logged("p0 may be tried again")
    await proxy.logged("p2 may be tried again")
    write(tmp_path / "claude-code.yaml", providers(world.upstream(limited)))
    await proxy.logged(LOADED)
    assert len(flush_logged_failures(ValueError)) == 1
