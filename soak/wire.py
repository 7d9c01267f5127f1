"""HTTP/1.1 for both ends of the soak, as little of it as they need; asyncio's, so that nothing of it is clipal's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from attrs import define, frozen

HeadFields = Sequence[tuple[str, str]]


@frozen
class Head:
    """The head of a request or an answer: its first line in words, and its fields by lower-case name."""

    line: list[str]
    fields: dict[str, str]


@define
class Answer:
    """What a client got; `whole` is False where its end was missing, which the client can see."""

    status: int
    body: bytes
    whole: bool


class Cut(Exception):
    """The connection ended before its time."""


async def read_head(reader: asyncio.StreamReader) -> Head:
    """The next head.

    Raises:
        Cut: there is none.
    """
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        raise Cut from None
    first, *lines = raw.decode("latin-1").rstrip("\r\n").split("\r\n")
    pairs = [line.partition(":") for line in lines]
    return Head(first.split(" ", 2), {name.lower(): value.strip() for name, _, value in pairs})


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """An answer with its body, whole or not.

    Raises:
        Cut: not even a head came.
    """
    head = await read_head(reader)
    status, body = int(head.line[1]), bytearray()
    try:
        if head.fields.get("transfer-encoding") == "chunked":
            while size := int(await reader.readuntil(b"\r\n"), 16):
                body += (await reader.readexactly(size + 2))[:-2]
            await reader.readuntil(b"\r\n")
        else:
            body += await reader.readexactly(int(head.fields.get("content-length", "0")))
    except asyncio.IncompleteReadError as error:
        return Answer(status, bytes(body) + error.partial, False)
    except (ConnectionError, ValueError):
        return Answer(status, bytes(body), False)
    return Answer(status, bytes(body), True)


def request(method: str, target: str, fields: HeadFields, body: bytes = b"") -> bytes:
    """A request with its length."""
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in fields)]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def answer(status: int, fields: HeadFields, body: bytes) -> bytes:
    """An answer with its length."""
    lines = [f"HTTP/1.1 {status} Status", *(f"{name}: {value}" for name, value in fields)]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body
