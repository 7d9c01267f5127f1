"""The items that a parser returns: a head, the end of a message, a message that is not accepted."""

from __future__ import annotations

from typing import Final, Literal, final

from attrs import define, frozen

Fields = list[tuple[bytes, bytes]]
"""Header fields as they stand on the wire: names with their own case, in order, duplicates too."""


@final
class End:
    """The type of `END`."""

    __slots__ = ()

    def __repr__(self) -> Literal["END"]:
        return "END"


END: Final = End()
"""The message is complete."""


@frozen
class BadMessage:
    """A message that is not accepted.

    Attributes:
        status: the status code that says so to a client (RFC 9110, 15.5 and 15.6); without meaning for an answer.
        problem: which rule was broken. It contains nothing of what was received.
    """

    status: int
    problem: str


@define(eq=False, slots=True)
class Head:
    """What the heads of requests and answers have in common. The repr shows no field: they hold keys and tokens.

    Attributes:
        version: `1.1` or `1.0`.
        fields: as they came; optional white space around a value is not part of it (RFC 9110, 5.5).
        keys: the lower-case names, one for each of `fields`.
        table: the last value of each name, by its lower-case name.
        keep_alive: whether the sender allows another message on the connection (RFC 9112, 9.3).
        chunked: whether the body is framed by chunks.
    """

    version: str
    fields: Fields
    keys: list[bytes]
    table: dict[bytes, bytes]
    keep_alive: bool
    chunked: bool

    @property
    def content_length(self) -> int | None:
        """The body's announced length in bytes; llhttp has checked its digits."""
        value = self.table.get(b"content-length")
        return None if value is None else int(value)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} with {len(self.fields)} fields>"


@define(eq=False, slots=True, repr=False)
class RequestHead(Head):
    """A request's first line and header section.

    Attributes:
        target: raw, as it came.
        upgrade: whether the client asks for an upgrade (Connection: upgrade beside Upgrade, or CONNECT).
    """

    method: bytes
    target: bytes
    upgrade: bool

    def forget_fields(self) -> None:
        """Frees the fields, among them the client's credentials, when nothing will be decided by them any more."""
        self.fields.clear()
        self.keys.clear()
        self.table.clear()


@define(eq=False, slots=True, repr=False)
class ResponseHead(Head):
    """A final answer's status line and header section.

    Attributes:
        until_close: whether nothing but the end of the connection ends the body (RFC 9112, 6.3, rule 8).
        has_body: False for what answers HEAD and for 204 and 304, whatever their fields say (RFC 9112, 6.3, rule 1).
    """

    status: int
    reason: bytes
    until_close: bool
    has_body: bool


RequestItem = RequestHead | bytes | End | BadMessage
ResponseItem = ResponseHead | bytes | End | BadMessage
