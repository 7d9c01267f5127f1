"""Look-ups of names: one of a host at a time, shared, its answer kept for some seconds, a failure not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IAddress, IHostnameResolver, IHostResolution, IResolutionReceiver
from twisted.internet.task import Clock
from zope.interface import implementer
from zope.interface.verify import verifyObject

from clipal.transport.resolver import KEPT, ResolvedAddress, SharedResolver

FOUND = [("::1", 0, 0, 0), ("127.0.0.1", 0), ("10.0.0.1", 0)]


class World(Clock):
    """A reactor without threads: `finish` does the work of the oldest that would have been started."""

    def __init__(self, **hosts: Sequence[ResolvedAddress] | Exception) -> None:
        super().__init__()
        self.hosts = hosts
        self.asked: list[str] = []
        self.threads: list[Callable[[], None]] = []
        self.resolver = SharedResolver(self, self.look_up, self.threads.append)

    def callFromThread(self, f: Callable[..., Any], /, *args: object) -> None:
        f(*args)

    def look_up(self, host: str) -> Sequence[ResolvedAddress]:
        self.asked.append(host)
        answer = self.hosts[host]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def finish(self) -> None:
        self.threads.pop(0)()


def outcome(looking_up: Deferred[Any]) -> Any:
    """Its result, or the type of its failure; None while it has none."""
    results: list[Any] = []
    looking_up.addCallbacks(results.append, lambda failure: results.append(failure.type))
    return results[0] if results else None


def test_callers_share_one_look_up_and_later_ones_its_answer() -> None:
    world = World(one=FOUND, two=FOUND)
    waiting = [world.resolver.addresses("one") for _ in range(5)]
    other = world.resolver.addresses("two")
    assert len(world.threads) == 2
    world.finish()
    assert [outcome(each) for each in waiting] == [FOUND] * 5
    assert outcome(other) is None
    world.advance(KEPT - 1)
    assert outcome(world.resolver.addresses("one")) == FOUND
    assert world.asked == ["one"]
    world.advance(1)
    assert outcome(world.resolver.addresses("one")) is None


@pytest.mark.parametrize("answer", [OSError(), UnicodeError("label too long"), MemoryError(), ()])
def test_a_failure_is_everyones_and_is_not_kept(answer: Sequence[ResolvedAddress] | Exception) -> None:
    world = World(one=answer)
    waiting = [world.resolver.addresses("one") for _ in range(3)]
    world.finish()
    assert [outcome(each) for each in waiting] == [DNSLookupError] * 3
    world.hosts["one"] = FOUND
    again = world.resolver.addresses("one")
    world.finish()
    assert outcome(again) == FOUND


def test_a_caller_that_gives_up_stops_waiting_and_the_others_do_not() -> None:
    world = World(one=FOUND)
    first, second = (world.resolver.addresses("one") for _ in range(2))
    first.cancel()
    assert outcome(first) is CancelledError
    world.finish()
    assert outcome(second) == FOUND


def test_a_look_up_without_a_caller_left_serves_the_next_one() -> None:
    """A host that hangs costs one thread, however often it is asked for; and nothing that grows."""
    world = World(one=FOUND)
    for _ in range(100):
        asking = world.resolver.addresses("one")
        asking.addErrback(lambda _: None)
        asking.cancel()
    assert len(world.threads) == 1
    assert world.resolver._waiting == {"one": []}
    last = world.resolver.addresses("one")
    world.finish()
    assert outcome(last) == FOUND


def test_one_of_those_told_may_make_another_give_up() -> None:
    world = World(one=FOUND)
    first, second = (world.resolver.addresses("one") for _ in range(2))
    first.addCallback(lambda _: second.cancel())
    world.finish()
    assert outcome(second) is CancelledError


def test_without_a_thread_it_fails_and_the_next_one_tries_again() -> None:
    def none_left(work: Callable[[], None]) -> None:
        raise RuntimeError("can't start new thread")

    world = World(one=FOUND)
    resolver = SharedResolver(world, world.look_up, none_left)
    assert outcome(resolver.addresses("one")) is DNSLookupError
    assert outcome(resolver.addresses("one")) is DNSLookupError


def test_the_answers_that_are_kept_are_bounded() -> None:
    world = World(**{f"host{number}": FOUND for number in range(1000)})
    for host in world.hosts:
        world.resolver.addresses(host)
        world.finish()
    assert len(world.resolver._answers) == 256
    assert outcome(world.resolver.addresses("host999")) == FOUND


@implementer(IResolutionReceiver)
class Receiver:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        self.told.append("began")

    def addressResolved(self, address: IAddress) -> None:
        self.told.append(str(getattr(address, "host", None)) + f" {getattr(address, 'port', None)}")

    def resolutionComplete(self) -> None:
        self.told.append("complete")


def test_endpoints_get_the_systems_order() -> None:
    world, receiver, late = World(one=FOUND, none=OSError()), Receiver(), Receiver()
    assert verifyObject(IHostnameResolver, world.resolver)
    world.resolver.resolveHostName(receiver, "one", 443)
    world.finish()
    assert receiver.told == ["began", "::1 443", "127.0.0.1 443", "10.0.0.1 443", "complete"]
    world.resolver.resolveHostName(late, "one", 80)
    assert late.told[-1] == "complete", "at once"
    nobody, gone = Receiver(), Receiver()
    world.resolver.resolveHostName(nobody, "none")
    world.resolver.resolveHostName(gone, "none").cancel()
    world.finish()
    assert (nobody.told, gone.told) == (["began", "complete"], ["began"])
