"""One request on its way through the providers of its route, from the first attempt to its end.

Each provider is asked at most once, and each of its keys at most once. Nothing here sleeps: a provider in cooldown is
passed over.

An outcome is charged when it is known, with one exception: an attempt that found no connection waits until another
attempt of the request reaches its provider. If every provider of a request fails on the network, clipal's own network
is down, and no provider is charged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from attrs import define, field
from twisted.internet.defer import CancelledError

from clipal.dialects.dialect import whole_seconds
from clipal.failover.attempt import Attempt
from clipal.failover.held_answer import HeldAnswer
from clipal.failover.terms import RequestTerms
from clipal.failover.trail import Ending, Step, Unanswered, cooldown, not_asked, passed_over
from clipal.outcomes import outcome as outcomes
from clipal.outcomes.outcome import Action, Charge, Outcome
from clipal.providers.provider import Provider
from clipal.providers.route import Route
from clipal.providers.selection import last_resort, succeeded
from clipal.providers.tally import ANSWERED, BUG, DISCONNECTED

_PREFERRED: Final = frozenset([101, *range(200, 300)])
"""Statuses of an answer after which its provider is preferred."""


@define(eq=False)
class Round:
    """One request.

    Attributes:
        route: its providers are asked; all of them have the model of the request.
        candidates: these providers, in the order in which they are asked.
        now: the reactor's clock.
        attempts: those that have begun, in order.
        fallback: the first attempt whose provider lacks what was asked for. Its answer is relayed if no other provider
            answers.
        relayed: the attempt whose answer the client gets; None before, and after that answer's end.
        abandoned: what an attempt that has no outcome is counted as.
    """

    route: Route
    candidates: Sequence[Provider]
    terms: RequestTerms
    now: Callable[[], float]
    attempts: list[Attempt] = field(factory=list)
    fallback: Attempt | None = None
    relayed: Attempt | None = None
    abandoned: str = BUG

    async def run(self) -> HeldAnswer | Unanswered:
        """Asks one provider after another, until one has answered or all have failed."""
        manual = self.route.manual
        try:
            for provider, force in self._in_order():
                while (attempt := self._begin(provider, force=force)) is not None:
                    outcome = await attempt.run()
                    if outcome.action is Action.RELAY or (manual and attempt.answer is not None):
                        return self._commit(attempt, outcome)
                    self._failed(attempt, outcome)
                    if not outcome.of_key:  # else the next key may do better
                        break
            return self._give_up()
        except CancelledError:
            self._client_disconnected()
            raise
        finally:
            self._release()

    # Asking

    def _in_order(self) -> Iterator[tuple[Provider, bool]]:
        """The providers that may be asked, each with whether to ask it though its health does not allow it."""
        now = self.now()
        for provider in self.candidates:
            yield provider, self.route.manual
        last = None if self.attempts else last_resort(self.candidates, now)
        if last is not None:
            yield last, True

    def _begin(self, provider: Provider, *, force: bool) -> Attempt | None:
        """An attempt with the first key of `provider` that may be used and was not tried; None for no such key."""
        now, attempts = self.now(), self.attempts
        tried = {each.permit.key for each in attempts if each.provider is provider} if attempts else ()
        permit = provider.admit(now, tried, force=force)
        if permit is None:
            return None
        if attempts:
            self._go_on_to(provider)
        provider.tally.began()
        attempt = Attempt(self.terms, provider, permit, now)
        attempts.append(attempt)
        return attempt

    def _go_on_to(self, provider: Provider) -> None:
        """Leaves the last attempt, which has failed, for one with `provider`."""
        failed = self.attempts[-1]
        if failed.provider is not provider and failed.outcome is not None:
            failed.provider.tally.failed_over(failed.outcome.reason)
        if failed is not self.fallback:
            failed.drop()

    def _failed(self, attempt: Attempt, outcome: Outcome) -> None:
        """Charges and counts an attempt without a committed answer, and adds it to the trail."""
        provider = attempt.provider
        if outcome.fallback and self.fallback is None:
            self.fallback = attempt
        provider.tally.failed(outcome.reason, outcome.status, self.terms.route.wall())
        attempt.outcome = outcome
        if not (outcome.network and self.terms.purpose.charges(outcome)):
            attempt.settle(outcome)
        seconds, until = cooldown(provider, self.now(), self.terms.route.wall)
        self.terms.trail.steps.append(
            Step(provider.name, outcome.reason, outcome.status, seconds, until, warns=outcome.warns)
        )

    def _settle_failed(self) -> None:
        """Charges the attempts that found no connection, because another attempt has reached its provider."""
        for attempt in self.attempts:
            if attempt.outcome is not None:
                attempt.settle(attempt.outcome)

    def _client_disconnected(self) -> None:
        """The client did not wait: the provider has failed only if it was silent for longer than its limit."""
        self.abandoned = DISCONNECTED
        attempt = self.attempts[-1] if self.attempts else None
        if attempt is not None and attempt.outcome is None and self._is_over_limit(attempt):
            self._failed(attempt, outcomes.TIMED_OUT)

    def _is_over_limit(self, attempt: Attempt) -> bool:
        return 0 < self.terms.limit <= self.now() - attempt.began

    # A committed answer

    def _commit(self, attempt: Attempt, outcome: Outcome) -> HeldAnswer:
        provider, now = attempt.provider, self.now()
        if len(self.attempts) > 1:
            self._settle_failed()
        provider.tally.handed_on(now - attempt.began)
        if outcome.charge is Charge.SUCCESS and self.terms.purpose.charges(outcome):
            if attempt.permit.trial:
                provider.trial_answered(attempt.permit, now)
            if outcome.status in _PREFERRED:  # for an error under a 200, the status that it stands for
                succeeded(self.route, self.terms.purpose, provider, now)
                if self.route.dialect.builds_on_answers and attempt.answer is not None:
                    made = self.route.dialect.made_answer(attempt.answer.beginning)
                    self.route.answers.put(made, provider, now)
        answer = self._hand_over(attempt, self._ended)
        attempt.outcome = outcome
        return answer

    def _hand_over(self, attempt: Attempt, ended: Callable[[Ending], None]) -> HeldAnswer:
        """Gives the client the answer of `attempt`."""
        answer, provider = attempt.answer, attempt.provider
        assert answer is not None, "only an attempt with an answer is relayed"
        if provider is not self.route.providers[0]:
            asked = self._asked()
            self.terms.trail.passed_over = passed_over(
                self.route.providers, provider, asked, self.now(), self.terms.route.wall
            )
        self.relayed = attempt
        return answer.commit(provider.name, ended)

    def _asked(self) -> set[Provider]:
        return {attempt.provider for attempt in self.attempts}

    def _ended(self, how: Ending) -> None:
        """The committed answer has ended."""
        attempt, self.relayed = self.relayed, None
        assert attempt is not None
        outcome: Outcome | None = None
        if how is Ending.WHOLE:
            outcome = attempt.outcome
        elif how.blamed:
            outcome = outcomes.CUT
        elif attempt.answer is not None and attempt.answer.silent and self._is_over_limit(attempt):
            outcome = outcomes.TIMED_OUT
        tally = attempt.provider.tally
        if outcome is None:
            tally.ended(DISCONNECTED)
        elif outcome.reason:
            tally.failed(outcome.reason, outcome.status, self.terms.route.wall())
        else:
            tally.ended(ANSWERED)
        attempt.settle(outcome)

    # No committed answer

    def _give_up(self) -> HeldAnswer | Unanswered:
        """No answer was committed: hands over an answer that was kept, or says why no provider could answer."""
        if not all(attempt.outcome is not None and attempt.outcome.network for attempt in self.attempts):
            self._settle_failed()
        if self.fallback is not None:
            return self._hand_over(self.fallback, _charged_already)
        if self.attempts and self.attempts[-1].answer is not None and self._recovers_first(self.attempts[-1].provider):
            return self._hand_over(self.attempts[-1], _charged_already)
        return self._unanswered()

    def _recovers_first(self, provider: Provider) -> bool:
        """Whether only `provider` was asked, and no candidate may be asked sooner than it may be asked again."""
        now = self.now()
        return len(self._asked()) == 1 and all(provider.wait(now) <= each.wait(now) for each in self.candidates)

    def _unanswered(self) -> Unanswered:
        """Adds the providers that were not asked to the trail, and tells the client why there is no answer."""
        now, asked = self.now(), self._asked()
        for provider in self.route.providers:
            if provider not in asked:
                self.terms.trail.steps.append(not_asked(provider, now, self.terms.route.wall))
        wait = self._wait(now)
        again = "" if wait is None else f" Please retry in {whole_seconds(wait)}s."
        message = f"No provider of {self.route.dialect.title} could answer: {self.terms.trail}.{again}"
        return Unanswered(all(step.reason == outcomes.RATE_LIMIT for step in self.terms.trail.steps), wait, message)

    def _wait(self, now: float) -> float | None:
        """Seconds until a provider may be asked again; None where one may be asked now.

        The last resort and a pinned provider are asked in spite of their health, so there is no wait.
        """
        if self.route.manual or last_resort(self.route.providers, now) is not None:
            return None
        return min(provider.wait(now) for provider in self.route.providers) or None

    # The end

    def _release(self) -> None:
        """Ends the permits and aborts the answers that are left, however the round ended."""
        for attempt in self.attempts:
            if attempt is self.relayed:
                continue
            if attempt.outcome is None:
                attempt.provider.tally.ended(self.abandoned)
            attempt.settle(None)
            attempt.drop()


def _charged_already(how: Ending) -> None:
    """Does nothing at the end of a failed attempt's answer: the attempt was charged when it failed."""
