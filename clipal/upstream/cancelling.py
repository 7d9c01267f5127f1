"""One error for a cancelled attempt to connect, whichever phase it was in."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from clipal.upstream.connection import Connection


def with_cancelled_error(connecting: Deferred[Connection]) -> Deferred[Connection]:
    """A Deferred with the result of `connecting`, which fails with a CancelledError when it is cancelled.

    Twisted's endpoints fail with other errors then: HostnameEndpoint's says that the provider has no address. A
    connection that comes in spite of the cancellation is aborted.
    """

    def give_up(given_up: Deferred[Connection]) -> None:
        given_up.errback(CancelledError())
        connecting.cancel()

    def ended(result: Connection | Failure) -> None:
        if not connected.called:
            connected.callback(result)
        elif isinstance(result, Connection):
            result.abortConnection()

    connected: Deferred[Connection] = Deferred(give_up)
    connecting.addBoth(ended)
    return connected
