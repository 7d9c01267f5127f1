"""What a worker is told when it is to serve: which sockets it has inherited, and where its configuration is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import asdict, frozen

from clipal.config.endpoint import Endpoint, TLSFiles
from clipal.config.overrides import Overrides

CONTROL: Final = 3
"""The worker's descriptor of the connection to its parent."""
FIRST_LISTENER: Final = 4
"""The worker's descriptor of the first listening socket. The others follow, that of `status_listen` last."""


@frozen
class Assignment:
    """What one worker is told. Workers that start at the same time are told the same.

    Attributes:
        resets: how often an operator has asked for a fresh start.
        supervised: whether a supervisor started the parent, or it is a daemon.
        endpoints: what the inherited sockets listen on.
        has_status: whether a socket for `status_listen` is inherited, too.
    """

    resets: int
    supervised: bool
    directory: str
    overrides: Overrides
    endpoints: tuple[Endpoint, ...]
    has_status: bool

    def text(self) -> str:
        """The assignment as JSON, for a message."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def parse(cls, text: str) -> Assignment:
        """The assignment that `text` made."""
        values = json.loads(text)
        values["overrides"] = Overrides(**values["overrides"])
        values["endpoints"] = endpoints_of(values["endpoints"])
        return cls(**values)


def endpoints_of(plain: Sequence[Mapping[str, Any]]) -> tuple[Endpoint, ...]:
    """Endpoints from their values in JSON."""
    return tuple(_endpoint(each) for each in plain)


def _endpoint(plain: Mapping[str, Any]) -> Endpoint:
    values = dict(plain)
    if values["path"] is not None:
        values["path"] = Path(values["path"])
    if values["tls"] is not None:
        values["tls"] = TLSFiles(**{name: path and Path(path) for name, path in values["tls"].items()})
    return Endpoint(**values)
