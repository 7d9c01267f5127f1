"""What a key's value may be: one small function for each kind. They take a node and give a value, or say what is wrong.

A ValueError's text says what is expected and never repeats what was found.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

from clipal.config.addresses import plain_address
from clipal.config.base_url import parse_base_url
from clipal.config.duration import parse_duration
from clipal.config.endpoint import Endpoint, parse_endpoint
from clipal.config.model import BaseURL
from clipal.config.nodes import Mapping, Node, Scalar, Sequence

E = TypeVar("E", bound=Enum)
Reader: TypeAlias = Callable[[Node], Any]

_LAST_PORT: Final = 65535
_MOST_WORKERS: Final = 256


def text(node: Node) -> str:
    """Text; what YAML takes for a number or a truth value is no text without quotes."""
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        raise ValueError("must be text; put it in quotes")
    return node.text


def workers(node: Node) -> int:
    """A number of processes; `auto` for one on each core that this process may use. Windows has one in any case."""
    alone = sys.platform == "win32"  # Twisted gives no child a socket there
    if isinstance(node, Scalar) and node.value == "auto":
        return 1 if alone else _usable_cores()
    try:
        number: int = whole(1, _MOST_WORKERS)(node)
    except ValueError:
        raise ValueError(f"must be auto, or a whole number from 1 to {_MOST_WORKERS}") from None
    if alone and number > 1:
        raise ValueError("must be 1 on Windows, where processes cannot share what they listen on")
    return number


def _usable_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return min(_MOST_WORKERS, len(os.sched_getaffinity(0)))
    return min(_MOST_WORKERS, os.cpu_count() or 1)


def directory(node: Node) -> Path | None:
    """A directory, `~` expanded; None for an empty text."""
    found = text(node).strip()
    if not found.isprintable():
        raise ValueError("must be a path of printable characters")
    try:
        return Path(found).expanduser() if found else None
    except RuntimeError:
        raise ValueError("must not begin with the ~ of a user who has no home directory") from None


def truth(node: Node) -> bool:
    """`true` or `false`."""
    value = node.value if isinstance(node, Scalar) else None
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def whole(least: int, most: int | None = None) -> Reader:
    """A whole number between `least` and `most`."""
    bounds = f"of at least {least}" if most is None else f"from {least} to {most}"

    def read(node: Node) -> int:
        value = node.value if isinstance(node, Scalar) else None
        if (
            not isinstance(value, int)
            or isinstance(value, bool)
            or value < least
            or (most is not None and value > most)
        ):
            raise ValueError(f"must be a whole number {bounds}")
        return value

    return read


def priority(node: Node) -> int:
    """A provider's priority; 0 stands for the default, as in the original."""
    number: int = whole(-(2**31), 2**31)(node)
    return number or 1


def duration(node: Node) -> float:
    """`1h30m`, `250ms`, or 0; seconds."""
    if not isinstance(node, Scalar):
        raise ValueError("must be a duration, as in 30s")
    return parse_duration(node.text.strip())


def one_of(choices: type[E]) -> Reader:
    """One of the values of an enumeration, in quotes or not: YAML takes a bare `on` for true, but its text is `on`."""
    names = ", ".join(str(choice.value) for choice in choices)

    def read(node: Node) -> E:
        found = node.text.lower() if isinstance(node, Scalar) else None
        for choice in choices:
            if choice.value == found:
                return choice
        raise ValueError(f"must be one of {names}")

    return read


def listen_address(node: Node) -> str:
    """An IP address of this machine, or `localhost`."""
    return check_listen_address(text(node))


def check_listen_address(address: str) -> str:
    """`address`, if one can listen on it; `localhost` is 127.0.0.1."""
    if address.lower() == "localhost":
        return "127.0.0.1"
    try:
        return str(plain_address(address.strip("[]")))
    except ValueError:
        raise ValueError("must be an IP address, such as 127.0.0.1, or localhost") from None


def endpoints(node: Node) -> tuple[Endpoint, ...]:
    """A list of endpoint strings, or one."""
    if isinstance(node, Scalar):
        return (parse_endpoint(text(node).strip()),)
    found: tuple[Endpoint, ...] = several(lambda each: parse_endpoint(text(each).strip()))(node)
    if not found:
        raise ValueError("must be a list of at least one endpoint string, such as tcp:3333:interface=127.0.0.1")
    return found


def file(node: Node) -> Path:
    """The path of a file."""
    found = text(node).strip()
    if not found or not found.isprintable():
        raise ValueError("must be the path of a file")
    return Path(found).expanduser()


def status_address(node: Node) -> tuple[str, int] | Path:
    """`127.0.0.1:9333`, `[::1]:9333` or `unix:PATH`."""
    found = text(node).strip()
    scheme, mark, rest = found.partition(":")
    if scheme == "unix" and mark:
        if not rest or not rest.isprintable():
            raise ValueError("must be unix: and the path of a socket")
        return Path(rest).expanduser()
    host, mark, port = found.rpartition(":")
    if not mark or not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) <= _LAST_PORT:
        raise ValueError("must be an address and a port, such as 127.0.0.1:9333, or unix: and the path of a socket")
    return check_listen_address(host), int(port)


def base_url(node: Node) -> BaseURL:
    """A provider's URL."""
    return parse_base_url(text(node).strip())


def name(node: Node) -> str:
    """A provider's name."""
    found = text(node).strip()
    if not found or len(found) > 100 or not found.isprintable():
        raise ValueError("must be a name of 1 to 100 printable characters")
    return found


def several(reader: Reader) -> Reader:
    """A list, each of whose items `reader` reads."""

    def read(node: Node) -> tuple[Any, ...]:
        if not isinstance(node, Sequence):
            raise ValueError("must be a list")
        return tuple(reader(item) for item in node.items)

    return read


def host(node: Node) -> str:
    """A host's name, without a port."""
    found = text(node).strip().lower().strip("[]")
    if not re.fullmatch(r"[a-z0-9._:-]{1,253}", found) or re.fullmatch(r"[^:]*:[0-9]*", found):
        raise ValueError("must be a host's name or address, without a port")
    return found


def origin(node: Node) -> str:
    """A web page's origin, as a browser sends it."""
    found = text(node).strip().lower().rstrip("/")
    if not re.fullmatch(r"[a-z][a-z0-9+.-]*://[\x21-\x2e\x30-\x7e]+", found):
        raise ValueError("must be an origin, such as http://localhost:8080")
    return found


def model_names(node: Node) -> dict[str, str]:
    """A provider's names of models, by the clients' names."""
    names = {key: model_name(value) for key, value in mapping(node).items.items()}
    if any("*" in key and key != "*" for key in names):
        raise ValueError('a name with a * in it; only "*" alone is allowed, for all other models')
    return names


def model_name(node: Node) -> str:
    """A model's name."""
    found = text(node).strip()
    if not found or len(found) > 256 or not found.isprintable():
        raise ValueError("must be a model's name of 1 to 256 printable characters")
    return found


def model_patterns(node: Node) -> tuple[str, ...]:
    """Patterns of models' names; at least one, because no pattern at all would switch the provider off."""
    patterns: tuple[str, ...] = several(model_name)(node)
    if not patterns:
        raise ValueError("must be a list of at least one pattern; leave it out for all models")
    return patterns


def anything(node: Node) -> Node:
    """The node itself, to be read further."""
    return node


def mapping(node: Node) -> Mapping:
    """A mapping, to be read further."""
    if not isinstance(node, Mapping):
        raise ValueError("must be a mapping of keys to values")
    return node
