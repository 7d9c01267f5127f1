"""One request on its way through the providers of its route, from the first attempt to its end.

Each provider is asked at most once, each of its keys at most once. Nothing here sleeps: a provider that rests is passed
over. What an attempt came to is charged to its provider when it is known, with one exception: when every provider of a
request fails on the network, it is our own network that is down, and no provider is charged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from attrs import define, field

from clipal.dialects.dialect import whole_seconds
from clipal.failover.attempt import Attempt, Result, Terms
from clipal.failover.held_answer import HeldAnswer
from clipal.failover.passed_over import not_asked, passed_over, rest
from clipal.failover.trail import Ending, Step, Trail, Unanswered
from clipal.outcomes import outcome as outcomes
from clipal.outcomes.outcome import Action, Charge, Outcome
from clipal.providers.provider import Permit, Provider
from clipal.providers.route import Route
from clipal.providers.selection import Purpose, last_resort, succeeded
from clipal.providers.tally import ANSWERED, BUG, DISCONNECTED
from clipal.transport.deadline import Deadline
from clipal.upstream.request import UpstreamRequest

_PREFERRED: Final = frozenset([101, *range(200, 300)])
"""Statuses after which a provider is asked first."""


@define(eq=False)
class Round:
    """One request.

    Attributes:
        route: whose providers are asked: those that have the model of the request.
        candidates: they, in order.
        limit: seconds until the first byte of an answer's body; 0 for no limit.
        asked: who was asked.
        reached: whether any provider could be reached.
        unreached: who could not be, with the leave to ask that is still to be given back.
        under_way: who is being asked.
        began: when the last attempt began.
        committed: what the answer that the client gets says about its provider.
        last: who was asked last and did not answer well, with its answer, which may still be relayed.
        fallback: the first who lacks what was asked for, with its answer, which is relayed if nobody does better.
        failed: who failed last, and why.
        abandoned: what an attempt came to that has no outcome.
    """

    route: Route
    candidates: Sequence[Provider]
    call: UpstreamRequest
    purpose: Purpose
    trail: Trail
    limit: float
    deadline: Deadline
    terms: Terms
    asked: set[Provider] = field(factory=set)
    reached: bool = False
    unreached: list[tuple[Provider, Permit, Outcome]] = field(factory=list)
    under_way: tuple[Provider, Permit] | None = None
    began: float = 0.0
    committed: tuple[Provider, Permit, Result] | None = None
    last: tuple[Provider, HeldAnswer] | None = None
    fallback: tuple[Provider, HeldAnswer] | None = None
    failed: tuple[Provider, str] | None = None
    abandoned: str = BUG

    # Asking

    async def ask_all(self) -> HeldAnswer | None:
        """Asks the candidates one after another; None where none of them answered."""
        now = self._now()
        for provider in self.candidates:
            answered = await self._ask_keys(provider, force=self.route.manual)
            if answered is not None:
                return answered
        if self.asked:
            return None
        last = last_resort(self.candidates, now)
        return None if last is None else await self._ask_keys(last, force=True)

    async def _ask_keys(self, provider: Provider, *, force: bool) -> HeldAnswer | None:
        """Asks one provider: with its next key where it is the key that failed."""
        tried: set[int] = set()
        while (admission := provider.admit(self._now(), tried, force=force)) is not None:
            tried.add(admission.key)
            self._drop_last()
            result = await self._attempt(provider, admission)
            if result.answer is not None:
                self._keep(provider, result.answer, result.outcome)
            if result.outcome.action is Action.RELAY or (self.route.manual and result.answer is not None):
                return self._commit(provider, admission, result)
            self._charge(provider, admission, result.outcome)
            if not result.outcome.of_key:
                break
        return None

    async def _attempt(self, provider: Provider, admission: Permit) -> Result:
        self.asked.add(provider)
        if self.failed is not None and self.failed[0] is not provider:
            self.failed[0].tally.failed_over(self.failed[1])
        provider.tally.began()
        self.under_way, self.began = (provider, admission), self._now()
        attempt = Attempt(self.call, provider.upstream, self.terms, self.deadline, self.trail)
        result = await attempt.run(admission.key, self.limit)
        self.under_way = None
        return result

    def _keep(self, provider: Provider, answer: HeldAnswer, outcome: Outcome) -> None:
        if outcome.fallback and self.fallback is None:
            self.fallback = (provider, answer)
        else:
            self.last = (provider, answer)

    # Charging

    def _charge(self, provider: Provider, admission: Permit, outcome: Outcome) -> None:
        now = self._now()
        self.failed = (provider, outcome.reason)
        provider.tally.failed(outcome.reason, outcome.status, self.terms.wall())
        self.reached = self.reached or not outcome.network
        if not self.purpose.charges(outcome):
            provider.release(admission, now)
        elif outcome.network:
            self.unreached.append((provider, admission, outcome))
        else:
            provider.settle(admission, outcome, now)
        resting, until = rest(provider, now, self.terms.wall)
        self.trail.steps.append(
            Step(provider.name, outcome.reason, outcome.status, resting, until, warns=outcome.warns)
        )

    def _charge_unreached(self) -> None:
        """Some provider could be reached: so those that could not be are charged after all."""
        unreached, self.unreached = self.unreached, []
        for provider, admission, outcome in unreached:
            provider.settle(admission, outcome, self._now())

    def client_disconnected(self) -> None:
        """That is the provider's failure where it had been silent for longer than it may be."""
        self.abandoned = DISCONNECTED
        if self.under_way is not None and self._is_over_limit():
            (provider, admission), self.under_way = self.under_way, None
            self._charge(provider, admission, outcomes.TIMED_OUT)

    def _is_over_limit(self) -> bool:
        return self.limit > 0 and self._now() - self.began >= self.limit

    # Ends

    def _commit(self, provider: Provider, admission: Permit, result: Result) -> HeldAnswer:
        answer, outcome = result.answer, result.outcome
        assert answer is not None
        self._charge_unreached()
        provider.tally.handed_on(self._now() - self.began)
        if outcome.charge is Charge.SUCCESS and self.purpose.charges(outcome):
            now = self._now()
            provider.answered(admission, now)
            if outcome.status in _PREFERRED:  # what a first event stands for counts
                succeeded(self.route, self.purpose, provider, now)
                if self.route.dialect.builds_on_answers:
                    self.route.answers.put(self.route.dialect.made_answer(answer.beginning), provider, now)
        self.committed, self.last = (provider, admission, result), None
        return self._hand_over(provider, answer, self._ended)

    def _hand_over(self, provider: Provider, answer: HeldAnswer, ended: Callable[[Ending], None]) -> HeldAnswer:
        """The answer of `provider` is what the client gets."""
        self.trail.passed_over = passed_over(self.route.providers, provider, self.asked, self._now(), self.terms.wall)
        return answer.commit(provider.name, ended)

    def _ended(self, how: Ending) -> None:
        """The committed answer has ended."""
        assert self.committed is not None
        (provider, admission, result), self.committed = self.committed, None
        charged: Outcome | None = None
        if how.whole:
            charged = result.outcome
        elif how.blamed:
            charged = outcomes.CUT
        elif result.answer is not None and result.answer.silent and self._is_over_limit():
            charged = outcomes.TIMED_OUT
        self._count(provider, charged)
        if charged is not None and self.purpose.charges(charged):
            provider.settle(admission, charged, self._now())
        else:
            provider.release(admission, self._now())

    def _count(self, provider: Provider, outcome: Outcome | None) -> None:
        """What the answer came to that the client got; None where the client broke it off."""
        if outcome is not None and outcome.reason:
            provider.tally.failed(outcome.reason, outcome.status, self.terms.wall())
        else:
            provider.tally.ended(DISCONNECTED if outcome is None else ANSWERED)

    def give_up(self) -> HeldAnswer | Unanswered:
        """No candidate answered well: one of their answers, or what is in the way of all of them."""
        if self.reached:
            self._charge_unreached()
        if self.fallback is not None:
            (provider, answer), self.fallback = self.fallback, None
            return self._hand_over(provider, answer, _charged_already)
        if self.last is not None and self._is_back_first(self.last[0]):
            (provider, answer), self.last = self.last, None
            return self._hand_over(provider, answer, _charged_already)
        return self._unanswered()

    def _is_back_first(self, provider: Provider) -> bool:
        """Whether only `provider` was asked, and no other one can be asked before it can."""
        now = self._now()
        return len(self.asked) == 1 and all(provider.wait(now) <= each.wait(now) for each in self.candidates)

    def _unanswered(self) -> Unanswered:
        """Adds those that were resting to the trail, and says what is in the way of each."""
        now = self._now()
        for provider in self.route.providers:
            if provider not in self.asked:
                self.trail.steps.append(not_asked(provider, now, self.terms.wall))
        wait = self._wait(now)
        again = "" if wait is None else f" Please retry in {whole_seconds(wait)}s."
        message = f"No provider of {self.route.dialect.title} could answer: {self.trail}.{again}"
        return Unanswered(all(step.reason == outcomes.RATE_LIMIT for step in self.trail.steps), wait, message)

    def _wait(self, now: float) -> float | None:
        """Seconds until the next request is more than turned away; None where that is so already.

        The last resort and a pinned provider are asked though they rest: nobody need wait for them.
        """
        if self.route.manual or last_resort(self.route.providers, now) is not None:
            return None
        return min(provider.wait(now) for provider in self.route.providers) or None

    def release(self) -> None:
        """Gives back whatever it still holds, on whichever way it ended."""
        now = self._now()
        for provider, admission, _ in self.unreached:
            provider.release(admission, now)
        if self.under_way is not None:
            provider, admission = self.under_way
            provider.tally.ended(self.abandoned)
            provider.release(admission, now)
        self._drop_last()
        fallback, self.fallback = self.fallback, None
        if fallback is not None:
            fallback[1].abort()

    def _drop_last(self) -> None:
        last, self.last = self.last, None
        if last is not None:
            last[1].abort()

    def _now(self) -> float:
        return self.terms.clock.seconds()


def _charged_already(how: Ending) -> None:
    """What the provider did has been charged already."""
