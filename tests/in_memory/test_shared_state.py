"""What workers tell each other of their providers: whose health is what, who is preferred, who answered a session."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

from attrs import define, field

from clipal.config.settings import FailBack
from clipal.outcomes.outcome import Action, Charge, Outcome
from clipal.providers.affinity import SESSIONS
from clipal.providers.shared import SharedRoutes, SharedState
from tests.memory import World

OVERLOADED = (b"Retry-After", b"30")


@define(eq=False)
class Worker:
    """One worker with its own providers, which answer as a test says."""

    world: World
    said: deque[dict[str, Any]] = field(factory=deque)
    routes: SharedRoutes = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.routes = SharedRoutes(self._tell, self.world.clock.seconds)

    def _tell(self, do: str, **message: Any) -> None:
        self.said.append(json.loads(json.dumps({"do": do, **message})))

    def follow(self, epoch: str = "1") -> None:
        self.routes.follow(self.world.failover.route, epoch)


@define(eq=False)
class Parent:
    """Passes on what workers tell, in one order."""

    workers: list[Worker]
    state: SharedState = field(factory=SharedState)

    @classmethod
    def of(cls, count: int = 2, **options: Any) -> Parent:
        parent = cls([Worker(World.make(**options)) for _ in range(count)])
        for worker in parent.workers:
            worker.follow()
        parent.pass_on()
        return parent

    def take_from(self, worker: Worker) -> None:
        """Reads one message of a worker, and answers it."""
        message = worker.said.popleft()
        if message.pop("do") == "follow":
            client, epoch = message["client"], message["epoch"]
            worker.routes.known(client, epoch, self.state.entries(client, epoch))
            return
        self.state.keep(**message)
        for each in self.workers:
            each.routes.shared(**message, own=each is worker)

    def pass_on(self) -> None:
        """Reads all that the workers have said."""
        for worker in self.workers:
            while worker.said:
                self.take_from(worker)


def advance(parent: Parent, seconds: float) -> None:
    for worker in parent.workers:
        worker.world.clock.advance(seconds)


def fail(worker: Worker, *names: str) -> None:
    for stub in worker.world.stubs:
        if stub.name in names:
            stub.status, stub.fields = 503, [OVERLOADED]


def asked(worker: Worker) -> list[int]:
    return [len(stub.keys) for stub in worker.world.stubs]


def test_a_cooldown_holds_in_all_workers() -> None:
    parent = Parent.of()
    one, two = parent.workers
    fail(one, "a")
    assert one.world.ask() == "b"
    parent.pass_on()
    assert two.world.ask() == "b"
    assert asked(two) == [0, 1]


def test_a_provider_that_answers_again_is_well_in_all_workers() -> None:
    parent = Parent.of(failback=FailBack.ALWAYS, failback_after=0.0)
    one, two = parent.workers
    fail(one, "a")
    one.world.ask()
    parent.pass_on()
    one.world.stubs[0].status = 200
    one.world.stubs[1].status = 503
    advance(parent, 31.0)
    assert one.world.ask() == "a"
    parent.pass_on()
    (first, _) = two.world.failover.route.providers
    assert first.health.opening is None
    assert first.well_for(31.0) == 1.0
    assert two.world.ask() == "a"


def test_a_cooldown_of_one_key_is_of_that_key_in_all_workers() -> None:
    parent = Parent.of(keys=2)
    one, two = parent.workers
    (first, _) = one.world.failover.route.providers
    permit = first.admit(0.0)
    assert permit is not None
    first.settle(permit, Outcome(Action.NEXT, Charge.DEACTIVATE, "auth", of_key=True), 0.0)
    parent.pass_on()
    assert two.world.ask() == "a"
    assert two.world.stubs[0].keys == [b"a1"]


def test_the_preferred_provider_is_so_in_all_workers() -> None:
    parent = Parent.of()
    one, two = parent.workers
    one.world.stubs[0].status = 503
    assert one.world.ask() == "b"
    parent.pass_on()
    assert two.world.ask() == "b"
    assert two.world.failover.route.preferred is two.world.failover.route.providers[1]
    assert not two.said


def test_a_count_of_tokens_moves_its_own_cursor_in_all_workers() -> None:
    parent = Parent.of(ignore_count_tokens_failover=True)
    one, two = parent.workers
    one.world.stubs[0].status = 503
    assert one.world.ask(path=b"/v1/messages/count_tokens") == "b"
    parent.pass_on()
    assert two.world.ask(path=b"/v1/messages/count_tokens") == "b"
    assert not two.said  # it is no news
    assert two.world.ask() == "a"


def test_a_session_stays_with_its_provider_in_all_workers() -> None:
    parent = Parent.of()
    one, two = parent.workers
    one.world.stubs[0].status = 503
    assert one.world.ask(x_claude_code_session_id="s") == "b"
    one.world.stubs[0].status = 200
    route = one.world.failover.route
    route.prefer(route.providers[0], None, 0.0)
    parent.pass_on()
    assert two.world.ask(x_claude_code_session_id="s") == "b"
    assert two.world.ask(x_claude_code_session_id="t") == "a"


def test_what_a_worker_has_said_last_holds_against_what_others_said_before() -> None:
    """Both say who is preferred at the same time: the parent's order decides, in both."""
    parent = Parent.of()
    one, two = parent.workers
    routes = [each.world.failover.route for each in (one, two)]
    routes[0].prefer(routes[0].providers[1], None, 0.0)
    routes[1].prefer(routes[1].providers[1], None, 0.0)
    routes[1].prefer(routes[1].providers[0], None, 0.0)
    parent.take_from(two)  # b
    parent.take_from(one)  # b
    assert [each.cursor.name for each in routes if each.cursor] == ["b", "a"]
    parent.take_from(two)  # a
    assert [each.cursor.name for each in routes if each.cursor] == ["a", "a"]
    routes[0].prefer(routes[0].providers[1], None, 0.0)
    parent.pass_on()
    assert [each.cursor.name for each in routes if each.cursor] == ["b", "b"]


def test_a_worker_that_comes_later_learns_what_is_known() -> None:
    parent = Parent.of(1)
    (one,) = parent.workers
    fail(one, "a")
    assert one.world.ask(x_claude_code_session_id="s") == "b"
    parent.pass_on()
    late = Worker(World.make())
    parent.workers.append(late)
    late.follow()
    parent.pass_on()
    assert late.world.ask(x_claude_code_session_id="s") == "b"
    assert asked(late) == [0, 1]


def test_a_file_that_was_read_anew_begins_afresh() -> None:
    parent = Parent.of()
    one, two = parent.workers
    two.follow("2")
    parent.pass_on()
    fail(one, "a")
    one.world.ask()
    parent.pass_on()
    assert two.world.ask() == "a"
    assert parent.state.entries("claudecode", "2") == []


def test_requests_that_are_still_open_for_an_earlier_file_tell_nothing() -> None:
    parent = Parent.of(1)
    (one,) = parent.workers
    earlier = one.world.failover.route
    one.routes.follow(World.make().failover.route, "2")
    parent.pass_on()
    earlier.prefer(earlier.providers[1], None, 0.0)
    assert not one.said


def test_what_is_said_of_an_unknown_provider_or_key_is_ignored() -> None:
    parent = Parent.of(1)
    (one,) = parent.workers
    route = one.world.failover.route
    told = route.providers[0].health.shared()
    for kind, name, value in (
        ("health", "gone", told),
        ("health", "a\n1", told),
        ("cursor", "a\nb\n\n", "gone"),
        ("cursor", "a\ngone\n\n", "a"),
        ("unheard of", "a\nb\n\n", "b"),
    ):
        one.routes.shared("claudecode", "1", kind, name, value, own=False)
        one.routes.shared("codex", "1", kind, name, value, own=False)
    assert route.cursor is None
    assert all(each.health.opening is None for each in route.providers)


def test_the_parent_keeps_what_it_may_be_asked_for_and_no_more() -> None:
    state = SharedState()
    for number in range(SESSIONS + 1):
        state.keep("codex", "1", "session", str(number), "a")
    state.keep("codex", "1", "session", "1", "b")
    state.keep("codex", "1", "cursor", "", "a")
    kept = state.entries("codex", "1")
    assert len(kept) == SESSIONS + 1
    assert kept[-2:] == [("session", "1", "b"), ("cursor", "", "a")]
    assert ("session", "0", "a") not in kept
    state.keep("codex", "2", "cursor", "", "b")
    assert len(state.entries("codex", "1")) == SESSIONS + 1
    assert state.entries("codex", "3") == []
    assert state.entries("codex", "2") == [("cursor", "", "b")]
    assert state.entries("codex", "1") == []
    assert state.entries("gemini", "1") == []
