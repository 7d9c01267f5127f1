"""`/status` and `/metrics` as Resources, and who may see them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TypeAlias, cast

from twisted.web.iweb import IRequest
from twisted.web.resource import Resource

from clipal.dialects.dialect import compact_json
from clipal.downstream.access import ClientAccess
from clipal.downstream.page import PageRequest
from clipal.status.metrics import CONTENT_TYPE

_FORBIDDEN: Final = (
    "This page is for requests from this machine that came through no proxy, and for tokens with status: true."
)

NOT_SERVED: Final = 404, "Nothing is served at this path. The pages are /status and /metrics."


Refused: TypeAlias = Callable[[IRequest, int, str], None]
"""Told of each request that gets no page, with the status and the message."""


class Access(Protocol):
    """Who may see a page."""

    def refusal(self, request: IRequest) -> tuple[int, str] | None:
        """The status and the message for a request that may not; None for one that may."""


class LocalAccess:
    """The rule of the port that clients use: this machine without a proxy, or a token that allows it.

    Parameters:
        access: knows tokens, and who is on this machine.
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
    """One of them.

    Parameters:
        render: makes it, whenever it is asked for.
    """

    isLeaf = True

    def __init__(self, access: Access, content_type: str, render: Callable[[], bytes], refused: Refused) -> None:
        super().__init__()
        self._access = access
        self._content_type = content_type
        self._render = render
        self._refused = refused

    def render_GET(self, request: IRequest) -> bytes:
        refusal = self._access.refusal(request)
        request.setHeader(b"Cache-Control", b"no-store")
        if refusal is None and request.postpath:
            refusal = NOT_SERVED
        if refusal is not None:
            status, message = refusal
            self._refused(request, status, message)
            return error(request, status, message)
        request.setHeader(b"Content-Type", self._content_type.encode("ascii"))
        return self._render()


def error(request: IRequest, status: int, message: str) -> bytes:
    """Lets `request` be answered with `status`; the body of the answer."""
    request.setResponseCode(status)
    request.setHeader(b"Content-Type", b"application/json")
    return compact_json({"error": {"message": message}})


def pages(
    access: Access,
    report: Callable[[], object],
    metrics: Callable[[], bytes],
    refused: Refused = lambda request, status, message: None,
) -> dict[bytes, Page]:
    """Both of them, by their names.

    Parameters:
        report: makes what `/status` says.
        metrics: makes what `/metrics` says.
    """
    return {
        b"status": Page(access, "application/json", lambda: compact_json(report()), refused),
        b"metrics": Page(access, CONTENT_TYPE, metrics, refused),
    }
