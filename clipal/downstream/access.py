"""Lets requests in by where they come from and by the token that they show, and within limits.

The rules are those of the configuration in force. The counts outlive a reload: requests of a token, streams under way,
and wrong tokens by address.
"""

from __future__ import annotations

from collections import deque
from http import HTTPStatus
from typing import Final

from attrs import define, evolve, field, frozen
from twisted.internet.interfaces import IReactorTime

from clipal.config.client_token import ClientToken
from clipal.config.settings import Settings
from clipal.dialects.dialect import whole_seconds
from clipal.downstream.admission import Refusal
from clipal.downstream.peer import Peer, bears_proxy_trace
from clipal.downstream.tokens import Tokens
from clipal.downstream.wrong_tokens import WrongTokens
from clipal.wire.message import RequestHead

MINUTE: Final = 60.0
HEALTH: Final = b"health"
PAGES: Final = (HEALTH, b"status", b"metrics")
"""Pages with rules of their own (`clipal.status.resources`); `/health` is for everybody."""

_CHALLENGE: Final = ((b"WWW-Authenticate", b'Bearer realm="clipal"'),)
_NO_TOKEN: Final = Refusal(
    HTTPStatus.UNAUTHORIZED,
    "clipal needs a token here: set one that its operator has made for you as the API key of this client.",
    "no token",
    fields=_CHALLENGE,
)
_WRONG_TOKEN: Final = Refusal(
    HTTPStatus.UNAUTHORIZED, "The API key of this client is none of clipal's tokens.", "wrong token", fields=_CHALLENGE
)
_OTHER_CLIENT: Final = Refusal(HTTPStatus.FORBIDDEN, "This token is not for this client.", "token of another client")
_PROTECTED: Final = Refusal(
    HTTPStatus.FORBIDDEN,
    "clipal is in protected mode: without tokens it serves only the machine that it runs on. There are two ways out:"
    " set client_tokens in config.yaml, or protected_mode: false to serve whoever can connect.",
    "protected mode",
)
_STREAMS: Final = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "Too many requests are being answered at once (max_streams). Please retry in 1s.",
    "streams",
    retry_after=1,
)
_TOKEN_STREAMS: Final = Refusal(
    HTTPStatus.TOO_MANY_REQUESTS,
    "Too many requests with this token are being answered at once (max_streams). Please retry in 1s.",
    "streams of a token",
    retry_after=1,
)


@define(eq=False)
class TokenUse:
    """The use of one token.

    Attributes:
        open: how many of its requests are being answered.
        times: when its requests of the last minute were let in, on the reactor's clock.
        refused: how many requests that showed it were refused, by status.
    """

    open: int = 0
    times: deque[float] = field(factory=deque)
    refused: dict[int, int] = field(factory=dict)

    def wait(self, limit: int, now: float) -> float:
        """Seconds until another request is let in; 0 for now."""
        while self.times and self.times[0] <= now - MINUTE:
            self.times.popleft()
        return 0.0 if len(self.times) < limit else self.times[-limit] + MINUTE - now


@define(eq=False)
class Stream:
    """Counts one request that is being answered, until `end` is called."""

    access: ClientAccess
    use: TokenUse | None

    def end(self) -> None:
        """The request is not being answered any more."""
        self.access.open_streams -= 1
        if self.use is not None:
            self.use.open -= 1


@frozen
class AccessRules:
    """The rules of one configuration.

    Attributes:
        tokens: None where no token is needed.
        protected: whether only this machine is served.
        trusts_fields: whether a request from this machine counts as local though a field in it names a proxy. That is
            so where only this machine can connect.
        max_streams: how many requests are answered at the same time; 0 for no limit.
    """

    tokens: Tokens | None
    protected: bool
    trusts_fields: bool
    max_streams: int

    @classmethod
    def from_settings(cls, settings: Settings) -> AccessRules:
        """The rules that the configuration sets."""
        tokens = Tokens(settings.client_tokens) if settings.client_tokens else None
        protected = settings.protected_mode and tokens is None
        return cls(tokens, protected, not settings.listens_beyond_loopback, settings.max_streams)


class ClientAccess:
    """Lets requests in, or refuses them.

    Attributes:
        rules: replaced whole when the configuration is.
        open_streams: how many requests are being answered.
        uses: the use of each token, by its name.
    """

    def __init__(self, clock: IReactorTime, rules: AccessRules) -> None:
        self.rules = rules
        self.open_streams = 0
        self.uses: dict[str, TokenUse] = {}
        self._clock = clock
        self._wrong = WrongTokens(clock)

    def admitted(
        self, head: RequestHead, peer: Peer, segment: bytes, client: str | None
    ) -> ClientToken | Refusal | None:
        """The token with which a request is let in, None where it needs no token, or the refusal.

        Parameters:
            segment: the first segment of its path.
            client: the client's prefix that the segment is; None where it is none.
        """
        rules = self.rules
        if rules.tokens is None:
            if not rules.protected or (peer.here and (rules.trusts_fields or not bears_proxy_trace(head))):
                return None
            return None if segment == HEALTH else _PROTECTED
        if segment in PAGES:
            return None
        shown = rules.tokens.shown(head)
        for token in shown.tokens:
            if client is None or token.is_good_for(client):
                return token
        if shown.tokens:
            return self._refused(shown.tokens[0], _OTHER_CLIENT)
        return self._without_token(peer, wrong=shown.wrong)

    def may_see_status(self, head: RequestHead, peer: Peer) -> bool:
        """Whether a request may see `/status` and `/metrics`: it is local, or shows a token with that right."""
        if peer.here and not bears_proxy_trace(head):
            return True
        tokens = self.rules.tokens
        if tokens is None:
            return False
        shown = tokens.shown(head)
        if shown.wrong:
            self._wrong.add(peer.address)
        return any(token.status for token in shown.tokens)

    def begin(self, token: ClientToken | None) -> Stream | Refusal:
        """Counts a request that is to be answered now; refuses it where too many are being answered."""
        limit = self.rules.max_streams
        if limit and self.open_streams >= limit:
            return _STREAMS
        use = None
        if token is not None:
            use = self.uses.setdefault(token.name, TokenUse())
            refusal = self._limited(token, use)
            if refusal is not None:
                return self._refused(token, refusal)
            use.open += 1
        self.open_streams += 1
        return Stream(self, use)

    def _limited(self, token: ClientToken, use: TokenUse) -> Refusal | None:
        if token.max_streams is not None and use.open >= token.max_streams:
            return _TOKEN_STREAMS
        if token.requests_per_minute is None:
            return None
        now = self._clock.seconds()
        wait = use.wait(token.requests_per_minute, now)
        if wait > 0:
            return _too_many(
                "requests with this token in this minute (requests_per_minute)", "requests of a token", wait
            )
        use.times.append(now)
        return None

    def _without_token(self, peer: Peer, *, wrong: bool) -> Refusal:
        wait = self._wrong.wait(peer.address)
        if wait > 0:
            return _too_many("wrong tokens from this address", "wrong tokens", wait)
        if not wrong:
            return _NO_TOKEN
        self._wrong.add(peer.address)
        return _WRONG_TOKEN

    def _refused(self, token: ClientToken, refusal: Refusal) -> Refusal:
        """`refusal` with the token's name, counted for it."""
        refused, status = self.uses.setdefault(token.name, TokenUse()).refused, refusal.status.value
        refused[status] = refused.get(status, 0) + 1
        return evolve(refusal, token_name=token.name)


def _too_many(what: str, reason: str, wait: float) -> Refusal:
    seconds = whole_seconds(wait)
    return Refusal(
        HTTPStatus.TOO_MANY_REQUESTS, f"Too many {what}. Please retry in {seconds}s.", reason, retry_after=seconds
    )
