"""The attempt loop: asks one provider after another until one has answered, or all have failed.

Each provider is asked at most once for a request, each of its keys at most once. Nothing in the loop sleeps: a provider
that rests is passed over. What an attempt came to is charged to its provider when it is known, with one exception: when
every provider of a request fails on the network, it is our own network that is down, and nobody is charged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import define, field
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from clipal.config.model import Settings
from clipal.dialects.dialect import whole_seconds
from clipal.failover.attempt import Attempt, Result, Terms
from clipal.failover.held_answer import HeldAnswer
from clipal.failover.trail import Ending, Step, Trail, Unanswered
from clipal.outcomes import outcome as outcomes
from clipal.outcomes.outcome import Action, Charge, Outcome
from clipal.providers.provider import Admission, Provider
from clipal.providers.route import Route
from clipal.providers.selection import Purpose, candidates, last_road, purpose_of, succeeded
from clipal.transport.deadline import Deadline
from clipal.upstream.model_names import with_model
from clipal.upstream.request import Call

_PREFERRED: Final = frozenset([101, *range(200, 300)])
"""Statuses after which a provider is asked first."""


@define
class _Round:
    """One request on its way through the providers.

    Attributes:
        route: whose providers are asked: those that have the model of the request.
        reached: whether any provider could be reached.
        unreached: who could not be, with the leave to ask that is still to be given back.
        under_way: who is being asked.
        began: when the attempt that is under way began.
        last: who was asked last and did not answer well, with its answer, which may still be relayed.
        fallback: the first who lacks what was asked for, with its answer, which is relayed if nobody does better.
    """

    route: Route
    call: Call
    purpose: Purpose
    trail: Trail
    limit: float
    deadline: Deadline
    candidates: Sequence[Provider] = ()
    asked: set[Provider] = field(factory=set)
    reached: bool = False
    unreached: list[tuple[Provider, Admission, Outcome]] = field(factory=list)
    under_way: tuple[Provider, Admission] | None = None
    began: float = 0.0
    last: tuple[Provider, HeldAnswer] | None = None
    fallback: tuple[Provider, HeldAnswer] | None = None


class Failover:
    """Answers the requests of one client."""

    _log = Logger()

    def __init__(self, route: Route, settings: Settings, clock: IReactorTime) -> None:
        self.route = route
        self.settings = settings
        self.idle_timeout = settings.upstream_idle_timeout
        self._clock = clock
        event_time = settings.first_event_timeout
        if event_time is None:
            event_time = route.dialect.first_event_timeout
        self._terms = Terms(route.dialect, clock, settings.first_event, event_time, judge=not route.manual)

    async def answer(self, call: Call, trail: Trail, deadline: Deadline) -> HeldAnswer | Unanswered:
        """Asks the providers in order, each at most once.

        Parameters:
            trail: is filled with what came of each attempt.
            deadline: one that nobody else uses meanwhile, for the attempts, one after another.

        Cancelling it closes the connection to the provider that is being asked; nobody is charged then.
        """
        route = self.route
        if not route.members:
            title, file = route.dialect.title, route.dialect.config_file
            return Unanswered(False, None, f"No provider is set up for {title}: add one to {file}.")
        if route.concerns_models:
            call = with_model(call, route.dialect)
            if call.model is not None:
                route = route.serving(call.model.name)
                if not route.members:
                    return self._unserved(call.model.name, trail)
        purpose = purpose_of(call, route, self.settings)
        this = _Round(route, call, purpose, trail, self._limit(call), deadline)
        try:
            return await self._ask_all(this) or self._give_up(this)
        except CancelledError:
            self._charge_silence(this)
            raise
        finally:
            self._let_go(this)

    def _limit(self, call: Call) -> float:
        """Seconds until the first byte of an answer's body: a setting's, or what suits the client."""
        dialect, table = self.route.dialect, call.head.table
        if call.opens_websocket or dialect.asks_for_stream(call.path, call.query or b"", table, call.body.ends):
            limit = self.settings.response_header_timeout
            return dialect.time_limits(table).stream if limit is None else limit
        limit = self.settings.nonstreaming_timeout
        return dialect.time_limits(table).whole if limit is None else limit

    def _unserved(self, model: str, trail: Trail) -> Unanswered:
        """Nobody has the model: nobody was asked."""
        for member in self.route.members:
            trail.steps.append(Step(member.name, "does not serve the model"))
        title, file = self.route.dialect.title, self.route.dialect.config_file
        message = f'No provider of {title} serves the model "{model}" ({trail}): see serves in {file}.'
        return Unanswered(False, None, message)

    # Asking

    async def _ask_all(self, this: _Round) -> HeldAnswer | None:
        now = self._clock.seconds()
        order = candidates(this.route, this.purpose, self.settings, now)
        if this.call.opens_websocket:
            order = [member for member in order if member.upstream.provider.takes_websockets]
        this.candidates = order
        for member in order:
            answered = await self._ask_keys(this, member, force=self.route.manual)
            if answered is not None:
                return answered
        if this.asked:
            return None
        last = last_road(order, now)
        return None if last is None else await self._ask_keys(this, last, force=True)

    async def _ask_keys(self, this: _Round, member: Provider, *, force: bool) -> HeldAnswer | None:
        """Asks one provider: with its next key where it is the key that failed."""
        tried: set[int] = set()
        while (admission := member.admit(self._clock.seconds(), tried, force=force)) is not None:
            tried.add(admission.key)
            self._drop_last(this)
            result = await self._attempt(this, member, admission)
            if result.answer is not None:
                self._keep(this, member, result.answer, result.outcome)
            if result.outcome.action is Action.RELAY or (self.route.manual and result.answer is not None):
                answered = self._commit(this, member, admission, result)
                this.last = None
                return answered
            self._charge(this, member, admission, result.outcome)
            if not result.outcome.of_key:
                break
        return None

    def _keep(self, this: _Round, member: Provider, answer: HeldAnswer, outcome: Outcome) -> None:
        if outcome.fallback and this.fallback is None:
            this.fallback = (member, answer)
        else:
            this.last = (member, answer)

    async def _attempt(self, this: _Round, member: Provider, admission: Admission) -> Result:
        this.asked.add(member)
        this.under_way, this.began = (member, admission), self._clock.seconds()
        attempt = Attempt(this.call, member.upstream, self._terms, this.deadline, this.trail)
        result = await attempt.run(admission.key, this.limit)
        this.under_way = None
        return result

    def _charge(self, this: _Round, member: Provider, admission: Admission, outcome: Outcome) -> None:
        now = self._clock.seconds()
        this.reached = this.reached or not outcome.network
        if not this.purpose.charges(outcome):
            member.release(admission, now)
        elif outcome.network:
            this.unreached.append((member, admission, outcome))
        else:
            member.settle(admission, outcome, now)
        this.trail.steps.append(Step(member.name, outcome.reason, outcome.status, member.wait(now) or None))

    def _charge_silence(self, this: _Round) -> None:
        """The client left: that is the provider's failure where it had been silent for longer than it may be."""
        now = self._clock.seconds()
        if this.under_way is not None and this.limit and now - this.began >= this.limit:
            (member, admission), this.under_way = this.under_way, None
            self._charge(this, member, admission, outcomes.TIMED_OUT)

    def _charge_unreached(self, this: _Round) -> None:
        """Somebody could be reached: so those who could not be are charged after all."""
        if not this.unreached:
            return
        unreached, this.unreached = this.unreached, []
        for member, admission, outcome in unreached:
            member.settle(admission, outcome, self._clock.seconds())

    # Ends

    def _commit(self, this: _Round, member: Provider, admission: Admission, result: Result) -> HeldAnswer:
        answer, outcome, purpose = result.answer, result.outcome, this.purpose
        assert answer is not None
        now = self._clock.seconds()
        self._charge_unreached(this)
        if outcome.charge is Charge.SUCCESS and purpose.charges(outcome):
            member.answered(admission, now)
            if outcome.status is not None and outcome.status in _PREFERRED:  # what a first event stands for counts
                succeeded(this.route, purpose, member, now)
                if this.route.dialect.builds_on_answers:
                    this.route.answers.put(this.route.dialect.made_answer(answer.beginning), member, now)

        def ended(how: Ending) -> None:
            then = self._clock.seconds()
            silent = answer.silent and this.limit > 0 and then - this.began >= this.limit
            charged = outcome if how.whole else outcomes.CUT if how.blamed else outcomes.TIMED_OUT
            if (how.whole or how.blamed or silent) and purpose.charges(charged):
                member.settle(admission, charged, then)
            else:
                member.release(admission, then)

        return answer.commit(member.name, ended)

    def _give_up(self, this: _Round) -> HeldAnswer | Unanswered:
        if this.reached:
            self._charge_unreached(this)
        kept = this.fallback or (this.last if self._is_back_first(this) else None)
        if kept is None:
            return self._unanswered(this)
        member, answer = kept
        if kept is this.fallback:
            this.fallback = None
        else:
            this.last = None
        return answer.commit(member.name, _charged_already)

    def _is_back_first(self, this: _Round) -> bool:
        """Whether only one provider was asked, and no other one can be asked before it can."""
        if len(this.asked) != 1 or this.last is None:
            return False
        now = self._clock.seconds()
        member, _ = this.last
        return all(member.wait(now) <= each.wait(now) for each in this.candidates)

    def _unanswered(self, this: _Round) -> Unanswered:
        """Adds those who were resting to the trail, and says what is in everybody's way."""
        now = self._clock.seconds()
        for member in this.route.members:
            if member not in this.asked:
                resting = member.wait(now) or None
                this.trail.steps.append(Step(member.name, member.resting_reason(now) or "busy", None, resting))
        wait = self._wait(this.route, now)
        again = "" if wait is None else f" Please retry in {whole_seconds(wait)}s."
        rate_limited = all(step.reason == outcomes.RATE_LIMIT for step in this.trail.steps)
        return Unanswered(
            rate_limited,
            wait,
            f"No provider of {self.route.dialect.title} could answer: {this.trail}.{again}",
        )

    def _wait(self, route: Route, now: float) -> float | None:
        """Seconds until the next request is more than turned away; None where that is so already.

        The last road and a pinned provider are asked though they rest: nobody need wait for them.
        """
        if route.manual or last_road(route.members, now) is not None:
            return None
        return min(member.wait(now) for member in route.members) or None

    def _let_go(self, this: _Round) -> None:
        """Gives back whatever the round still holds, on whichever way it ended."""
        now = self._clock.seconds()
        for member, admission, _ in this.unreached:
            member.release(admission, now)
        if this.under_way is not None:
            member, admission = this.under_way
            member.release(admission, now)
        self._drop_last(this)
        fallback, this.fallback = this.fallback, None
        if fallback is not None:
            fallback[1].let_go()

    def _drop_last(self, this: _Round) -> None:
        last, this.last = this.last, None
        if last is not None:
            last[1].let_go()


def _charged_already(how: Ending) -> None:
    """What the provider did has been charged already."""
