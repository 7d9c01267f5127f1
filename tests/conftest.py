"""What every test has: the guard against what it leaves behind, and the two ends of the wire as fixtures.

`world` starts as many upstreams, proxies, clients and processes as a test likes; all are closed after it.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import AsyncIterator, Iterator
from io import StringIO
from pathlib import Path

import hypothesis
import pytest
from twisted.logger import globalLogPublisher

from tests.machine import Machine
from tests.tls_world import TLSWorld
from tests.wirekit.fixtures import FlushLoggedFailures
from tests.wirekit.leaks import Leftovers, LoggedFailures
from tests.wirekit.marks import async_fixture, autouse_async_fixture
from tests.wirekit.tls import Authority
from tests.world import World

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
async def world(nothing_left: None, tmp_path: Path) -> AsyncIterator[World]:
    """Upstreams, a proxy, clients and processes; all are closed after the test."""
    made = World(tmp_path)
    yield made
    await made.close()


@async_fixture
async def tls_world(nothing_left: None) -> AsyncIterator[TLSWorld]:
    """Servers and clients of TLS; all are closed after the test."""
    world = TLSWorld()
    yield world
    await world.close()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Without any client's program, and without a terminal."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(sys, "stdin", StringIO())
    return Machine(tmp_path)
