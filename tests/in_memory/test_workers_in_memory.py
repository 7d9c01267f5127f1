"""Which processes a parent of workers starts and ends, and when; the processes are played."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.error import ProcessTerminated
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from clipal.process.worker import Worker
from clipal.process.workers import LONGEST_PAUSE, SHORT_LIFE, SLOWEST_START, Workers


class Played:
    """A process: what it was told, and what it says."""

    def __init__(self, worker: Worker, pid: int) -> None:
        self.worker = worker
        self.pid = pid
        self.alive = True
        worker.makeConnection(self)

    @property
    def told(self) -> list[str]:
        transport: Any = self.worker.control.transport
        data, found = transport.value(), []
        while data:
            end = 4 + struct.unpack("!I", data[:4])[0]
            found.append(json.loads(data[4:end])["do"])
            data = data[end:]
        return found

    def serves(self) -> None:
        self.worker.control.stringReceived(b'{"do": "ready"}')

    def signalProcess(self, name: str) -> None:
        assert name == "KILL"
        self.dies()

    def dies(self) -> None:
        self.alive = False
        self.worker.processEnded(Failure(ProcessTerminated(signal=9)))


class Machine(Clock):
    """A reactor on which nothing runs but what is played."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[Played] = []

    def spawnProcess(self, worker: Worker, *_: object, **__: object) -> None:
        self.started.append(Played(worker, 1000 + len(self.started)))

    def adoptStreamConnection(self, descriptor: int, family: int, factory: Any) -> None:
        factory.buildProtocol(None).makeConnection(StringTransport())

    @property
    def alive(self) -> list[Played]:
        return [each for each in self.started if each.alive]


@pytest.fixture
def played() -> SimpleNamespace:
    """Two workers that serve, and a spare process behind them."""
    machine = Machine()
    gone: list[Worker] = []
    workers = Workers(machine, 2, [], lambda: "{}", lambda worker, message: None, gone.append)
    ready = [worker.ready for worker in workers.start()]
    for each in machine.alive:
        each.serves()
    assert all(each.result for each in ready)
    return SimpleNamespace(machine=machine, workers=workers, started=machine.started, gone=gone)


def test_a_spare_process_waits_that_was_told_nothing(played: SimpleNamespace) -> None:
    one, two, spare = played.started
    played.workers.tell("reopen log")
    assert one.told == two.told == ["serve", "reopen log"]
    assert spare.told == []
    assert {each.pid for each in played.workers.running_workers} == {one.pid, two.pid}


def test_a_worker_that_dies_is_replaced_at_once_by_the_spare_process(played: SimpleNamespace) -> None:
    one, _, spare = played.started
    one.dies()
    assert played.gone == [one.worker]
    played.machine.advance(0)
    assert (spare.told, spare.worker.number, len(played.started)) == (["serve"], 1, 3)
    spare.serves()
    assert len(played.started) == 4, "the next spare process"


def test_two_that_die_together_are_both_replaced_at_once(played: SimpleNamespace) -> None:
    one, two, spare = played.started
    one.dies()
    two.dies()
    played.machine.advance(0)
    assert spare.told == played.started[3].told == ["serve"]
    assert len(played.machine.alive) == 2, "the next spare process waits until they serve"


def test_a_worker_that_dies_again_and_again_is_replaced_ever_later(played: SimpleNamespace) -> None:
    pauses: list[float] = []
    for _ in range(8):
        (number_one,) = [each for each in played.machine.alive if each.worker.number == 1]
        number_one.serves()
        number_one.dies()
        before = played.machine.seconds()
        while not any(each.worker.number == 1 for each in played.machine.alive):
            played.machine.advance(0.5 if pauses else 0)
        pauses.append(played.machine.seconds() - before)
    assert pauses == [0, 1, 2, 4, 8, 16, LONGEST_PAUSE, LONGEST_PAUSE]
    (number_one,) = [each for each in played.machine.alive if each.worker.number == 1]
    number_one.serves()
    played.machine.advance(SHORT_LIFE)
    number_one.dies()
    played.machine.advance(0)
    assert any(each.worker.number == 1 for each in played.machine.alive), "it had recovered"


def test_a_spare_process_that_dies_is_replaced_later(played: SimpleNamespace) -> None:
    played.started[2].dies()
    played.machine.advance(LONGEST_PAUSE - 1)
    assert len(played.started) == 3
    played.machine.advance(1)
    assert len(played.started) == 4
    assert played.started[3].told == []


@pytest.mark.parametrize("serves", [Played.serves, Played.dies], ids=["serves", "dies"])
def test_a_roll_starts_no_process_of_before(serves: Callable[[Played], None], played: SimpleNamespace) -> None:
    one, two, spare = played.started
    rolled = played.workers.roll()
    assert not spare.alive
    serves(played.started[3])
    if serves is Played.dies:
        assert rolled.result is False
        assert one.told == two.told == ["serve"], "they stay"
        return
    assert one.told == ["serve", "drain"]
    played.started[4].serves()
    assert two.told == ["serve", "drain"]
    assert rolled.result is True
    assert played.started[5].told == [], "a new spare process"
    assert len(played.started) == 6
    one.dies()
    two.dies()
    assert len(played.started) == 6, "nobody replaces those who were told to end"


def test_a_worker_that_does_not_come_to_serve_is_ended(played: SimpleNamespace) -> None:
    rolled = played.workers.roll()
    played.machine.advance(SLOWEST_START - 1)
    assert played.started[3].alive
    played.machine.advance(1)
    assert not played.started[3].alive
    assert rolled.result is False


def test_all_end_and_none_begins_any_more(played: SimpleNamespace) -> None:
    one, two, spare = played.started
    one.dies()
    ended = played.workers.end(patient=True)
    assert not spare.alive
    assert two.told == ["serve", "drain"]
    assert not ended.called
    two.dies()
    assert ended.called
    played.machine.advance(LONGEST_PAUSE)
    assert played.machine.alive == []
