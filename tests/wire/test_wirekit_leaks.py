"""The guard in `conftest.py`: a test that leaves something behind fails."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import fail
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from tests.wirekit.fixtures import FlushLoggedFailures
from tests.wirekit.leaks import Leftovers, LoggedFailures
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.process import PYTHON
from tests.wirekit.waiting import reactor
from tests.world import World


def test_logged_failures_and_critical_events_are_kept_until_flushed() -> None:
    logged = LoggedFailures()
    log = Logger(observer=logged)
    log.info("harmless")
    log.failure("first {number}", Failure(ValueError()), number=1)
    log.emit(LogLevel.critical, "second")
    log.error("third", log_failure=Failure(KeyError()))
    assert [line.splitlines()[0] for line in logged.left()] == [
        "logged: first 1",
        "logged: second",
        "logged: third",
    ]
    assert [failure.type for failure in logged.flush(ValueError, OSError)] == [ValueError]
    assert len(logged.left()) == 2
    assert [failure.type for failure in logged.flush()] == [KeyError]
    assert logged.left() == []


def test_an_error_that_no_errback_took_is_noticed(flush_logged_failures: FlushLoggedFailures) -> None:
    fail(ValueError())
    assert [failure.type for failure in flush_logged_failures(ValueError)] == [ValueError]


@ensure_deferred
async def test_what_a_test_leaves_in_the_reactor_is_noticed(world: World) -> None:
    leftovers = Leftovers()
    assert await leftovers.settled() == []
    call = reactor.callLater(60, lambda: None)
    upstream = world.upstream()
    assert len(leftovers.now()) == 2
    call.cancel()
    await upstream.close()
    assert await leftovers.settled() == []


_CARELESS = """
from twisted.internet import protocol, reactor
from twisted.internet.defer import fail
from twisted.logger import Logger
from twisted.python.failure import Failure

def test_clean(): pass
def test_reactor():
    reactor.callLater(600, print)
    reactor.listenTCP(0, protocol.ServerFactory(), interface="127.0.0.1")
def test_failure(): Logger().failure("", Failure(ValueError()))
def test_unhandled():
    deferred = fail(ValueError())
    deferred.itself = deferred
"""


@ensure_deferred
async def test_a_test_that_leaves_something_behind_fails(world: World, tmp_path: Path) -> None:
    (tmp_path / "test_careless.py").write_text(_CARELESS)
    arguments = ("-p", "no:cacheprovider", "-p", "tests.conftest", "-rE", "--rootdir", tmp_path, tmp_path)
    program = world.program(PYTHON, "-m", "pytest", *arguments, cwd=Path(__file__).parents[2])
    await program.ended(deadline=60)
    output = program.stdout.decode()
    assert "4 passed, 3 errors" in output
    assert "ERROR at teardown of test_clean" not in output
    assert "<DelayedCall" in output
    assert "twisted.internet.tcp.Port" in output
