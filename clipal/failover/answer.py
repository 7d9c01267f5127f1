"""What comes of a request's way through the providers: an answer that is committed, or none."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen
from twisted.internet.interfaces import IProtocol

from clipal.failover.held_answer import Hold
from clipal.wire.message import Fields, ResponseHead


@frozen
class Answered:
    """A provider's answer, committed: nothing fails over any more.

    Attributes:
        ended: to be called once, when the answer has ended or the client has left.
    """

    provider: str
    answer: Hold
    ended: Callable[[Ended], None]

    @property
    def head(self) -> ResponseHead:
        """As it came."""
        return self.answer.head

    @property
    def whole(self) -> bool:
        """Whether all of it is here: then `take` its body, else `hand_on` what comes of it."""
        return self.answer.whole

    def trailers(self) -> Fields:
        """As they came, once the body is complete."""
        return self.answer.trailers

    def take(self) -> bytes:
        """A whole answer's body."""
        return self.answer.take()

    def hand_on(self, protocol: IProtocol) -> None:
        """Gives the body to `protocol`."""
        self.answer.hand_on(protocol)

    def let_go(self) -> None:
        """Nobody can take the answer after all; nobody is charged."""
        self.answer.let_go()
        self.ended(Ended(whole=False, blamed=False))


@frozen
class Ended:
    """How a committed answer ended.

    Attributes:
        whole: with all its bytes.
        blamed: broken off by the provider; False where the client left.
    """

    whole: bool
    blamed: bool


@frozen
class Unanswered:
    """Nobody could answer.

    Attributes:
        rate_limited: whether a rate limit is all that is in the way.
        wait: seconds until a provider may be asked again; None where that is now, or unknown.
        message: for the client's user.
    """

    rate_limited: bool
    wait: float | None
    message: str
