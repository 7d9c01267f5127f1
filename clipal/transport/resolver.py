"""Looks up providers' names: one look-up of a host at a time, in its own thread, shared by all that wait for it.

The system's `getaddrinfo` answers, so that /etc/hosts and the system's order count. `getaddrinfo` may hang, and a
thread cannot be stopped. So look-ups do not use the reactor's pool of ten threads: a look-up that hangs takes one
thread and delays no other host. The thread is a daemon, so the process does not wait for it at its end.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol, TypeAlias

from attrs import frozen
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IAddress, IHostnameResolver, IHostResolution, IResolutionReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

KEPT: Final = 10.0
"""Seconds for which an answer is kept: a burst of requests needs one look-up, and a changed address is soon noticed."""
_HOSTS: Final = 256
"""Answers that are kept at most."""

ResolvedAddress: TypeAlias = "tuple[Any, ...]"
"""What a socket connects to, as `getaddrinfo` says it: host, port, and for IPv6 flow and scope."""
LookUp: TypeAlias = Callable[[str], Sequence[ResolvedAddress]]


class Reactor(Protocol):
    """What the resolver needs of a reactor."""

    def seconds(self) -> float:
        """The time of a monotonic clock."""

    def callFromThread(self, f: Callable[..., Any], /, *args: object) -> None:
        """Calls `f` in the reactor's thread."""


@frozen
class _Answer:
    """The addresses of a host, as long as they are kept."""

    addresses: Sequence[ResolvedAddress]
    until: float


def system_look_up(host: str) -> Sequence[ResolvedAddress]:
    """The addresses of `host` in the system's order; blocks."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [address for *_, address in found]


def in_a_thread(work: Callable[[], None]) -> None:
    """Runs `work` in a thread for which the process does not wait."""
    threading.Thread(target=work, name="look-up", daemon=True).start()


@implementer(IHostnameResolver)
class SharedResolver:
    """Looks names up for all providers.

    Parameters:
        look_up: blocks until it has a host's addresses; raises any exception if there are none.
        start: runs a function in a thread.
    """

    def __init__(
        self,
        reactor: Reactor,
        look_up: LookUp = system_look_up,
        start: Callable[[Callable[[], None]], None] = in_a_thread,
    ) -> None:
        self._reactor = reactor
        self._look_up = look_up
        self._start = start
        self._answers: dict[str, _Answer] = {}
        self._waiting: dict[str, list[Deferred[Sequence[ResolvedAddress]]]] = {}

    def addresses(self, host: str) -> Deferred[Sequence[ResolvedAddress]]:
        """The addresses of `host`, at least one, in the system's order.

        Returns:
            a Deferred that fails with a DNSLookupError; cancelling it does not stop the look-up, for which
            others may wait.
        """
        answer = self._answers.get(host)
        if answer is not None and self._reactor.seconds() < answer.until:
            return succeed(answer.addresses)
        waiting = self._waiting.get(host)
        if waiting is None:
            waiting = self._waiting[host] = []
            try:
                self._start(lambda: self._work(host))
            except RuntimeError:  # no thread could be started
                del self._waiting[host]
                return fail(DNSLookupError("no thread for a look-up"))
        waiter: Deferred[Sequence[ResolvedAddress]] = Deferred(waiting.remove)
        waiting.append(waiter)
        return waiter

    def _work(self, host: str) -> None:
        """Looks `host` up; runs in a thread."""
        try:
            addresses = self._look_up(host)
        except Exception:  # a gaierror, or a name that no resolver takes (UnicodeError)
            addresses = ()
        with suppress(Exception):  # the reactor may have stopped
            self._reactor.callFromThread(self._found, host, addresses)

    def _found(self, host: str, addresses: Sequence[ResolvedAddress]) -> None:
        waiting = self._waiting.pop(host)
        if addresses:
            self._answers.pop(host, None)
            while len(self._answers) >= _HOSTS:
                del self._answers[next(iter(self._answers))]
            self._answers[host] = _Answer(addresses, self._reactor.seconds() + KEPT)
        for waiter in waiting[:]:
            if waiter.called:  # cancelled by an earlier waiter's callback
                continue
            if addresses:
                waiter.callback(addresses)
            else:
                waiter.errback(Failure(DNSLookupError("host name not found")))

    # IHostnameResolver, for Twisted's endpoints

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """See IHostnameResolver. Addresses that are kept are delivered before this returns."""
        wanted = tuple(addressTypes or (IPv4Address, IPv6Address))
        semantics: Final = "UDP" if transportSemantics == "UDP" else "TCP"

        def found(addresses: Sequence[ResolvedAddress]) -> None:
            for host, _, *rest in addresses:
                kind = IPv6Address if rest else IPv4Address
                if issubclass(kind, wanted):
                    resolutionReceiver.addressResolved(kind(semantics, host, portNumber, *rest))

        looking_up = self.addresses(hostName)
        resolution = _Resolution(hostName, looking_up)
        resolutionReceiver.resolutionBegan(resolution)
        looking_up.addCallback(found).addErrback(lambda failure: failure.trap(DNSLookupError))
        looking_up.addCallback(lambda _: resolutionReceiver.resolutionComplete())
        return resolution


@implementer(IHostResolution)
class _Resolution:
    """One receiver's wait for a host."""

    def __init__(self, name: str, looking_up: Deferred[Sequence[ResolvedAddress]]) -> None:
        self.name = name
        self._looking_up = looking_up

    def cancel(self) -> None:
        """Delivers nothing more to the receiver."""
        self._looking_up.addErrback(lambda _: None)
        self._looking_up.cancel()
