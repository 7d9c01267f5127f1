"""Admits or refuses a request by its head alone, before its body is read.

A proxy that holds keys and listens on loopback is reachable by every web page that its user opens, by cross-site
requests and by DNS names that are rebound to 127.0.0.1. So a Host must be one of clipal's own names, and a page's
Origin must be allowed by the configuration. (`Sec-Fetch-Mode` is no sign of a page, because Node's fetch sends it too.)
"""

from __future__ import annotations

import re
from collections.abc import Container
from functools import lru_cache
from http import HTTPStatus

from attrs import field, frozen

from clipal.config.addresses import plain_address, plain_host
from clipal.config.model import Configuration
from clipal.config.settings import Settings
from clipal.wire.message import RequestHead
from clipal.wire.websocket import asks_for_websocket, opens_websocket

_AUTHORITY = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(?::[0-9]{0,5})?")
"""RFC 9112, 3.2 and RFC 3986, 3.2: a host and an optional port, no userinfo."""
_ABSOLUTE = re.compile(rb"(?i:(https?)://)([^/?]*)")


@frozen
class Refusal:
    """clipal's own answer in place of a provider's.

    Attributes:
        status: of the answer.
        reason: one of a few words, under which the refusal is counted.
        retry_after: whole seconds for Retry-After, or None.
        fields: further fields of the answer.
        token_name: the name of the client's token that the request showed, for the log.
    """

    status: HTTPStatus
    message: str
    reason: str
    retry_after: int | None = field(default=None, eq=False)
    fields: tuple[tuple[bytes, bytes], ...] = ()
    token_name: str | None = None

    @property
    def why(self) -> str:
        """What the log says of it: the message, and whose token it was."""
        return self.message if self.token_name is None else f"{self.message} (token: {self.token_name})"


_NO_HOST = Refusal(HTTPStatus.BAD_REQUEST, "The request needs exactly one valid Host.", "host")
_FOREIGN_HOST = Refusal(
    HTTPStatus.FORBIDDEN,
    "This Host is none of clipal's names. If it should be, add it to allowed_hosts in config.yaml.",
    "host",
)
_FOREIGN_ORIGIN = Refusal(
    HTTPStatus.FORBIDDEN,
    "clipal does not serve web pages' requests. If it should, add their Origin to allowed_origins in config.yaml.",
    "origin",
)
_FOREIGN_TARGET = Refusal(HTTPStatus.MISDIRECTED_REQUEST, "The request's target is on another server.", "target")
_CONNECT = Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "CONNECT is not served: clipal is a reverse proxy.", "method")
_TRACE = Refusal(
    HTTPStatus.METHOD_NOT_ALLOWED, "TRACE is not served: an answer to it could show a provider's key.", "method"
)
WEBSOCKET_REFUSED = Refusal(
    HTTPStatus.UPGRADE_REQUIRED, "WebSocket is not served here: send the request as a POST.", "websocket"
)
_NO_TARGET = Refusal(HTTPStatus.BAD_REQUEST, "The request's target is no path.", "target")


class Admission:
    """The admission of one configuration.

    Parameters:
        tunnelled: the prefixes of clients with a provider that speaks WebSocket.

    Attributes:
        max_body: bytes of one request's body.
        max_buffered: bytes of all bodies that are kept at the same time.
        client_idle_timeout: seconds after which the connection of a client that takes nothing of its answer is aborted;
            0 for never.
    """

    def __init__(self, settings: Settings, tunnelled: Container[bytes] = ()) -> None:
        self.max_body = settings.max_request_body_bytes
        self.max_buffered = settings.max_buffered_bytes
        self.client_idle_timeout = settings.client_idle_timeout
        self._tunnelled = tunnelled
        hosts = [endpoint.host for endpoint in settings.endpoints if endpoint.host]
        self._names = {plain_host(name) for name in (*hosts, *settings.allowed_hosts)}
        self._host_refusal = lru_cache(maxsize=256)(self._check_host)  # clients repeat their Host
        self._origins = {origin.lower().encode("ascii") for origin in settings.allowed_origins}

    @classmethod
    def from_configuration(cls, configuration: Configuration) -> Admission:
        """The admission that the configuration sets."""
        clients = configuration.clients.items()
        tunnelled = [prefix for prefix, client in clients if any(each.takes_websockets for each in client.providers)]
        return cls(configuration.settings, frozenset(prefix.encode("ascii") for prefix in tunnelled))

    def refusal(self, head: RequestHead, local_address: str) -> Refusal | None:
        """The refusal of a request, or None.

        Parameters:
            local_address: the IP address on which its connection came in, as `plain_host` spells it.
        """
        table = head.table
        if head.method == b"CONNECT":
            return _CONNECT
        if head.target.startswith(b"/"):
            refusal = self._host_refusal(table.get(b"host"), head.version, local_address)
        else:
            refusal = self._check_target(head, local_address)
        if refusal is not None:
            return refusal
        if head.method == b"TRACE":
            return _TRACE
        if b"origin" in table and table[b"origin"].lower() not in self._origins:
            return _FOREIGN_ORIGIN
        if table.get(b"sec-fetch-site", b"").lower() in (b"cross-site", b"same-site") and b"origin" not in table:
            return _FOREIGN_ORIGIN
        if b"upgrade" in table and asks_for_websocket(head) and not self.tunnels(head):
            return WEBSOCKET_REFUSED
        return self.too_large() if int(table.get(b"content-length", 0)) > self.max_body else None

    def tunnels(self, head: RequestHead) -> bool:
        """Whether a request opens a WebSocket to a client's prefix where a provider may take it."""
        return opens_websocket(head) and head.target[1:].partition(b"/")[0] in self._tunnelled

    def too_large(self) -> Refusal:
        """The refusal of a body that has more than `max_body` bytes."""
        return Refusal(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"The request's body is larger than {self.max_body} bytes.",
            "too large",
        )

    def _check_host(self, host: bytes | None, version: str, local_address: str) -> Refusal | None:
        if host is None:  # HTTP/1.0 has no Host, and no browser speaks it
            return None if version == "1.0" else _NO_HOST
        name = host_name(host)
        if name is None:
            return _NO_HOST
        return None if self._is_ours(name, local_address) else _FOREIGN_HOST

    def _check_target(self, head: RequestHead, local_address: str) -> Refusal | None:
        """An absolute target's authority counts in Host's place (RFC 9112, 3.2.2)."""
        host = head.table.get(b"host")
        if (head.version != "1.0") if host is None else (host_name(host) is None):
            return _NO_HOST
        absolute = _ABSOLUTE.match(head.target)
        if absolute is None:
            return None if head.target == b"*" and head.method == b"OPTIONS" else _NO_TARGET
        name = host_name(absolute[2])
        ours = name is not None and absolute[1].lower() == b"http" and self._is_ours(name, local_address)
        return None if ours else _FOREIGN_TARGET

    def _is_ours(self, name: str, local_address: str) -> bool:
        return name in self._names or name == local_address or is_loopback(name)


def path_of(target: bytes) -> bytes:
    """The path and query of a target that was let in; of an absolute target, the part after its authority."""
    absolute = None if target.startswith(b"/") else _ABSOLUTE.match(target)
    if absolute is None:
        return target
    rest = target[absolute.end() :]
    return rest if rest.startswith(b"/") else b"/" + rest


def first_segment(target: bytes) -> bytes:
    """The first segment of the path of a target that was let in, raw."""
    path = target if target.startswith(b"/") else path_of(target)
    return path[1:].partition(b"?")[0].partition(b"/")[0]


def host_name(authority: bytes) -> str | None:
    """The host in `authority`, as `plain_host` spells it, without port; None where it is malformed."""
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        return None
    return plain_host(match[1].decode("ascii").strip("[]"))


@lru_cache(maxsize=256)
def is_loopback(name: str) -> bool:
    """Whether `name` is a loopback address or localhost (RFC 6761, 6.3)."""
    name = name.removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return plain_address(name).is_loopback
    except ValueError:
        return False
