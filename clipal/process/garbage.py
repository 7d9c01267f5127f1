"""Settings of Python's cyclic garbage collector for a server.

Objects that exist when serving begins stay until the process ends, so the collector need not search them. A request
leaves no cycles behind, so the collector need not run often ("What brought it" in docs/performance.md).
"""

from __future__ import annotations

import gc
from typing import Final

from twisted.internet.interfaces import IReactorCore

_YOUNG: Final = 10_000
"""After so many new objects the collector searches the youngest generation; CPython's default is 700."""


def spare_what_stays(reactor: IReactorCore) -> None:
    """Sets the collector up when `reactor` begins to run.

    Where the reactor runs already, the process belongs to another program, and its collector is left alone.
    """
    if not reactor.running:
        reactor.callWhenRunning(_set_up)


def _set_up() -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 10, 10)
