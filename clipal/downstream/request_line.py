"""The line in the log that each request of a client has.

The event of the line has each value by itself, too, for a log in JSON (`clipal.logs.json_line`).
"""

from __future__ import annotations

import time
from typing import Final

from attrs import define
from twisted.logger import Logger, LogLevel

from clipal.dialects.dialect import Dialect
from clipal.dialects.token_counts import TokenCounts
from clipal.downstream.request import Request
from clipal.failover.trail import Trail

_log = Logger()  # of the module: a class's Logger is made anew for each line, and its event would keep the request
_LINE = (
    "{client} {method} {path} → {result} in {milliseconds} ms, {transferred}{spent}, "
    "attempts: {attempts}{trail}{by} [{id}]"
)
_PATH: Final = 200
"""Characters of a path that are shown."""


@define(eq=False)
class Delivery:
    """The answer that a client got.

    Attributes:
        status: of the answer; None without an answer.
        provider: the provider of the answer; None for a refusal.
        received: bytes that came from the client.
        sent: bytes of the answer's body that were sent to the client.
        first_byte: when the answer began to be sent, on the reactor's clock; None where it did not begin.
        tokens: the tokens that the answer says it cost.
    """

    status: int | None
    provider: str | None = None
    received: int = 0
    sent: int = 0
    first_byte: float | None = None
    tokens: TokenCounts | None = None


def log_request(
    request: Request,
    dialect: Dialect,
    trail: Trail,
    delivery: Delivery,
    *,
    result: str,
    transferred: str,
    warns: bool,
    now: float,
) -> None:
    """Logs `request`, which has ended.

    Parameters:
        result: status, provider and ending, in words.
        transferred: how many bytes were transferred, in words.
        warns: whether the operator should look. A request with a warning in its trail is a warning, too.
        now: on the reactor's clock.
    """
    eventful = bool(trail.steps or trail.passed_over or trail.pinned)
    began, first_byte, tokens = request.began, delivery.first_byte, delivery.tokens
    # The event that `_log.emit` makes, without its search of all levels (docs/performance.md, "What brought it").
    _log.observer(
        {
            "log_logger": _log,
            "log_level": LogLevel.warn if warns or (eventful and trail.warns) else LogLevel.info,
            "log_namespace": __name__,
            "log_source": None,
            "log_format": _LINE,
            "log_time": time.time(),
            "client": dialect.prefix,
            "method": request.method.decode("latin-1"),
            "path": shown_path(request.path[len(dialect.prefix) + 1 :]) or "/",
            "result": result,
            "milliseconds": round((now - began) * 1000),
            "transferred": transferred,
            "spent": "" if tokens is None else f", tokens: {tokens}",
            "attempts": trail.attempts,
            "trail": trail.in_brackets() if eventful else "",
            "by": "" if request.token_name is None else f", token: {request.token_name}",
            "id": request.id,
            "status": delivery.status,
            "provider": delivery.provider,
            "steps": trail.plain() if eventful else [],
            "first_byte_ms": None if first_byte is None else round((first_byte - began) * 1000),
            "bytes_in": delivery.received,
            "bytes_out": delivery.sent,
            "tokens": None if tokens is None else tokens.plain(),
            "token_name": request.token_name,
            "peer": request.peer,
        }
    )


def shown_path(path: bytes) -> str:
    """A request's path, cut after 200 characters."""
    text = path[:_PATH].decode("latin-1")
    return text if len(path) <= _PATH else text + "…"
