"""`GET /metrics`: each metric, in a test that makes it change; and Prometheus' own tool finds nothing wrong."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

import clipal.upkeep
from clipal.logs.observer import Logs
from tests.asking import ask, ranked
from tests.proxy import Proxy, provider
from tests.seen import PROMTOOL, get, metrics
from tests.wire.test_reload_service import KEPT, LOADED, write
from tests.wire.test_tunnel import HANDSHAKE, SWITCHING
from tests.wirekit.client import request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import Hang, Pause, Send, Wait, answer, chunked, head
from tests.world import World

LIMITED = answer(429, b"", ((b"Retry-After", b"30"),))


def ask_for(body: bytes = b"{}") -> bytes:
    return request(b"POST", b"/claudecode/v1/messages", body=body)


@ensure_deferred
async def test_requests_attempts_and_failovers(world: World) -> None:
    first, second = world.upstream(LIMITED), world.upstream(answer(200, b"two"), answer(400, b"{}"))
    proxy = ranked(world.proxy, first, second)
    client = await world.connect(proxy.port)
    for _ in range(2):
        await ask(client)
    found = await metrics(proxy)
    assert found("clipal_requests_total", client="claudecode", status="200") == 1
    assert found("clipal_requests_total", client="claudecode", status="400") == 1
    assert found("clipal_attempts_total", client="claudecode", provider="one", outcome="rate limit") == 1
    assert found("clipal_attempts_total", client="claudecode", provider="two", outcome="answered") == 2
    assert found("clipal_failovers_total", client="claudecode", provider="one", reason="rate limit") == 1
    assert found("clipal_provider_available", client="claudecode", provider="one") == 0
    assert found("clipal_provider_available", client="claudecode", provider="two") == 1
    assert 29 < found("clipal_provider_rest_seconds", client="claudecode", provider="one") <= 30
    assert found("clipal_provider_rest_seconds", client="claudecode", provider="two") == 0


@ensure_deferred
async def test_bytes_and_times(world: World) -> None:
    slow = (Pause(0.03), *chunked(b"half", last=False), Pause(0.03), Send(b"4\r\nhalf\r\n0\r\n\r\n"))
    proxy = ranked(world.proxy, world.upstream(slow))
    await ask(await world.connect(proxy.port), body=b'{"twenty": "bytes.."}'[:20])
    found = await metrics(proxy)
    assert found("clipal_request_bytes_total", client="claudecode") == 20
    assert found("clipal_response_bytes_total", client="claudecode") == 8
    of_one = {"client": "claudecode", "provider": "one"}
    assert found("clipal_time_to_first_byte_seconds_count", **of_one) == 1
    assert 0.03 <= found("clipal_time_to_first_byte_seconds_sum", **of_one) < 10
    assert found("clipal_time_to_first_byte_seconds_bucket", le="0.025", **of_one) == 0
    assert found("clipal_time_to_first_byte_seconds_bucket", le="+Inf", **of_one) == 1
    assert found("clipal_request_duration_seconds_count", client="claudecode") == 1
    assert found("clipal_request_duration_seconds_sum", client="claudecode") >= 0.06
    assert found("clipal_request_duration_seconds_bucket", client="claudecode", le="0.05") == 0
    assert found("clipal_request_duration_seconds_bucket", client="claudecode", le="1200.0") == 1


@ensure_deferred
async def test_open_requests_and_disconnected_clients_are_counted(world: World) -> None:
    upstream = world.upstream((Hang(),), (*chunked(b"begun", last=False), Hang()))
    proxy = ranked(world.proxy, upstream)
    waiting, reading = await world.connect(proxy.port), await world.connect(proxy.port)
    waiting.send(ask_for())
    await upstream.next_request()
    reading.send(ask_for())
    await reading.wait_for(b"begun")
    found = await metrics(proxy)
    assert (found("clipal_open_requests", client="claudecode"), found("clipal_connections")) == (2, 3)
    for client in (waiting, reading):
        client.abort()
        await upstream.next_connection_lost()
    found = await metrics(proxy)
    assert (found("clipal_open_requests", client="claudecode"), found("clipal_connections")) == (0, 1)
    assert found("clipal_requests_total", client="claudecode", status="0") == 2
    assert found("clipal_attempts_total", client="claudecode", outcome="client disconnected") == 2
    assert found("clipal_response_bytes_total", client="claudecode") == 5


@ensure_deferred
async def test_a_websocket_is_one_long_request(world: World) -> None:
    over: Deferred[None] = Deferred()
    accepted = Send(head(101, SWITCHING, b"Switching Protocols") + b"down")
    upstream = world.upstream((accepted, Wait(over)))
    proxy = world.proxy({"codex": [provider("one", upstream.base_url, websocket=True)]})
    client = await world.connect(proxy.port)
    client.send(HANDSHAKE + b"up and away")
    await client.wait_for(b"down")
    assert (await metrics(proxy))("clipal_open_requests", client="codex") == 1
    client.abort()
    await upstream.next_connection_lost()
    found = await metrics(proxy)
    assert found("clipal_open_requests", client="codex") == 0
    assert found("clipal_requests_total", client="codex", status="0") == 1
    assert found("clipal_response_bytes_total", client="codex") == 4
    assert found("clipal_request_bytes_total", client="codex") == 11


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n", "not found"),
        (b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", "method"),
        (b"TRACE /claudecode HTTP/1.1\r\nHost: localhost\r\n\r\n", "method"),
        (b"GET /health HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n", "host"),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\nOrigin: https://page.example\r\n\r\n", "origin"),
        (b"GET ftp://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n", "target"),
        (HANDSHAKE, "websocket"),
        (request(b"POST", b"/claudecode/v1/messages", body=b"x" * 101), "too large"),
        (b"GET  / HTTP/1.1\r\n\r\n", "not HTTP"),
    ],
)
@ensure_deferred
async def test_refusals_by_their_reason(world: World, sent: bytes, reason: str) -> None:
    proxy = world.proxy({}, max_request_body_bytes=100)
    client = await world.connect(proxy.port)
    client.send(sent)
    await client.read_response()
    found = await metrics(proxy)
    assert found("clipal_refused_total", reason=reason) == 1
    assert found("clipal_requests_total", client="claudecode") == 0, "no provider was to be asked"


@ensure_deferred
async def test_reloads_taken_and_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clipal.upkeep, "UPKEEP", 0.01)
    write(tmp_path / "config.yaml", "log_stdout: false\n")
    proxy = Proxy.load(tmp_path)
    try:
        write(tmp_path / "codex.yaml", "mode: nonsense\n")
        await proxy.logged(KEPT)
        found = await metrics(proxy)
        assert found("clipal_config_reloads_total", result="failure") == 1
        assert found("clipal_config_last_reload_successful") == 0
        write(tmp_path / "codex.yaml", "mode: auto\n")
        await proxy.logged(LOADED)
        found = await metrics(proxy)
        assert found("clipal_config_reloads_total", result="success") == 1
        assert found("clipal_config_reloads_total", result="failure") == 1
        assert found("clipal_config_last_reload_successful") == 1
    finally:
        await proxy.stop()


@ensure_deferred
async def test_what_is_running(world: World) -> None:
    found = await metrics(world.proxy({}))
    build = {"version": version("clipal"), "python": platform.python_version(), "twisted": version("Twisted")}
    assert found("clipal_build_info", **build) == 1
    assert found("process_start_time_seconds") > 1e9
    if platform.system() == "Linux":
        assert found("process_cpu_seconds_total") > 0
        assert found("process_resident_memory_bytes") > 1e6
        assert found("process_open_fds") > 3
        assert {"process_virtual_memory_bytes", "process_max_fds"} <= found.names


@ensure_deferred
async def test_prometheus_own_tool_finds_nothing_wrong(world: World) -> None:
    """Where it is not installed, its parser in Python has read the same text in every test above."""
    proxy = ranked(world.proxy, world.upstream(LIMITED), world.upstream(answer(200, b"two")))
    await ask(await world.connect(proxy.port))
    scraped = await get(proxy.port, b"/metrics")
    assert scraped.values(b"content-type") == [b"text/plain; version=0.0.4; charset=utf-8"]
    if PROMTOOL is None:
        pytest.skip("promtool is not installed")
    checked = subprocess.run([PROMTOOL, "check", "metrics"], input=scraped.body, capture_output=True)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


@ensure_deferred
async def test_lines_that_the_log_dropped(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Logs, "dropped", 3)
    assert (await metrics(world.proxy({})))("clipal_log_lines_dropped_total") == 3
