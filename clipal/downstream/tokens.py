"""Clients' tokens: finds them in a request, and looks them up.

A token is looked up by its SHA-256 in a dictionary. The time of a look-up may tell something about the hash, but not
about the token. A client may send several credentials at once; one known token among them is enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Final
from urllib.parse import unquote_to_bytes

from attrs import frozen

from clipal.config.client_token import ClientToken
from clipal.downstream.admission import path_of
from clipal.wire.fields import CREDENTIALS, KEY_AS_PROTOCOL
from clipal.wire.message import RequestHead

_PROTOCOL: Final = b"sec-websocket-protocol"
_BEARER: Final = b"bearer "


@frozen
class Shown:
    """The tokens that a request shows.

    Attributes:
        tokens: the known ones.
        wrong: whether it shows credentials, and none is a known token.
    """

    tokens: tuple[ClientToken, ...] = ()
    wrong: bool = False


class Tokens:
    """The tokens of one configuration."""

    def __init__(self, tokens: Iterable[ClientToken]) -> None:
        self._by_digest = {token.digest: token for token in tokens}

    def shown(self, head: RequestHead) -> Shown:
        """The tokens among the credentials of a request."""
        credentials = tuple(_credentials(head))
        found = [self._by_digest.get(sha256(each).digest()) for each in credentials]
        known = tuple(token for token in found if token is not None)
        return Shown(known, wrong=bool(credentials) and not known)

    def without_tokens(self, query: bytes) -> bytes | None:
        """`query` without each `key=` that is a known token; None where nothing is left."""
        pairs = query.split(b"&")
        kept = [pair for pair in pairs if not self._is_token(pair)]
        return query if len(kept) == len(pairs) else b"&".join(kept) or None

    def _is_token(self, pair: bytes) -> bool:
        value = _key(pair)
        return value is not None and sha256(value).digest() in self._by_digest


def _credentials(head: RequestHead) -> Iterator[bytes]:
    for key, (_, value) in zip(head.keys, head.fields, strict=True):
        if key == b"authorization":
            if value[: len(_BEARER)].lower() == _BEARER:
                yield value[len(_BEARER) :].strip(b" \t")
            elif value:
                yield value
        elif key in CREDENTIALS:
            if value:
                yield value
        elif key == _PROTOCOL and KEY_AS_PROTOCOL in value.lower():
            items = (item.strip(b" \t") for item in value.split(b","))
            yield from (item[len(KEY_AS_PROTOCOL) :] for item in items if item.lower().startswith(KEY_AS_PROTOCOL))
    query = path_of(head.target).partition(b"?")[2]
    if query:
        yield from filter(None, map(_key, query.split(b"&")))


def _key(pair: bytes) -> bytes | None:
    """The value of a `key=` in a query; None for any other pair."""
    name, _, value = pair.partition(b"=")
    if name != b"key" and (b"%" not in name or unquote_to_bytes(name) != b"key"):
        return None
    return unquote_to_bytes(value)
