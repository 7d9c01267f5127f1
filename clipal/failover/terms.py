"""What attempts have in common: all those of a route, and all those of one request."""

from __future__ import annotations

import time
from collections.abc import Callable

from attrs import define, frozen
from twisted.internet.interfaces import IReactorTime

from clipal.config.settings import FirstEventMode
from clipal.dialects.dialect import Dialect
from clipal.failover.trail import Trail
from clipal.providers.selection import Purpose
from clipal.transport.deadline import Deadline
from clipal.upstream.request import UpstreamRequest


@frozen
class RouteTerms:
    """What all attempts of a route have in common.

    Attributes:
        first_event: whether a stream is held until an event decides.
        event_time: seconds from the first byte on, after which a stream is handed on anyway; 0 for no limit.
        judge: False to commit every answer, whatever it says.
        wall: a clock that tells the seconds since the epoch.
    """

    dialect: Dialect
    clock: IReactorTime
    first_event: FirstEventMode
    event_time: float
    judge: bool = True
    wall: Callable[[], float] = time.time


@define(eq=False)  # not frozen, because that doubles the cost of making one
class RequestTerms:
    """What all attempts of one request have in common.

    Attributes:
        purpose: of the request; it says which outcomes are charged.
        streams: whether the request asks for a stream, or opens a WebSocket.
        limit: seconds until the first byte of an answer's body; 0 for no limit. Where `event_time` is 0, the limit
            applies between the events of a stream's preamble, too.
        deadline: for that byte.
        trail: of the request.
    """

    route: RouteTerms
    request: UpstreamRequest
    purpose: Purpose
    streams: bool
    limit: float
    deadline: Deadline
    trail: Trail
