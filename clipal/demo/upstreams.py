"""The two upstreams of `clipal demo`: web servers on loopback, of which the first fails and the second answers.

They are ordinary resources of twisted.web, and know nothing of clipal's proxy. The kernel chooses their ports.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Final

from attrs import evolve, frozen
from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred, DeferredList, maybeDeferred
from twisted.internet.interfaces import IListeningPort, IReactorTime
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.task import deferLater
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from clipal.demo.answers import APIS, Api, Document, Said
from clipal.dialects.dialect import compact_json

PAUSE: Final = 0.03
"""Seconds between two events of an answer."""


class DemoUpstream(Resource):
    """A provider of all three APIs; a subclass decides how a prompt is answered."""

    isLeaf = True

    def render(self, request: Request) -> int | bytes:
        """Answers a prompt with `answer`, and any other request with 404."""
        if request.method == b"POST":
            for api in APIS:
                path = api.path.fullmatch(request.path)
                if path is not None:
                    assert request.content is not None
                    body = request.content.read()
                    model = path.groupdict().get("model", b"").decode("ascii", "replace") or model_in(body)
                    return self.answer(request, api, body, Said(model, int(time.time())))
        return send(request, 404, {"error": {"message": "The demo answers prompts only."}})

    def answer(self, request: Request, api: Api, body: bytes, said: Said) -> int | bytes:
        """Answers a prompt."""
        raise NotImplementedError


class Failing(DemoUpstream):
    """The first upstream."""

    def answer(self, request: Request, api: Api, body: bytes, said: Said) -> bytes:
        """Answers with the failure of `api`."""
        return send(request, api.status, api.failure)


class Answering(DemoUpstream):
    """The second upstream.

    Parameters:
        clock: measures the pauses between events.
    """

    def __init__(self, clock: IReactorTime) -> None:
        super().__init__()
        self._clock = clock

    def answer(self, request: Request, api: Api, body: bytes, said: Said) -> int | bytes:
        """Answers, with a stream if the request asks for one."""
        if api.wants_json is not None and api.wants_json.search(body):
            said = evolve(said, pieces=[api.json])
        query = request.uri.partition(b"?")[2]
        fields = {name.lower(): values[-1] for name, values in request.requestHeaders.getAllRawHeaders()}
        if not api.dialect.asks_for_stream(request.path, query, fields, body):
            return send(request, 200, api.whole(said))
        request.setHeader(b"content-type", b"text/event-stream; charset=utf-8")
        streaming = Deferred.fromCoroutine(self._stream(request, api.events(said)))
        request.notifyFinish().addErrback(lambda _: streaming.cancel())
        streaming.addErrback(lambda failure: failure.trap(CancelledError))
        return NOT_DONE_YET

    async def _stream(self, request: Request, events: Iterator[bytes]) -> None:
        for event in events:
            request.write(event)
            await deferLater(self._clock, PAUSE)
        request.finish()


def send(request: Request, status: int, document: Document) -> bytes:
    """Sets the status and the type of a JSON answer, and returns its body."""
    request.setResponseCode(status)
    request.setHeader(b"content-type", b"application/json")
    return compact_json(document)


def model_in(body: bytes) -> str:
    """The model that a request's body names, or `demo`."""
    try:
        document = json.loads(body)
    except ValueError:
        return "demo"
    model = document.get("model") if isinstance(document, dict) else None
    return model if isinstance(model, str) else "demo"


@frozen
class DemoUpstreams:
    """Both upstreams, listening."""

    ports: tuple[IListeningPort, IListeningPort]

    @classmethod
    def start(cls, reactor: PosixReactorBase) -> DemoUpstreams:
        """Starts both upstreams."""

        def listen(upstream: DemoUpstream) -> IListeningPort:
            site = Site(upstream, reactor=reactor)
            site.noisy = False
            return reactor.listenTCP(0, site, interface="127.0.0.1")  # type: ignore[no-any-return]  # Twisted's reactor has no types

        return cls((listen(Failing()), listen(Answering(reactor))))

    @property
    def base_urls(self) -> tuple[str, str]:
        """The URLs of the first upstream and the second."""
        first, second = map(_base_url, self.ports)
        return first, second

    async def stop(self) -> None:
        """Closes the ports."""
        await DeferredList([maybeDeferred(port.stopListening) for port in self.ports])


def _base_url(port: IListeningPort) -> str:
    address = port.getHost()
    assert isinstance(address, IPv4Address)
    return f"http://{address.host}:{address.port}"
