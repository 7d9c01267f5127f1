"""What every test has: the guard against what it leaves behind, and the two ends of the wire as fixtures.

`start_upstream`, `connect` and `run_program` make as many as a test likes; all are closed after it.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from twisted.logger import globalLogPublisher

from clipal.config.model import ProviderConfig
from tests.machine import Machine
from tests.proxy import Proxy, StartProxy
from tests.tls_world import TLSWorld
from tests.wirekit.client import RawClient
from tests.wirekit.fixtures import Connect, FlushLoggedFailures, RunProgram, StartUpstream
from tests.wirekit.leaks import Leftovers, LoggedFailures
from tests.wirekit.marks import async_fixture, autouse_async_fixture
from tests.wirekit.process import Program
from tests.wirekit.tls import Authority
from tests.wirekit.upstream import Script, ScriptedUpstream

# Timings of a shared machine are no property of the code; in CI the same examples are tried each time.
hypothesis.settings.register_profile("clipal", deadline=None, max_examples=50)
hypothesis.settings.register_profile("ci", deadline=None, max_examples=50, derandomize=True, database=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "clipal")


def pytest_collection_finish() -> None:
    """Put what is imported by now out of the collector's sight, so that collecting is cheap."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def logged_failures() -> Iterator[LoggedFailures]:
    """The failures that are logged during a test."""
    observer = LoggedFailures()
    globalLogPublisher.addObserver(observer)
    yield observer
    globalLogPublisher.removeObserver(observer)


@autouse_async_fixture
async def nothing_left(logged_failures: LoggedFailures) -> AsyncIterator[None]:
    """Fail a test that logged a failure or left a delayed call, a socket or an unhandled error behind."""
    leftovers = Leftovers()
    yield
    left = await leftovers.settled() + logged_failures.left()
    assert not left, "left behind:\n" + "\n".join(left)


@pytest.fixture
def flush_logged_failures(logged_failures: LoggedFailures) -> FlushLoggedFailures:
    """Call it with exception types (or none, for all) to take and forget what a test expects in the log."""
    return logged_failures.flush


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority."""
    return Authority.found(tmp_path_factory.mktemp("authority"))


@async_fixture
async def start_upstream(nothing_left: None) -> AsyncIterator[StartUpstream]:
    """`ScriptedUpstream.start`."""
    started: list[ScriptedUpstream] = []

    def start(*scripts: Script, **options: Any) -> ScriptedUpstream:
        started.append(ScriptedUpstream.start(*scripts, **options))
        return started[-1]

    yield start
    for upstream in started:
        await upstream.close()


@async_fixture
async def connect(nothing_left: None) -> AsyncIterator[Connect]:
    """`RawClient.connect`."""
    connected: list[RawClient] = []

    async def connect_one(*where: Any, **options: Any) -> RawClient:
        connected.append(await RawClient.connect(*where, **options))
        return connected[-1]

    yield connect_one
    for client in connected:
        if client.ended is None:
            client.abort()
            await client.closed()


@async_fixture
async def start_proxy(nothing_left: None, tmp_path: Path) -> AsyncIterator[StartProxy]:
    """`Proxy.start`, in the test's own directory."""
    started: list[Proxy] = []

    def start(clients: Mapping[str, Sequence[ProviderConfig]], **options: Any) -> Proxy:
        started.append(Proxy.start(tmp_path, clients, **options))
        return started[-1]

    yield start
    for proxy in started:
        await proxy.stop()


@async_fixture
async def tls_world(nothing_left: None) -> AsyncIterator[TLSWorld]:
    """Servers and clients of TLS; all are closed after the test."""
    world = TLSWorld()
    yield world
    await world.close()


@async_fixture
async def run_program(nothing_left: None) -> AsyncIterator[RunProgram]:
    """`Program.start`."""
    started: list[Program] = []

    def run(*argv: Any, **options: Any) -> Program:
        started.append(Program.start(*argv, **options))
        return started[-1]

    yield run
    for program in started:
        if program.exit is None:
            await program.kill()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Without any client's program, and without a terminal."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(sys, "stdin", StringIO())
    return Machine(tmp_path)
