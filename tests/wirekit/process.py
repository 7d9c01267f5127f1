"""Real programs, run by the reactor: what they print, how they end, what they weigh."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IProcessTransport
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from tests.wirekit.waiting import DEADLINE, Conditions, reactor


@frozen
class Exit:
    """How a program ended: its status, or the signal that ended it."""

    code: int | None
    signal: int | None


class Program(ProcessProtocol):
    """A running program.

    Attributes:
        stdout: what it has printed so far.
        stderr: likewise.
        exit: how it ended, None while it runs.
    """

    transport: IProcessTransport

    def __init__(self) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.exit: Exit | None = None
        self._conditions = Conditions(self._so_far)

    @classmethod
    def start(cls, *argv: str | Path, env: Mapping[str, str] | None = None, cwd: str | Path | None = None) -> Program:
        """Start a program.

        Parameters:
            argv: its absolute path and its arguments; `sys.executable, "-m", …` for Python's.
            env: variables on top of this process's own.
        """
        program = cls()
        reactor.spawnProcess(
            program,
            str(argv[0]),
            [str(argument) for argument in argv],
            env={**os.environ, **(env or {})},
            path=None if cwd is None else str(cwd),
        )
        return program

    @property
    def pid(self) -> int:
        """Its process id, while it runs."""
        pid: int | None = self.transport.pid
        assert pid is not None
        return pid

    def wait_for_output(self, text: str, deadline: float = DEADLINE) -> Deferred[None]:
        """Wait until it has printed a text to stdout or stderr; `NeverError` if it ends without."""
        sought = text.encode()
        return self._conditions.until(lambda: sought in self.stdout or sought in self.stderr, deadline)

    def ended(self, deadline: float = DEADLINE) -> Deferred[Exit]:
        """Wait for its end and that of its output; fires with how it ended."""
        waited = self._conditions.until(lambda: self.exit is not None, deadline)
        return waited.addCallback(lambda _: self._ending())

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    async def kill(self) -> None:
        """End it if it still runs, and wait for that."""
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")
        # Something that it started may still hold its output open.
        self.transport.loseConnection()
        await self.ended()

    def _ending(self) -> Exit:
        assert self.exit is not None
        return self.exit

    def _so_far(self) -> str:
        stdout, stderr = (printed[-3000:].decode(errors="replace") for printed in (self.stdout, self.stderr))
        return f"{self.exit or 'running'}\nstdout: {stdout}\nstderr: {stderr}"

    # What the reactor tells.

    def outReceived(self, data: bytes) -> None:
        self.stdout += data
        self._conditions.changed()

    def errReceived(self, data: bytes) -> None:
        self.stderr += data
        self._conditions.changed()

    def processEnded(self, reason: Failure) -> None:
        assert isinstance(reason.value, (ProcessDone, ProcessTerminated))
        self.exit = Exit(reason.value.exitCode, reason.value.signal)
        self._conditions.over()


PYTHON = sys.executable
"""The interpreter of the tests, for programs that are to run in the same environment."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def rss_kib(pid: int) -> int:
    """The resident memory of a process in KiB; Linux only."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])
