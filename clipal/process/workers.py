"""Several processes on the same listening sockets.

The parent holds the sockets, serves nothing, and keeps N workers: fresh interpreters that inherit the sockets. One that
dies is replaced, at once or, if it dies again soon, after a while. A roll replaces all, one by one: the next worker
serves before the one that it replaces is told to drain. No socket is closed meanwhile, so no connection is refused.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

import clipal
from clipal.process.assignment import CONTROL, FIRST_LISTENER, VARIABLE
from clipal.process.control import Control, Message

SHORT_LIFE: Final = 10.0
"""Seconds: a worker that dies sooner has not recovered from what its predecessor died of."""
LONGEST_PAUSE: Final = 30.0
"""Seconds between two starts of a worker that dies again and again."""
LAST_RESPITE: Final = 5.0
"""Seconds for workers to end that were told to cut what is open."""
_NOT_FOR_WORKERS: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS")


class Worker(ProcessProtocol):
    """One process.

    Attributes:
        number: its place among the workers, from 1.
        generation: how many rolls there had been when it was started.
        ready: fires with whether it came to serve.
        draining: whether it was told to end.
    """

    def __init__(self, number: int, generation: int, born: float, ended: Callable[[Worker, Any], None]) -> None:
        self.number = number
        self.generation = generation
        self.born = born
        self.ready: Deferred[bool] = Deferred()
        self.draining = False
        self.control: Control
        self._ended = ended

    @property
    def pid(self) -> int | None:
        """Its process id."""
        found: int | None = self.transport.pid  # type: ignore[union-attr]
        return found

    def kill(self) -> None:
        """Ends it at once."""
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")  # type: ignore[union-attr]

    def processEnded(self, reason: Failure) -> None:
        self.control.close()
        self._ended(self, reason.value)


class Workers(Service):
    """Keeps `count` of them while it runs.

    Parameters:
        sockets: what each inherits, in this order.
        assignment: makes the text with which one is started, from its number.
        received: gets each message of a worker but those about its own state.
        gone: told of each worker that has ended.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        count: int,
        sockets: Sequence[socket.socket],
        assignment: Callable[[int], str],
        received: Callable[[Worker, Message], None],
        gone: Callable[[Worker], None],
    ) -> None:
        self._reactor = reactor
        self._count = count
        self._sockets = sockets
        self._assignment = assignment
        self._received = received
        self._gone = gone
        self._failures: dict[int, int] = {}
        self._waiting: dict[int, IDelayedCall] = {}
        self._generation = 0
        self._roll: Deferred[bool] | None = None
        self._rolls: list[Deferred[bool]] = []
        self._stopping: Deferred[None] | None = None
        self.running_workers: set[Worker] = set()

    def start(self) -> list[Worker]:
        """Starts all of them."""
        return [self._spawn(number) for number in range(1, self._count + 1)]

    def tell(self, what: str, **message: Any) -> None:
        """Sends a message to all."""
        for worker in self.running_workers:
            worker.control.tell(what, **message)

    def _spawn(self, number: int) -> Worker:
        worker = Worker(number, self._generation, self._reactor.seconds(), self._ended)
        ours, theirs = socket.socketpair()
        worker.control = Control.over(self._reactor, ours, lambda message: self._message(worker, message), lambda: None)
        descriptors = {each: each for each in (0, 1, 2) if _is_open(each)}
        descriptors[CONTROL] = theirs.fileno()
        for place, listening in enumerate(self._sockets, FIRST_LISTENER):
            descriptors[place] = listening.fileno()
        self._reactor.spawnProcess(
            worker,
            sys.executable,
            [sys.executable, "-m", "clipal.worker"],
            env=_environment(self._assignment(number)),
            childFDs=descriptors,
        )
        theirs.close()
        self.running_workers.add(worker)
        return worker

    def _message(self, worker: Worker, message: Message) -> None:
        if message["do"] != "ready":
            self._received(worker, message)
        elif not worker.ready.called:
            self._log.info("Worker {number} serves ({pid})", number=worker.number, pid=worker.pid)
            worker.ready.callback(True)

    def _ended(self, worker: Worker, how: Any) -> None:
        self.running_workers.discard(worker)
        self._gone(worker)
        served = worker.ready.called
        has_successor = any(each.number == worker.number and not each.draining for each in self.running_workers)
        if not served:
            worker.ready.callback(False)
        if self._stopping is not None:
            if not self.running_workers:
                self._stopping.callback(None)
            return
        if not worker.draining and not has_successor:
            self._replace(worker, served, how)

    def _replace(self, worker: Worker, served: bool, how: Any) -> None:
        quick = not served or self._reactor.seconds() - worker.born < SHORT_LIFE
        failures = self._failures[worker.number] = self._failures.get(worker.number, 0) + 1 if quick else 1
        wait = 0.0 if failures == 1 else min(LONGEST_PAUSE, 2.0 ** (failures - 2))
        self._log.warn(
            "Worker {number} ended by {how}; another one starts {when}",
            number=worker.number,
            how=f"signal {how.signal}" if how.signal else f"itself with status {how.exitCode}",
            when=f"in {wait:g} s" if wait else "now",
        )
        self._waiting[worker.number] = self._reactor.callLater(wait, self._start_again, worker.number)

    def _start_again(self, number: int) -> None:
        del self._waiting[number]
        self._spawn(number)

    # Replacing all

    def roll(self) -> Deferred[bool]:
        """Replaces all of them, one by one; fires with whether that succeeded, once the last old one drains.

        Asked for again meanwhile, it replaces those too that the first roll has started.
        """
        self._generation += 1
        asked: Deferred[bool] = Deferred()
        self._rolls.append(asked)
        if self._roll is None:
            self._roll = Deferred.fromCoroutine(self._replace_old())
            self._roll.addBoth(self._rolled)
        return asked

    def _rolled(self, result: bool | Failure) -> None:
        self._roll = None
        if isinstance(result, Failure):
            self._log.failure("Bug in a roll", failure=result)
        rolls, self._rolls = self._rolls, []
        for asked in rolls:
            asked.callback(result is True)

    async def _replace_old(self) -> bool:
        while self._stopping is None and (old := self._next_old()) is not None:
            if not await self._spawn(old.number).ready:
                if self._stopping is None:
                    self._log.error("The workers stay as they are: the next one did not start")
                return False
            if self._stopping is None:
                old.draining = True
                old.control.tell("drain", patient=True, leaves=True)
        return self._stopping is None

    def _next_old(self) -> Worker | None:
        old = [each for each in self.running_workers if each.generation < self._generation and not each.draining]
        return min(old, key=lambda each: (each.number, each.generation), default=None)

    # The end

    def end(self, *, patient: bool) -> Deferred[None]:
        """Lets all of them drain; fires when they have ended."""
        self._stopping = Deferred()
        for call in self._waiting.values():
            call.cancel()
        for worker in list(self.running_workers):
            if worker.ready.called:
                worker.control.tell("drain", patient=patient, leaves=worker.draining)
            else:
                worker.kill()
        if not self.running_workers:
            self._stopping.callback(None)
        return self._stopping

    def cut(self) -> None:
        """Nobody wants to wait any longer."""
        self.tell("cut")
        self._reactor.callLater(LAST_RESPITE, self._kill)

    def _kill(self) -> None:
        for worker in self.running_workers:
            worker.kill()


def _environment(assignment: str) -> Mapping[str, str]:
    """A worker's: without what is meant for its parent, and with where this program is, however it was found."""
    found = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_WORKERS}
    here = os.fspath(Path(clipal.__file__).parents[1])
    found["PYTHONPATH"] = os.pathsep.join(filter(None, (found.get("PYTHONPATH"), here)))
    found["PYTHONSAFEPATH"] = "1"  # what lies in the current directory is no part of the program
    return {**found, VARIABLE: assignment}


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
