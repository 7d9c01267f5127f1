"""Several processes on the same listening sockets.

The parent holds the sockets, serves nothing, and keeps N workers: fresh interpreters that inherit the sockets. A worker
that dies is replaced at once, or after a pause if it died soon after its start. A spare process has loaded the program
already, so that it serves within milliseconds when a worker is needed. A roll replaces all workers, one by one: the new
worker serves before the old one is told to drain. No socket is closed meanwhile, so no connection is refused.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from clipal.process.control import Message
from clipal.process.worker import Stage, Worker

SHORT_LIFE: Final = 10.0
"""Seconds: a worker that dies sooner is taken to die of the same cause as the one before it."""
LONGEST_PAUSE: Final = 30.0
"""Seconds between two starts of a worker that dies again and again, or of a spare process."""
SLOWEST_START: Final = 120.0
"""Seconds within which a worker must serve; then it is killed."""
_LAST_RESPITE: Final = 5.0
"""Seconds for the workers to end once they are told to cut open requests; then they are killed."""


class Workers(Service):
    """Keeps `count` workers while it runs.

    Parameters:
        sockets: what each worker inherits, in this order.
        assignment: makes the text that tells a worker what to serve.
        received: called with each message of a worker, except that the worker serves.
        gone: called with each process that has ended.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        count: int,
        sockets: Sequence[socket.socket],
        assignment: Callable[[], str],
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
        self._processes: set[Worker] = set()

    @property
    def running_workers(self) -> list[Worker]:
        """The processes that were told to serve: all but the spare ones."""
        return [each for each in self._processes if each.stage is not Stage.SPARE]

    def start(self) -> list[Worker]:
        """Starts all workers."""
        return [self._start(number) for number in range(1, self._count + 1)]

    def tell(self, what: str, **message: Any) -> None:
        """Sends a message to all workers."""
        for worker in self.running_workers:
            worker.control.tell(what, **message)

    def _start(self, number: int) -> Worker:
        """Makes the spare process worker `number`, or a new process if there is no spare one."""
        worker = self._spare() or self._spawn()
        slow = self._reactor.callLater(SLOWEST_START, worker.kill)
        worker.ready.addCallback(partial(self._started, worker, slow))
        worker.serve(number, self._assignment(), self._reactor.seconds())
        return worker

    def _started(self, worker: Worker, slow: IDelayedCall, serves: bool) -> bool:
        if slow.active():
            slow.cancel()
        if serves:
            self._log.info("Worker {number} serves ({pid})", number=worker.number, pid=worker.pid)
            self._keep_spare()
        return serves

    def _spawn(self) -> Worker:
        worker = Worker(self._generation, self._ended)
        worker.spawn(self._reactor, self._sockets, partial(self._message, worker))
        self._processes.add(worker)
        return worker

    def _message(self, worker: Worker, message: Message) -> None:
        if message["do"] == "ready":
            worker.serves()
        else:
            self._received(worker, message)

    def _ended(self, worker: Worker, how: Any) -> None:
        self._processes.discard(worker)
        self._gone(worker)
        served = worker.ready.called
        has_successor = any(
            each.number == worker.number and each.stage is not Stage.DRAINING for each in self.running_workers
        )
        if not served:
            worker.ready.callback(False)
        if self._stopping is not None:
            if not self._processes:
                self._stopping.callback(None)
        elif worker.stage is Stage.SPARE:
            if worker.generation == self._generation:
                self._say_ended("A spare worker", how, LONGEST_PAUSE)
                self._wait(worker.number, LONGEST_PAUSE, self._keep_spare)
        elif worker.stage is not Stage.DRAINING and not has_successor:
            self._replace(worker, served, how)

    def _replace(self, worker: Worker, served: bool, how: Any) -> None:
        quick = not served or self._reactor.seconds() - worker.born < SHORT_LIFE
        failures = self._failures[worker.number] = self._failures.get(worker.number, 0) + 1 if quick else 1
        wait = 0.0 if failures == 1 else min(LONGEST_PAUSE, 2.0 ** (failures - 2))
        self._say_ended(f"Worker {worker.number}", how, wait)
        self._wait(worker.number, wait, partial(self._start, worker.number))

    def _say_ended(self, what: str, how: Any, wait: float) -> None:
        self._log.warn(
            "{what} ended by {how}; another one starts {when}",
            what=what,
            how=f"signal {how.signal}" if how.signal else f"itself with status {how.exitCode}",
            when=f"in {wait:g} s" if wait else "now",
        )

    def _wait(self, number: int, seconds: float, begin: Callable[[], object]) -> None:
        if (call := self._waiting.get(number)) is not None and call.active():
            call.cancel()
        self._waiting[number] = self._reactor.callLater(seconds, begin)

    # The spare process

    def _spare(self) -> Worker | None:
        """The spare process, if it has loaded the code of the last roll."""
        spare = (each for each in self._processes if each.stage is Stage.SPARE and each.generation == self._generation)
        return next(spare, None)

    def _keep_spare(self) -> None:
        """Begins a spare process, unless there is one or the workers themselves are still starting."""
        starting = any(each.stage is Stage.STARTING for each in self._processes)
        if self._stopping is None and not starting and self._roll is None and self._spare() is None:
            self._spawn()

    # Replacing all

    def roll(self) -> Deferred[bool]:
        """Replaces all workers, one by one; fires with whether that succeeded, once the last old worker drains.

        A second roll that is asked for meanwhile also replaces the workers that the first one has started.
        """
        for spare in self._processes.difference(self.running_workers):
            spare.kill()  # it has loaded the code of before
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
        self._keep_spare()

    async def _replace_old(self) -> bool:
        while self._stopping is None and (old := self._next_old()) is not None:
            if not await self._start(old.number).ready:
                if self._stopping is None:
                    self._log.error("The workers stay as they are: the next one did not start")
                return False
            if self._stopping is None:
                old.drain(patient=True, leaves=True)
        return self._stopping is None

    def _next_old(self) -> Worker | None:
        return min(
            (each for each in self.running_workers if self._is_old(each)),
            key=lambda each: (each.number, each.generation),
            default=None,
        )

    def _is_old(self, worker: Worker) -> bool:
        return worker.generation < self._generation and worker.stage is not Stage.DRAINING

    # The end

    def end(self, *, patient: bool) -> Deferred[None]:
        """Lets all workers drain; fires when they have ended."""
        self._stopping = Deferred()
        for call in self._waiting.values():
            if call.active():
                call.cancel()
        for worker in list(self._processes):
            if worker.ready.called:
                worker.drain(patient=patient, leaves=False)
            else:
                worker.kill()
        if not self._processes:
            self._stopping.callback(None)
        return self._stopping

    def cut(self) -> None:
        """Lets all workers cut their open requests, and kills those that do not end soon."""
        self.tell("cut")
        self._reactor.callLater(_LAST_RESPITE, self._kill)

    def _kill(self) -> None:
        for worker in self._processes:
            worker.kill()
