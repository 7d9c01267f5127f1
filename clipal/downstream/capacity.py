"""Bounds what clients take at the same time: connections, of all together and from one address, and memory for bodies.

A few spare connections beyond a limit serve `/health` and `/status`, so that monitoring sees that clipal is full. Any
other request on a spare connection gets a 503. When the spare connections are taken too, a new connection gets a 503 at
once.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final, Protocol

from attrs import define, field

from clipal.config.settings import Settings
from clipal.downstream.admission import Refusal

SPARE: Final = 16
"""Spare connections beyond a limit."""
UNIX: Final = "unix"
"""Stands for the address of every client on a UNIX socket."""
NO_ADDRESS: Final = "unknown"
"""Stands for an address that a header of the PROXY protocol will tell."""

FULL: Final = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "Too many connections (max_connections, max_connections_per_address). Please retry in 1s.",
    "connections",
    retry_after=1,
)


@define(eq=False)
class _Places:
    """The connections that count against one limit.

    Attributes:
        ordinary: how many are within the limit.
        beyond: the spare connections, the oldest first.
    """

    ordinary: int = 0
    beyond: dict[object, None] = field(factory=dict)

    def has_room(self, limit: int) -> bool:
        return not limit or self.ordinary < limit or len(self.beyond) < SPARE

    def add(self, connection: object, limit: int) -> None:
        if limit and self.ordinary >= limit:
            self.beyond[connection] = None
        else:
            self.ordinary += 1

    def discard(self, connection: object, limit: int) -> None:
        if connection in self.beyond:
            del self.beyond[connection]
            return
        self.ordinary -= 1
        self.move_up(limit)

    def move_up(self, limit: int) -> None:
        """Makes spare connections ordinary ones, as far as the limit allows."""
        while self.beyond and (not limit or self.ordinary < limit):
            del self.beyond[next(iter(self.beyond))]
            self.ordinary += 1


class Capacity:
    """Counts connections against `max_connections` and `max_connections_per_address`; a limit of 0 is none.

    Attributes:
        spare: the connections that came as spare ones; `is_beyond` tells which of them still are.
    """

    def __init__(self, settings: Settings) -> None:
        self._all = _Places()
        self._by_address: dict[str, _Places] = {}
        self._addresses: dict[object, str] = {}
        self.spare: set[object] = set()
        self._limit, self._limit_of_address = settings.max_connections, settings.max_connections_per_address

    def follow(self, settings: Settings) -> None:
        """Takes new limits; no connection is closed for them."""
        self._limit, self._limit_of_address = settings.max_connections, settings.max_connections_per_address
        self._all.move_up(self._limit)
        for address, places in self._by_address.items():
            places.move_up(self._limit_of(address))

    def add(self, connection: object, address: str) -> bool:
        """Counts a connection from `address`; False where there is no room for it, not even beyond the limits."""
        places = self._by_address.get(address) or _Places()
        limit = self._limit_of(address)
        if not (self._all.has_room(self._limit) and places.has_room(limit)):
            return False
        self._by_address[address] = places
        self._addresses[connection] = address
        self._all.add(connection, self._limit)
        places.add(connection, limit)
        if self.is_beyond(connection):
            self.spare.add(connection)
        return True

    def discard(self, connection: object) -> None:
        """Ends the count of a connection that is lost."""
        address = self._addresses.pop(connection, None)
        if address is None:
            return
        self.spare.discard(connection)
        self._all.discard(connection, self._limit)
        places = self._by_address[address]
        places.discard(connection, self._limit_of(address))
        if not places.ordinary and not places.beyond:
            del self._by_address[address]

    def is_beyond(self, connection: object) -> bool:
        """Whether a connection is a spare one, beyond either limit."""
        if connection in self._all.beyond:
            return True
        address = self._addresses.get(connection)
        return address is not None and connection in self._by_address[address].beyond

    def _limit_of(self, address: str) -> int:
        return 0 if address in (UNIX, NO_ADDRESS) else self._limit_of_address


class Holder(Protocol):
    """A request with a body that is counted.

    Attributes:
        held: bytes that are counted for it.
    """

    held: int


class Bodies:
    """Counts the bodies that are kept so that they can be sent again.

    A body of a declared length is counted whole when its head is let in, because the client will send it. A chunked
    body is counted as it comes.

    Attributes:
        held: the bytes of all of them.
    """

    def __init__(self) -> None:
        self.held = 0

    def hold(self, holder: Holder, length: int, limit: int) -> bool:
        """Counts `length` more bytes for `holder`; False, without counting them, if the sum would be over `limit`."""
        if self.held + length > limit:
            return False
        self.held += length
        holder.held += length
        return True

    def release(self, holder: Holder) -> None:
        """Ends the count of `holder`."""
        self.held -= holder.held
        holder.held = 0
