"""Signals before the service runs and after it: without a handler, they would end the process.

This module imports nothing heavy, so that a program can hold the signal before its long imports.
"""

from __future__ import annotations

import signal
from typing import Final

HANGUP: Final[int | None] = getattr(signal, "SIGHUP", None)
"""The number of SIGHUP; None on Windows, which lacks it."""


class HeldHangup:
    """A handler that remembers a SIGHUP.

    Attributes:
        received: whether a SIGHUP came.
    """

    def __init__(self) -> None:
        self.received = False

    def __call__(self, number: int, frame: object) -> None:
        self.received = True


def hold_hangup() -> None:
    """Remembers a SIGHUP, which would end the process. To be called as early as possible by a program that serves.

    An existing handler stays. `clipal.process.signals` takes over once the reactor runs.
    """
    if HANGUP is not None and signal.getsignal(HANGUP) is signal.SIG_DFL:
        signal.signal(HANGUP, HeldHangup())


def ignore_user_signals(*names: str) -> None:
    """Ignores SIGUSR1 and SIGUSR2, or the signals with these names; an existing handler stays."""
    for name in names or ("SIGUSR1", "SIGUSR2"):
        number = getattr(signal, name, None)  # Windows lacks them
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.SIG_IGN)


def ignore_hangup() -> None:
    """Ignores SIGHUP until the process has ended; Python removes its own handlers a little earlier."""
    if HANGUP is not None:
        signal.signal(HANGUP, signal.SIG_IGN)
