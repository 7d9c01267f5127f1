"""Answers the requests of one client: asks one provider after another until one has answered, or all have failed."""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime

from clipal.config.model import Settings
from clipal.failover.attempt import Terms
from clipal.failover.held_answer import HeldAnswer
from clipal.failover.round import Round
from clipal.failover.trail import Step, Trail, Unanswered
from clipal.providers.route import Route
from clipal.providers.selection import candidates, purpose_of
from clipal.transport.deadline import Deadline
from clipal.upstream.model_names import with_model
from clipal.upstream.request import UpstreamRequest


class Failover:
    """Answers the requests of one client: what they share. Each of them is a `Round`."""

    def __init__(self, route: Route, settings: Settings, clock: IReactorTime) -> None:
        self.route = route
        self.settings = settings
        self.idle_timeout = settings.upstream_idle_timeout
        self._clock = clock
        event_time = settings.first_event_timeout
        if event_time is None:
            event_time = route.dialect.first_event_timeout
        self._terms = Terms(route.dialect, clock, settings.first_event, event_time, judge=not route.manual)

    async def answer(self, call: UpstreamRequest, trail: Trail, deadline: Deadline) -> HeldAnswer | Unanswered:
        """Asks the providers in order, each at most once.

        Parameters:
            trail: is filled with what came of each attempt.
            deadline: one that nobody else uses meanwhile, for the attempts, one after another.

        Cancelling it closes the connection to the provider that is being asked.
        """
        route = self.route
        trail.pinned = route.manual
        if not route.providers:
            title, file = route.dialect.title, route.dialect.config_file
            return Unanswered(False, None, f"No provider is set up for {title}: add one to {file}.")
        if route.concerns_models:
            call = await with_model(call, route.dialect, self._clock)
            if call.model is not None:
                route = route.serving(call.model.name)
                if not route.providers:
                    return self._unserved(call.model.name, trail)
        round_ = self._round(route, call, trail, deadline)
        try:
            return await round_.ask_all() or round_.give_up()
        except CancelledError:
            round_.client_disconnected()
            raise
        finally:
            round_.release()

    def _round(self, route: Route, call: UpstreamRequest, trail: Trail, deadline: Deadline) -> Round:
        purpose = purpose_of(call, route, self.settings)
        order = candidates(route, purpose, self.settings, self._clock.seconds())
        if call.opens_websocket:
            order = [provider for provider in order if provider.upstream.provider.takes_websockets]
        return Round(route, order, call, purpose, trail, self._limit(call), deadline, self._terms)

    def _limit(self, call: UpstreamRequest) -> float:
        """Seconds until the first byte of an answer's body: a setting's, or what suits the client."""
        dialect, table = self.route.dialect, call.head.table
        if call.opens_websocket or dialect.asks_for_stream(call.path, call.query or b"", table, call.body.ends):
            limit = self.settings.response_header_timeout
            return dialect.time_limits(table).stream if limit is None else limit
        limit = self.settings.nonstreaming_timeout
        return dialect.time_limits(table).whole if limit is None else limit

    def _unserved(self, model: str, trail: Trail) -> Unanswered:
        """No provider has the model: none was asked."""
        for provider in self.route.providers:
            trail.steps.append(Step(provider.name, "does not serve the model"))
        title, file = self.route.dialect.title, self.route.dialect.config_file
        message = f'No provider of {title} serves the model "{model}" ({trail}): see serves in {file}.'
        return Unanswered(False, None, message)
