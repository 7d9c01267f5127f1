"""`/status` and `/metrics` as Resources, and which requests may see them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TypeAlias, cast

from twisted.internet.defer import Deferred
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from clipal.dialects.dialect import compact_json
from clipal.downstream.access import ClientAccess
from clipal.downstream.page import PageRequest
from clipal.status.metrics import CONTENT_TYPE

_FORBIDDEN: Final = (
    "This page is for requests from this machine that came through no proxy, and for tokens with status: true."
)

NOT_SERVED: Final = 404, "Nothing is served at this path. The pages are /status and /metrics."


Refresh: TypeAlias = Callable[[], "Deferred[None]"]

Refused: TypeAlias = Callable[[IRequest, int, str], None]
"""Is told of each request that gets no page, with the status and the message."""


class Access(Protocol):
    """Decides which requests may see a page."""

    def refusal(self, request: IRequest) -> tuple[int, str] | None:
        """The status and the message for a request that may not see the page; None for one that may."""


class LocalAccess:
    """The rule of the clients' port: requests of this machine without a proxy, or a token that allows it.

    Parameters:
        access: knows the tokens, and which requests come from this machine.
    """

    def __init__(self, access: ClientAccess) -> None:
        self._clients = access

    def refusal(self, request: IRequest) -> tuple[int, str] | None:
        """See Access."""
        asked = cast("PageRequest", request).asked
        if self._clients.may_see_status(asked.head, asked.channel.source):
            return None
        return 403, _FORBIDDEN


class Page(Resource):
    """One page.

    Parameters:
        render: makes the body for each request.
        refused: is told of each refusal.
        refresh: gets the numbers of other processes before each request; None where there is no other process.
    """

    isLeaf = True

    def __init__(
        self,
        access: Access,
        content_type: str,
        render: Callable[[], bytes],
        refused: Refused,
        refresh: Refresh | None = None,
    ) -> None:
        super().__init__()
        self._refresh = refresh
        self._access = access
        self._content_type = content_type
        self._render = render
        self._refused = refused

    def render_GET(self, request: IRequest) -> bytes | int:
        refusal = self._access.refusal(request)
        request.setHeader(b"Cache-Control", b"no-store")
        if refusal is None and request.postpath:
            refusal = NOT_SERVED
        if refusal is not None:
            status, message = refusal
            self._refused(request, status, message)
            return error(request, status, message)
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
    """Whether the client of a request is gone."""

    def __init__(self, request: IRequest) -> None:
        self.gone = False
        cast("PageRequest", request).notifyFinish().addErrback(self._left)

    def _left(self, _: object) -> None:
        self.gone = True


def error(request: IRequest, status: int, message: str) -> bytes:
    """Sets the status of the answer to `request`, and returns the answer's body."""
    request.setResponseCode(status)
    request.setHeader(b"Content-Type", b"application/json")
    return compact_json({"error": {"message": message}})


def pages(
    access: Access,
    report: Callable[[], object],
    metrics: Callable[[], bytes],
    refused: Refused = lambda request, status, message: None,
    refresh: Refresh | None = None,
) -> dict[bytes, Page]:
    """Both pages, by their names.

    Parameters:
        report: makes the document of `/status`.
        metrics: makes the body of `/metrics`.
        refresh: gets the numbers of other processes; None where there is no other process.
    """
    return {
        b"status": Page(access, "application/json", lambda: compact_json(report()), refused, refresh),
        b"metrics": Page(access, CONTENT_TYPE, metrics, refused, refresh),
    }
