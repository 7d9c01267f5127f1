"""Failover without sockets or real time: providers are Resources behind treq.testing's agent, time is a Clock."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from attrs import define, field
from treq.content import content
from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred, fail
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IRequest, IResponse
from twisted.web.resource import Resource
from zope.interface import implementer

from clipal.config.model import BaseURL, ClientConfig, Mode, ProviderConfig
from clipal.config.settings import Settings
from clipal.dialects.dialect import Dialect
from clipal.dialects.registry import DIALECTS
from clipal.failover.failover import Failover
from clipal.failover.held_answer import HeldAnswer
from clipal.failover.trail import Ending, Trail, Unanswered
from clipal.providers.health_state import HealthPolicy
from clipal.providers.provider import Provider
from clipal.providers.route import Route
from clipal.transport.deadline import Deadline
from clipal.upstream.body import BytesBody
from clipal.upstream.errors import ConnectRefused
from clipal.upstream.provider_agent import ProviderAgent
from clipal.upstream.request import UpstreamRequest
from clipal.upstream.response import WHOLE, Response
from clipal.wire.message import ResponseHead
from clipal.wire.request_parser import RequestParser

T = TypeVar("T")
HANG = -1
"""A status that stands for no answer at all."""
REFUSED = -2
"""A status that stands for a connection that is refused."""


class Idle:
    """A connection that has nothing left to do."""

    def pauseProducing(self) -> None:
        """The whole body has come."""

    resumeProducing = stopProducing = pauseProducing


@define(eq=False)
class Stub:
    """A provider whose next answers a test sets.

    Attributes:
        keys: the key of each request that it got.
    """

    name: str
    status: int = 200
    fields: Sequence[tuple[bytes, bytes]] = ()
    body: bytes = b"answer"
    keys: list[bytes] = field(factory=list)

    def resource(self) -> Resource:
        """What answers its requests."""
        stub = self

        class Answer(Resource):
            isLeaf = True

            def render(self, request: IRequest) -> bytes:
                stub.keys.append(request.requestHeaders.getRawHeaders(b"x-api-key", [b""])[0])
                request.setResponseCode(stub.status)
                request.setHeader(b"Content-Type", b"application/json")
                for name, value in stub.fields:
                    request.responseHeaders.addRawHeader(name, value)
                return stub.body

        return Answer()


@implementer(IAgent)
class InMemoryAgent:
    """treq.testing's agent, below our client: raw fields in, our own kind of response out."""

    def __init__(self, stub: Stub) -> None:
        self._stub = stub

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        if self._stub.status == HANG:
            self._stub.keys.append(b"")
            return Deferred()
        if self._stub.status == REFUSED:
            return fail(Failure(ConnectRefused("connection refused")))
        known = Headers()
        for name, value in cast("Sequence[tuple[bytes, bytes]]", headers):
            known.addRawHeader(name, value)
        agent = RequestTraversalAgent(self._stub.resource())
        answer: Deferred[IResponse] = agent.request(method, uri, known, bodyProducer)
        answer.addCallback(self._adapt)
        agent.flush()
        return answer

    def _adapt(self, response: IResponse) -> Deferred[IResponse]:
        fields = [(name, value) for name, values in response.headers.getAllRawHeaders() for value in values]
        table = {name.lower(): value for name, value in fields}
        keys = [name.lower() for name, _ in fields]
        head = ResponseHead("1.1", fields, keys, table, True, False, response.code, b"", False, True)

        def whole(body: bytes) -> Response:
            adapted = Response(head, Idle())
            if body:
                adapted.body_received(body)
            adapted.body_ended(WHOLE)
            return adapted

        return content(response).addCallback(whole)


class Body(Protocol):
    """Takes an answer's body."""

    def __init__(self) -> None:
        self.data = b""

    def dataReceived(self, data: bytes) -> None:
        self.data += data


@define(eq=False)
class World:
    """One client's failover, its providers and its clock."""

    clock: Clock
    stubs: list[Stub]
    failover: Failover
    trail: Trail = field(factory=Trail)

    @classmethod
    def make(
        cls,
        count: int = 2,
        prefix: str = "claudecode",
        *,
        keys: int = 1,
        mode: Mode = Mode.AUTO,
        **settings: Any,
    ) -> World:
        """With `count` providers called `a`, `b` … of falling priority."""
        dialect: Dialect = next(each for each in DIALECTS if each.prefix == prefix)
        clock, values = Clock(), Settings(log_dir=Path("/nowhere"), **settings)
        breaker = values.circuit_breaker
        policy = HealthPolicy(breaker.failure_threshold, breaker.open_timeout, values.reactivate_after)
        stubs, providers = [Stub("abcdef"[number]) for number in range(count)], []
        for number, stub in enumerate(stubs):
            names = tuple(f"{stub.name}{key}" for key in range(keys))
            provider = ProviderConfig(stub.name, BaseURL("http", "127.0.0.1", 1), names, priority=number)
            upstream = ProviderAgent(clock, provider, dialect, values, InMemoryAgent(stub))
            providers.append(Provider(prefix, upstream, policy))
        route = Route(dialect, ClientConfig(Path("/nowhere"), mode=mode), providers)
        return cls(clock, stubs, Failover(route, values, clock))

    def start(
        self, method: bytes = b"POST", path: bytes = b"/v1/messages", body: bytes = b"{}", **fields: str
    ) -> Deferred[HeldAnswer | Unanswered]:
        """Begins a request; `fields` have underscores for dashes."""
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
        data = b"%b %b HTTP/1.1\r\nHost: x\r\n%b\r\n" % (method, path, lines.encode())
        head, _ = RequestParser().feed(data)
        self.trail = Trail()
        call = UpstreamRequest(head, path, None, BytesBody(body), self.failover.route.dialect.carrier)  # type: ignore[arg-type]
        deadline = Deadline(self.clock)
        answering = Deferred.fromCoroutine(self.failover.answer(call, self.trail, deadline))
        return answering.addBoth(_ended, deadline)

    def ask(self, **fields: Any) -> str:
        """Who answered a request that ends at once; `-` for nobody."""
        result = now(self.start(**fields))
        if isinstance(result, Unanswered):
            return "-"
        body = Body()
        result.hand_on(body)
        result.ended(Ending.WHOLE)
        return result.provider


def _ended(result: T, deadline: Deadline) -> T:
    deadline.close()
    return result


def now(deferred: Deferred[T]) -> T:
    """The result of a Deferred that has fired."""
    results: list[T] = []
    deferred.addCallback(results.append)
    (result,) = results
    return result
