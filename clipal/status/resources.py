"""`/status` and `/metrics` as Resources, and who may see them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TypeAlias

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource

from clipal.dialects.dialect import compact_json
from clipal.downstream.admission import is_loopback
from clipal.status.metrics import CONTENT_TYPE

_TRACES: Final = (b"Forwarded", b"Via", b"X-Forwarded-For", b"X-Forwarded-Host", b"X-Forwarded-Proto", b"X-Real-IP")
"""Fields that a proxy adds: its own address is no sign of where the request came from."""
_FORBIDDEN: Final = (
    "This page is for requests from this machine that came through no proxy, and for tokens with status: true."
)

UNKNOWN: Final = 404, "Nothing is served at this path. The pages are /status and /metrics."


Refused: TypeAlias = Callable[[IRequest, int, str], None]
"""Told of each request that gets no page, with the status and the message."""


class Access(Protocol):
    """Who may see a page."""

    def refusal(self, request: IRequest) -> tuple[int, str] | None:
        """The status and the message for a request that may not; None for one that may."""


class LocalAccess:
    """The rule of the port that clients use: this machine without a proxy, or a token that allows it.

    Parameters:
        has_token: whether a request bears such a token.
    """

    def __init__(self, has_token: Callable[[IRequest], bool] | None = None) -> None:
        self._has_token = has_token

    def refusal(self, request: IRequest) -> tuple[int, str] | None:
        """See Access."""
        if _is_local(request) or (self._has_token is not None and self._has_token(request)):
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
            refusal = UNKNOWN
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


def _is_local(request: IRequest) -> bool:
    if any(request.requestHeaders.hasHeader(name) for name in _TRACES):
        return False
    peer = request.getClientAddress()
    return isinstance(peer, UNIXAddress) or (isinstance(peer, IPv4Address | IPv6Address) and is_loopback(peer.host))
