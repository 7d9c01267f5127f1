"""One of several processes that serve on the same sockets, as its parent sees it."""

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
    """How far a worker has come; none goes back."""

    SPARE = "loads the program, and waits to be told to serve"
    STARTING = "was told to serve"
    SERVING = "has said that it serves"
    DRAINING = "was told to end"


class Worker(ProcessProtocol):
    """A process of the code that is installed when it begins.

    Attributes:
        generation: how many rolls there had been when the process began.
        number: its place among those that serve, from 1; 0 for a spare one.
        born: when it was told to serve.
        ready: fires with whether it came to serve.
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
            received: gets each message of it.
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
        """Its process id."""
        found: int | None = self.transport.pid  # type: ignore[union-attr]
        return found

    def serve(self, number: int, assignment: str, now: float) -> None:
        """Tells it to serve."""
        self.number, self.born, self.stage = number, now, Stage.STARTING
        self.control.tell("serve", assignment=assignment)

    def serves(self) -> None:
        """It has come to serve."""
        if self.stage is Stage.STARTING:
            self.stage = Stage.SERVING
            self.ready.callback(True)

    def drain(self, *, patient: bool, leaves: bool) -> None:
        """Tells it to end.

        Parameters:
            patient: as SIGTERM does, and not SIGINT.
            leaves: whether others go on with the same sockets.
        """
        self.control.tell("drain", patient=patient, leaves=leaves or self.stage is Stage.DRAINING)
        self.stage = Stage.DRAINING

    def kill(self) -> None:
        """Ends it at once."""
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")  # type: ignore[union-attr]

    def processEnded(self, reason: Failure) -> None:
        self.control.close()
        self._ended(self, reason.value)


def _environment() -> Mapping[str, str]:
    """A worker's: without what is meant for its parent, and with where this program is, however it was found."""
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
