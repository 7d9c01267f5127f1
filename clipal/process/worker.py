"""One worker, as its parent sees it: the process, its stage, and the messages to it."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

import clipal
from clipal.process.assignment import CONTROL, FIRST_LISTENER
from clipal.process.control import Control, Message

_NOT_FOR_WORKERS: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS")


class Stage(Enum):
    """How far a worker has come. It never goes back to an earlier stage."""

    SPARE = "loads the program, and waits to be told to serve"
    STARTING = "was told to serve"
    SERVING = "has said that it serves"
    DRAINING = "was told to end"


class Worker(ProcessProtocol):
    """A process that runs the code which is installed when the process begins.

    Attributes:
        generation: how many rolls there had been when the process began.
        number: its place among the workers, from 1; 0 for a spare process.
        born: when it was told to serve.
        ready: fires with True when it serves, with False if it ends before.
    """

    control: Control

    def __init__(self, generation: int, ended: Callable[[Worker, Any], None]) -> None:
        self.generation = generation
        self.number = 0
        self.born = 0.0
        self.stage = Stage.SPARE
        self.ready: Deferred[bool] = Deferred()
        self._ended = ended

    def spawn(self, reactor: Any, sockets: Sequence[socket.socket], received: Callable[[Message], None]) -> None:
        """Begins the process.

        Parameters:
            sockets: what the process inherits, in this order.
            received: called with each message of the process.
        """
        ours, theirs = socket.socketpair()
        self.control = Control.over(reactor, ours, received, lambda: None)
        descriptors = {each: each for each in (0, 1, 2) if _is_open(each)}
        descriptors[CONTROL] = theirs.fileno()
        for place, listening in enumerate(sockets, FIRST_LISTENER):
            descriptors[place] = listening.fileno()
        words = [sys.executable, "-m", "clipal.worker"]
        reactor.spawnProcess(self, sys.executable, words, env=_environment(), childFDs=descriptors)
        theirs.close()

    @property
    def pid(self) -> int | None:
        """The process id."""
        found: int | None = self.transport.pid  # type: ignore[union-attr]
        return found

    def serve(self, number: int, assignment: str, now: float) -> None:
        """Tells the process to serve as worker `number`."""
        self.number, self.born, self.stage = number, now, Stage.STARTING
        self.control.tell("serve", assignment=assignment)

    def serves(self) -> None:
        """The process has said that it serves."""
        if self.stage is Stage.STARTING:
            self.stage = Stage.SERVING
            self.ready.callback(True)

    def drain(self, *, patient: bool, leaves: bool) -> None:
        """Tells the process to drain and end.

        Parameters:
            patient: whether it drains as after SIGTERM; else as after SIGINT.
            leaves: whether other processes go on with the same sockets.
        """
        self.control.tell("drain", patient=patient, leaves=leaves or self.stage is Stage.DRAINING)
        self.stage = Stage.DRAINING

    def kill(self) -> None:
        """Ends the process at once."""
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")  # type: ignore[union-attr]

    def processEnded(self, reason: Failure) -> None:
        self.control.close()
        self._ended(self, reason.value)


def _environment() -> Mapping[str, str]:
    """A worker's environment: without what is meant for its parent alone, and with the directory of this package."""
    found = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_WORKERS}
    here = os.fspath(Path(clipal.__file__).parents[1])
    found["PYTHONPATH"] = os.pathsep.join(filter(None, (found.get("PYTHONPATH"), here)))
    found["PYTHONSAFEPATH"] = "1"  # what lies in the current directory is no part of the program
    return found


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
