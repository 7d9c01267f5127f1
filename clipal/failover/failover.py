"""Answers the requests of one client: asks one provider after another, until one has answered or all have failed."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.interfaces import IReactorTime

from clipal.config.settings import Settings
from clipal.failover.held_answer import HeldAnswer
from clipal.failover.round import Round
from clipal.failover.terms import RequestTerms, RouteTerms
from clipal.failover.trail import Step, Trail, Unanswered
from clipal.providers.route import Route
from clipal.providers.selection import Purpose, candidates, purpose_of
from clipal.transport.deadline import Deadline
from clipal.upstream.model_names import with_model
from clipal.upstream.request import UpstreamRequest


class Failover:
    """What the requests of one client share. Each request is a `Round`."""

    def __init__(self, route: Route, settings: Settings, clock: IReactorTime) -> None:
        self.route = route
        self.settings = settings
        self.idle_timeout = settings.upstream_idle_timeout
        self._clock = clock
        event_time = settings.first_event_timeout
        if event_time is None:
            event_time = route.dialect.first_event_timeout
        self._terms = RouteTerms(route.dialect, clock, settings.first_event, event_time, judge=not route.manual)

    def answer(
        self, request: UpstreamRequest, trail: Trail, deadline: Deadline
    ) -> Coroutine[Any, Any, HeldAnswer | Unanswered]:
        """Asks the providers in order, each at most once.

        Parameters:
            trail: gets a step for each attempt that fails.
            deadline: for the attempts, one after another; nothing else may use it meanwhile.

        Cancelling the coroutine's Deferred aborts the connection to the provider that is being asked.
        """
        route = self.route
        trail.pinned = route.manual
        if route.concerns_models or not route.providers:
            return self._answer_by_model(request, trail, deadline)
        return self._round(route, request, trail, deadline).run()

    async def _answer_by_model(
        self, request: UpstreamRequest, trail: Trail, deadline: Deadline
    ) -> HeldAnswer | Unanswered:
        """Asks the providers that serve the model of `request`; none may be set up at all."""
        route = self.route
        if not route.providers:
            title, file = route.dialect.title, route.dialect.config_file
            return Unanswered(False, None, f"No provider is set up for {title}: add one to {file}.")
        request = await with_model(request, route.dialect, self._clock)
        if request.model is not None:
            route = route.serving(request.model.name)
            if not route.providers:
                return self._unserved(request.model.name, trail)
        return await self._round(route, request, trail, deadline).run()

    def _round(self, route: Route, request: UpstreamRequest, trail: Trail, deadline: Deadline) -> Round:
        now = self._clock.seconds
        purpose = purpose_of(request, route, self.settings)
        order = candidates(route, purpose, self.settings, now())
        if request.opens_websocket:
            order = [provider for provider in order if provider.upstream.provider.takes_websockets]
        return Round(route, order, self._request_terms(request, purpose, trail, deadline), now)

    def _request_terms(
        self, request: UpstreamRequest, purpose: Purpose, trail: Trail, deadline: Deadline
    ) -> RequestTerms:
        dialect, settings, table = self.route.dialect, self.settings, request.head.table
        streams = request.opens_websocket or dialect.asks_for_stream(
            request.path, request.query or b"", table, request.body.ends
        )
        limit = settings.response_header_timeout if streams else settings.nonstreaming_timeout
        if limit is None:
            limits = dialect.time_limits(table)
            limit = limits.stream if streams else limits.whole
        return RequestTerms(self._terms, request, purpose, streams, limit, deadline, trail)

    def _unserved(self, model: str, trail: Trail) -> Unanswered:
        """No provider serves the model, so none was asked."""
        for provider in self.route.providers:
            trail.steps.append(Step(provider.name, "does not serve the model"))
        title, file = self.route.dialect.title, self.route.dialect.config_file
        message = f'No provider of {title} serves the model "{model}" ({trail}): see serves in {file}.'
        return Unanswered(False, None, message)
