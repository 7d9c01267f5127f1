"""A deadline is met when it was last set for, however often it was moved, and leaves no timer behind."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from clipal.transport.deadline import Deadline


class Bell:
    """Notes the times at which it is rung."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.rung: list[float] = []

    def ring(self) -> None:
        self.rung.append(self.clock.seconds())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bell(clock: Clock) -> Bell:
    return Bell(clock)


@pytest.fixture
def deadline(clock: Clock, bell: Bell) -> Deadline:
    return Deadline(clock, bell.ring)


def test_it_expires_once_at_its_time(clock: Clock, bell: Bell, deadline: Deadline) -> None:
    deadline.set(3)
    clock.pump([1] * 10)
    assert bell.rung == [3]
    assert not clock.getDelayedCalls()


def test_moved_later_it_expires_later(clock: Clock, bell: Bell, deadline: Deadline) -> None:
    deadline.set(3)
    clock.advance(2)
    deadline.set(3)
    clock.pump([1] * 10)
    assert bell.rung == [5]


def test_moved_sooner_it_expires_sooner(clock: Clock, bell: Bell, deadline: Deadline) -> None:
    deadline.set(10)
    clock.advance(1)
    deadline.set(2)
    clock.pump([1] * 12)
    assert bell.rung == [3]


def test_moving_it_later_leaves_the_reactors_timers_alone(clock: Clock, deadline: Deadline) -> None:
    deadline.set(3)
    (timer,) = clock.getDelayedCalls()
    for _ in range(100):
        clock.advance(0.01)
        deadline.set(3)
    assert clock.getDelayedCalls() == [timer]
    assert timer.getTime() == 3


@pytest.mark.parametrize("cleared", ["clear", "zero"])
def test_cleared_it_does_not_expire(clock: Clock, bell: Bell, deadline: Deadline, cleared: str) -> None:
    deadline.set(3)
    deadline.clear() if cleared == "clear" else deadline.set(0)
    clock.pump([1] * 5)
    assert bell.rung == []
    assert not clock.getDelayedCalls()


def test_cleared_and_set_again_it_expires_at_the_new_time(clock: Clock, bell: Bell, deadline: Deadline) -> None:
    deadline.set(3)
    deadline.clear()
    clock.advance(1)
    deadline.set(4)
    clock.pump([1] * 10)
    assert bell.rung == [5]


def test_it_can_be_set_again_once_it_has_expired(clock: Clock, bell: Bell, deadline: Deadline) -> None:
    deadline.set(1)
    clock.advance(1)
    deadline.set(1)
    clock.advance(1)
    assert bell.rung == [1, 2]


def test_it_can_be_set_again_by_what_it_calls(clock: Clock) -> None:
    rung: list[float] = []

    def again() -> None:
        rung.append(clock.seconds())
        renewed.set(2)

    renewed = Deadline(clock, again)
    renewed.set(1)
    clock.pump([1] * 5)
    assert rung == [1, 3, 5]
    renewed.close()


def test_closed_it_leaves_no_timer(clock: Clock, bell: Bell, deadline: Deadline) -> None:
    deadline.close()
    deadline.set(3)
    deadline.close()
    deadline.close()
    assert not clock.getDelayedCalls()
    clock.advance(5)
    assert bell.rung == []
