"""Reads `client_tokens` of config.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Final

from clipal.config import values as read
from clipal.config.client_token import ClientToken
from clipal.config.nodes import Mapping, Node, Scalar, Sequence
from clipal.config.problems import Problems, Severity
from clipal.config.references import References
from clipal.config.secret import Secret
from clipal.config.tables import Table

_TOKEN: Final = Table(
    {
        "name": read.name,
        "token": read.anything,
        "clients": read.several(read.text),
        "status": read.truth,
        "requests_per_minute": read.whole(1),
        "max_streams": read.whole(1),
    }
)
_HASH: Final = re.compile("sha256:([0-9a-f]{64})", re.IGNORECASE)
_SHORT: Final = 20
"""Characters: a shorter token might be guessed."""
_KNOWN: Final = "the clients are {}"


def read_client_tokens(path: Path, node: Node, clients: Iterable[str], problems: Problems) -> tuple[ClientToken, ...]:
    """The tokens, as far as they could be read; what is wrong with the others goes to `problems`.

    Parameters:
        clients: the prefixes of all clients.
    """
    if isinstance(node, Scalar) and node.value is None:
        return ()
    if not isinstance(node, Sequence):
        problems.error(path, node.line, "client_tokens", "must be a list")
        return ()
    tokens: dict[str, ClientToken] = {}
    by_digest: dict[bytes, str] = {}
    for number, item in enumerate(node.items):
        place = f"client_tokens[{number}]"
        if not isinstance(item, Mapping):
            problems.error(path, item.line, place, "must be a mapping with name and token")
            continue
        token = _token(path, place, item, frozenset(clients), References(path.parent), problems)
        if token is None:
            continue
        if token.name in tokens:
            problems.error(path, item.lines["name"], f"{place}.name", "another token has this name")
        if token.digest in by_digest:
            problem = f"is the same as that of {by_digest[token.digest]}; each needs its own"
            problems.error(path, item.lines["token"], f"{place}.token", problem)
        tokens[token.name] = token
        by_digest[token.digest] = token.name
    return tuple(tokens.values())


def _token(
    path: Path, place: str, node: Mapping, known: frozenset[str], references: References, problems: Problems
) -> ClientToken | None:
    """One token; None if something is wrong with it."""
    before = len(problems.of(Severity.ERROR))
    values = _TOKEN.read(path, place, node, problems)
    for required in ("name", "token"):
        if required not in node.items:
            problems.error(path, node.line, f"{place}.{required}", "is missing")
    clients = values.pop("clients", None)
    if clients is not None and not known.issuperset(clients):
        text = f"must be names of clients; {_KNOWN.format(', '.join(sorted(known)))}"
        problems.error(path, node.lines["clients"], f"{place}.clients", text)
    if "token" in values:
        try:
            values["digest"], values["text"] = _digest(references.key(values.pop("token")))
        except ValueError as error:
            problems.error(path, node.lines["token"], f"{place}.token", str(error))
    if len(problems.of(Severity.ERROR)) > before:
        return None
    if 0 < len(values["text"].reveal()) < _SHORT:
        hint = "make one with `clipal token new`"
        problems.warn(path, node.lines["token"], f"{place}.token", "is so short that it might be guessed", hint)
    return ClientToken(**values, clients=None if clients is None else frozenset(clients))


def _digest(found: Secret) -> tuple[bytes, Secret]:
    """The hash of a token, and the token where that is what was found."""
    if not found:
        raise ValueError("is empty; make one with `clipal token new`")
    text = found.reveal()
    if text[:7].lower() != b"sha256:":
        return sha256(text).digest(), found
    hashed = _HASH.fullmatch(text.decode("ascii"))
    if hashed is None:
        raise ValueError("must be sha256: and 64 hexadecimal digits")
    return bytes.fromhex(hashed[1]), Secret(b"")
