"""The cyclic garbage collector, told what a server is like.

What is there when it begins to serve stays for good, and a request leaves no cycles behind: its objects go when it
ends. So the collector need not look through the former, and seldom for the latter (docs/performance.md).
"""

from __future__ import annotations

import gc
from typing import Final

from twisted.internet.interfaces import IReactorCore

_YOUNG: Final = 10_000
"""Objects made and not yet gone after which it looks at the young ones; CPython begins with 700."""


def spare_what_stays(reactor: IReactorCore) -> None:
    """Sets the collector up when `reactor` begins to run. A process whose reactor runs already is somebody else's."""
    if not reactor.running:
        reactor.callWhenRunning(_set_up)


def _set_up() -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 10, 10)
