"""`/status` and `/metrics` as Resources, and which requests may see them."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Final, Protocol, TypeAlias, cast

from twisted.internet.defer import Deferred
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from clipal.dialects.dialect import compact_json
from clipal.downstream.access import ClientAccess
from clipal.downstream.admission import Refusal
from clipal.downstream.page import PageRequest
from clipal.status.metrics import CONTENT_TYPE

_FORBIDDEN: Final = Refusal(
    HTTPStatus.FORBIDDEN,
    "This page is for requests from this machine that came through no proxy, and for tokens with status: true.",
    "status",
)
NOT_SERVED: Final = Refusal(
    HTTPStatus.NOT_FOUND, "Nothing is served at this path. The pages are /status and /metrics.", "not found"
)


Refresh: TypeAlias = Callable[[], "Deferred[None]"]

NoteRefusal: TypeAlias = Callable[[IRequest, Refusal], None]
"""Is told of each request that gets no page."""


class Access(Protocol):
    """Decides which requests may see a page."""

    def refusal(self, request: IRequest) -> Refusal | None:
        """Why a request may not see the page; None if it may."""


class LocalAccess:
    """The rule of the clients' port: requests of this machine without a proxy, or a token that allows it.

    Parameters:
        access: knows the tokens, and which requests come from this machine.
    """

    def __init__(self, access: ClientAccess) -> None:
        self._clients = access

    def refusal(self, request: IRequest) -> Refusal | None:
        """See Access."""
        asked = cast("PageRequest", request).asked
        if self._clients.may_see_status(asked.head, asked.channel.source):
            return None
        return _FORBIDDEN


class Page(Resource):
    """One page.

    Parameters:
        render: makes the body for each request.
        note: is told of each refusal.
        refresh: gets the numbers of other processes before each request; None where there is no other process.
    """

    isLeaf = True

    def __init__(
        self,
        access: Access,
        content_type: str,
        render: Callable[[], bytes],
        note: NoteRefusal,
        refresh: Refresh | None = None,
    ) -> None:
        super().__init__()
        self._refresh = refresh
        self._access = access
        self._content_type = content_type
        self._render = render
        self._note = note

    def render_GET(self, request: IRequest) -> bytes | int:
        refusal = self._access.refusal(request)
        request.setHeader(b"Cache-Control", b"no-store")
        if refusal is None and request.postpath:
            refusal = NOT_SERVED
        if refusal is not None:
            self._note(request, refusal)
            return refuse(request, refusal)
        request.setHeader(b"Content-Type", self._content_type.encode("ascii"))
        if self._refresh is None:
            return self._render()
        self._refresh().addCallback(self._finish, request, _Presence(request))
        return NOT_DONE_YET

    def _finish(self, _: None, request: IRequest, client: _Presence) -> None:
        if client.gone:
            return
        body = self._render()
        request.setHeader(b"Content-Length", b"%d" % len(body))
        request.write(body)
        request.finish()


class _Presence:
    """Whether the client of a request has disconnected."""

    def __init__(self, request: IRequest) -> None:
        self.gone = False
        cast("PageRequest", request).notifyFinish().addErrback(self._disconnected)

    def _disconnected(self, _: object) -> None:
        self.gone = True


def refuse(request: IRequest, refusal: Refusal) -> bytes:
    """Sets the status of the answer to `request`, and returns the answer's body."""
    request.setResponseCode(refusal.status)
    request.setHeader(b"Content-Type", b"application/json")
    return compact_json({"error": {"message": refusal.message}})


def pages(
    access: Access,
    report: Callable[[], object],
    metrics: Callable[[], bytes],
    note: NoteRefusal = lambda request, refusal: None,
    refresh: Refresh | None = None,
) -> dict[bytes, Page]:
    """Both pages, by their names.

    Parameters:
        report: makes the document of `/status`.
        metrics: makes the body of `/metrics`.
        note: is told of each refusal.
        refresh: gets the numbers of other processes; None where there is no other process.
    """
    return {
        b"status": Page(access, "application/json", lambda: compact_json(report()), note, refresh),
        b"metrics": Page(access, CONTENT_TYPE, metrics, note, refresh),
    }
