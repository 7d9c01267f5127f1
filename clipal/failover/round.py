"""One request on its way through the providers of its route, from the first attempt to its end.

Each provider is asked at most once, and each of its keys at most once. Nothing here sleeps: a provider in cooldown is
passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from attrs import define, field

from clipal.dialects.dialect import whole_seconds
from clipal.failover.attempt import Attempt, Result, Terms
from clipal.failover.charges import Charges
from clipal.failover.held_answer import HeldAnswer
from clipal.failover.passed_over import cooldown, not_asked, passed_over
from clipal.failover.trail import Ending, Step, Trail, Unanswered
from clipal.outcomes import outcome as outcomes
from clipal.outcomes.outcome import Action, Charge, Outcome
from clipal.providers.provider import Permit, Provider
from clipal.providers.route import Route
from clipal.providers.selection import last_resort, succeeded
from clipal.providers.tally import ANSWERED, BUG, DISCONNECTED
from clipal.transport.deadline import Deadline
from clipal.upstream.request import UpstreamRequest

_PREFERRED: Final = frozenset([101, *range(200, 300)])
"""Statuses of an answer after which its provider is preferred."""


@define(eq=False)
class Round:
    """One request.

    Attributes:
        route: its providers are asked; all of them have the model of the request.
        candidates: these providers, in the order in which they are asked.
        limit: seconds until the first byte of an answer's body; 0 for no limit.
        asked: the providers that were asked.
        under_way: the provider that is being asked, and the permit for that.
        began: when the last attempt began.
        committed: the provider of the answer that the client gets, with the permit and the result of the attempt.
        last: the provider that was asked last, with an answer that may still be relayed.
        fallback: the first provider that lacks what was asked for, with its answer. The answer is relayed if no other
            provider answers.
        failed: the provider that failed last, and the reason.
        abandoned: what an attempt that has no outcome is counted as.
    """

    route: Route
    candidates: Sequence[Provider]
    request: UpstreamRequest
    charges: Charges
    trail: Trail
    limit: float
    deadline: Deadline
    terms: Terms
    asked: set[Provider] = field(factory=set)
    under_way: tuple[Provider, Permit] | None = None
    began: float = 0.0
    committed: tuple[Provider, Permit, Result] | None = None
    last: tuple[Provider, HeldAnswer] | None = None
    fallback: tuple[Provider, HeldAnswer] | None = None
    failed: tuple[Provider, str] | None = None
    abandoned: str = BUG

    # Asking

    async def ask_all(self) -> HeldAnswer | None:
        """Asks the candidates one after another; None where no answer is committed."""
        now = self._now()
        for provider in self.candidates:
            answer = await self._ask_keys(provider, force=self.route.manual)
            if answer is not None:
                return answer
        if self.asked:
            return None
        last = last_resort(self.candidates, now)
        return None if last is None else await self._ask_keys(last, force=True)

    async def _ask_keys(self, provider: Provider, *, force: bool) -> HeldAnswer | None:
        """Asks one provider, and asks it again with its next key if the outcome concerns the key alone."""
        tried: set[int] = set()
        while (permit := provider.admit(self._now(), tried, force=force)) is not None:
            tried.add(permit.key)
            self._drop_last()
            result = await self._attempt(provider, permit)
            if result.answer is not None:
                self._keep(provider, result.answer, result.outcome)
            if result.outcome.action is Action.RELAY or (self.route.manual and result.answer is not None):
                return self._commit(provider, permit, result)
            self._failed(provider, permit, result.outcome)
            if not result.outcome.of_key:
                break
        return None

    async def _attempt(self, provider: Provider, permit: Permit) -> Result:
        self.asked.add(provider)
        if self.failed is not None and self.failed[0] is not provider:
            self.failed[0].tally.failed_over(self.failed[1])
        provider.tally.began()
        self.under_way, self.began = (provider, permit), self._now()
        attempt = Attempt(self.request, provider.upstream, self.terms, self.deadline, self.trail)
        result = await attempt.run(permit.key, self.limit)
        self.under_way = None
        return result

    def _keep(self, provider: Provider, answer: HeldAnswer, outcome: Outcome) -> None:
        if outcome.fallback and self.fallback is None:
            self.fallback = (provider, answer)
        else:
            self.last = (provider, answer)

    def _failed(self, provider: Provider, permit: Permit, outcome: Outcome) -> None:
        """Charges and counts an attempt without a committed answer, and adds it to the trail."""
        self.failed = (provider, outcome.reason)
        provider.tally.failed(outcome.reason, outcome.status, self.terms.wall())
        self.charges.failed(provider, permit, outcome)
        seconds, until = cooldown(provider, self._now(), self.terms.wall)
        self.trail.steps.append(
            Step(provider.name, outcome.reason, outcome.status, seconds, until, warns=outcome.warns)
        )

    def client_disconnected(self) -> None:
        """The client did not wait: the provider has failed only if it was silent for longer than its limit."""
        self.abandoned = DISCONNECTED
        if self.under_way is not None and self._is_over_limit():
            (provider, permit), self.under_way = self.under_way, None
            self._failed(provider, permit, outcomes.TIMED_OUT)

    def _is_over_limit(self) -> bool:
        return self.limit > 0 and self._now() - self.began >= self.limit

    # A committed answer

    def _commit(self, provider: Provider, permit: Permit, result: Result) -> HeldAnswer:
        answer, outcome = result.answer, result.outcome
        assert answer is not None
        self.charges.settle_unreached()
        provider.tally.handed_on(self._now() - self.began)
        if outcome.charge is Charge.SUCCESS and self.charges.purpose.charges(outcome):
            now = self._now()
            provider.answered(permit, now)
            if outcome.status in _PREFERRED:  # for an error under a 200, the status that it stands for
                succeeded(self.route, self.charges.purpose, provider, now)
                if self.route.dialect.builds_on_answers:
                    self.route.answers.put(self.route.dialect.made_answer(answer.beginning), provider, now)
        self.committed, self.last = (provider, permit, result), None
        return self._hand_over(provider, answer, self._ended)

    def _hand_over(self, provider: Provider, answer: HeldAnswer, ended: Callable[[Ending], None]) -> HeldAnswer:
        """Gives the client the answer of `provider`."""
        self.trail.passed_over = passed_over(self.route.providers, provider, self.asked, self._now(), self.terms.wall)
        return answer.commit(provider.name, ended)

    def _ended(self, how: Ending) -> None:
        """The committed answer has ended."""
        assert self.committed is not None
        (provider, permit, result), self.committed = self.committed, None
        charged: Outcome | None = None
        if how.whole:
            charged = result.outcome
        elif how.blamed:
            charged = outcomes.CUT
        elif result.answer is not None and result.answer.silent and self._is_over_limit():
            charged = outcomes.TIMED_OUT
        self._count(provider, charged)
        self.charges.settle(provider, permit, charged)

    def _count(self, provider: Provider, outcome: Outcome | None) -> None:
        """Counts the answer that the client got; `outcome` is None where the client disconnected before its end."""
        if outcome is not None and outcome.reason:
            provider.tally.failed(outcome.reason, outcome.status, self.terms.wall())
        else:
            provider.tally.ended(DISCONNECTED if outcome is None else ANSWERED)

    # No committed answer

    def give_up(self) -> HeldAnswer | Unanswered:
        """No answer was committed: relays one that was kept, or says why no provider could answer."""
        if self.charges.reached:
            self.charges.settle_unreached()
        if self.fallback is not None:
            (provider, answer), self.fallback = self.fallback, None
            return self._hand_over(provider, answer, _charged_already)
        if self.last is not None and self._is_back_first(self.last[0]):
            (provider, answer), self.last = self.last, None
            return self._hand_over(provider, answer, _charged_already)
        return self._unanswered()

    def _is_back_first(self, provider: Provider) -> bool:
        """Whether only `provider` was asked, and no other provider may be asked before it."""
        now = self._now()
        return len(self.asked) == 1 and all(provider.wait(now) <= each.wait(now) for each in self.candidates)

    def _unanswered(self) -> Unanswered:
        """Adds the providers that were not asked to the trail, and tells the client why there is no answer."""
        now = self._now()
        for provider in self.route.providers:
            if provider not in self.asked:
                self.trail.steps.append(not_asked(provider, now, self.terms.wall))
        wait = self._wait(now)
        again = "" if wait is None else f" Please retry in {whole_seconds(wait)}s."
        message = f"No provider of {self.route.dialect.title} could answer: {self.trail}.{again}"
        return Unanswered(all(step.reason == outcomes.RATE_LIMIT for step in self.trail.steps), wait, message)

    def _wait(self, now: float) -> float | None:
        """Seconds until a provider may be asked again; None where one may be asked now.

        The last resort and a pinned provider are asked in spite of their health, so there is no wait.
        """
        if self.route.manual or last_resort(self.route.providers, now) is not None:
            return None
        return min(provider.wait(now) for provider in self.route.providers) or None

    # The end

    def release(self) -> None:
        """Ends the permits and aborts the answers that are left, however the round ended."""
        self.charges.release_unreached()
        if self.under_way is not None:
            provider, permit = self.under_way
            provider.tally.ended(self.abandoned)
            provider.release(permit, self._now())
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
    """The attempt of an answer that was kept was charged when it failed."""
