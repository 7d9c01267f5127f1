"""`clipal demo`: shows failover on this machine alone, without any key.

The demo starts two upstreams, of which the first one fails, and the real service on a free port, with its files in a
temporary directory. It sends one request for each client, as that client does, and runs until Ctrl-C, so that real
clients can be tried. In the end the directory is removed.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import globalLogBeginner, globalLogPublisher
from twisted.python.failure import Failure

from clipal.commands.options import CommandOptions
from clipal.demo.show import Demo
from clipal.demo.terminal import Terminal


class Options(CommandOptions):
    """Whether the demo goes on after its own requests."""

    synopsis = "Usage: clipal demo [options]"
    longdesc = "Shows failover with two built-in upstreams, and stays until Ctrl-C for real clients to try."
    optFlags = [["once", None, "Exit after one request per client: with 1 if an answer is not the second upstream's."]]


def run(options: Options) -> int:
    """Runs the demo.

    Returns:
        the exit status: 1 where an answer did not come from the second upstream, else 0.
    """
    from twisted.internet import reactor

    try:
        directory = TemporaryDirectory(prefix="clipal-demo-")
    except OSError as error:  # of a read-only container, say
        print(
            f"clipal: the demo needs a temporary directory: {(error.strerror or str(error)).lower()}", file=sys.stderr
        )
        return 1
    with directory as name:
        demo = Demo(reactor, Path(name), Terminal(sys.stdout))  # type: ignore[arg-type]  # the reactor is a module to mypy
        globalLogBeginner.beginLoggingTo([demo.logs], redirectStandardIO=False)
        status = Run(reactor, demo, once=bool(options["once"])).run()  # type: ignore[arg-type]  # the same
        globalLogPublisher.removeObserver(demo.logs)
        demo.logs.close()
    return status


class Run:
    """One run of the reactor around a demo."""

    def __init__(self, reactor: PosixReactorBase, demo: Demo, *, once: bool) -> None:
        self._reactor = reactor
        self._demo = demo
        self._once = once
        self._status = 0
        self._showing: Deferred[None] = Deferred()

    def run(self) -> int:
        """Runs the reactor until the demo ends: the exit status."""
        self._demo.start()
        self._reactor.callWhenRunning(self._begin)
        self._reactor.addSystemEventTrigger("before", "shutdown", self._end)
        self._reactor.run()
        return self._status

    def _begin(self) -> None:
        if hasattr(signal, "SIGHUP"):  # the service would reload, but here the terminal has been closed
            signal.signal(signal.SIGHUP, lambda *_: self._reactor.callFromThread(self._reactor.stop))
        self._showing = Deferred.fromCoroutine(self._show())
        self._showing.addErrback(self._failed)

    async def _show(self) -> None:
        self._status = 0 if await self._demo.show() else 1
        if self._once:
            self._reactor.stop()
        else:
            self._demo.show_setup()

    def _failed(self, failure: Failure) -> None:
        if failure.check(CancelledError):
            return
        problem = f"{type(failure.value).__name__}: {failure.getErrorMessage()}"
        print(f"\nclipal: the demo failed: {problem}", file=sys.stderr)
        self._status = 1
        self._reactor.stop()

    def _end(self) -> Deferred[None]:
        self._showing.cancel()
        return Deferred.fromCoroutine(self._demo.stop())
