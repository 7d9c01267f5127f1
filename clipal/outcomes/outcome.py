"""What an attempt came to: relay the answer or ask the next provider, and what the provider is charged.

`clipal.outcomes.classification` makes an outcome of an answer. The reasons are clipal's own words: what a provider
wrote is not repeated, because it may contain the key.
"""

from __future__ import annotations

from enum import Enum
from functools import cache
from typing import Final

from attrs import frozen

RATE_LIMIT: Final = "rate limit"


class Action(Enum):
    """What becomes of the request."""

    RELAY = "relay"
    NEXT = "next"


class Charge(Enum):
    """What is charged to the provider, or to its key."""

    SUCCESS = "success"
    NEUTRAL = "neutral"
    FAILURE = "failure"
    COOLDOWN = "cooldown"
    DEACTIVATE = "deactivate"


@frozen
class Outcome:
    """How an attempt ended.

    Attributes:
        reason: in an operator's words; empty for an answer that is relayed.
        status: the answer's, or the one that its first event stands for; None without an answer.
        wait: seconds of cooldown that the provider asks for; None where it asks for none.
        network: whether no connection was made, or none lasted until an answer began. Perhaps clipal's own network is
            down.
        of_key: whether the charge concerns the key that was used, and not the provider as a whole.
        fallback: whether the answer is relayed if no other provider answers.
        warns: whether the operator should look: a TLS failure, or a timeout.
    """

    action: Action
    charge: Charge
    reason: str = ""
    status: int | None = None
    wait: float | None = None
    network: bool = False
    of_key: bool = False
    fallback: bool = False
    warns: bool = False


TIMED_OUT: Final = Outcome(Action.NEXT, Charge.FAILURE, "no answer in time", warns=True)
CONNECT_TIMEOUT: Final = Outcome(Action.NEXT, Charge.FAILURE, "connection timed out", network=True, warns=True)
BROKEN_ANSWER: Final = Outcome(Action.NEXT, Charge.FAILURE, "broken answer")
NO_WEBSOCKET: Final = Outcome(Action.NEXT, Charge.NEUTRAL, "no WebSocket")
EMPTY_ANSWER: Final = Outcome(Action.NEXT, Charge.FAILURE, "empty answer", status=200)
PAGE_FOR_ANSWER: Final = Outcome(Action.NEXT, Charge.FAILURE, "a page in place of an answer", status=502)
"""HTML in place of an answer of the API."""
CUT: Final = Outcome(Action.RELAY, Charge.FAILURE, "answer broken off")


def network(reason: str, *, warns: bool = False) -> Outcome:
    """No connection was made, or it was lost before the head of an answer."""
    return Outcome(Action.NEXT, Charge.FAILURE, reason, network=True, warns=warns)


def forward_proxy_failed(reason: str) -> Outcome:
    """A forward proxy made no connection: no provider is charged, and clipal's own network may be down."""
    return Outcome(Action.NEXT, Charge.NEUTRAL, reason, network=True)


@cache  # a status has three digits
def relayed(status: int) -> Outcome:
    """An answer with this status that is relayed."""
    return Outcome(Action.RELAY, Charge.SUCCESS, status=status)
