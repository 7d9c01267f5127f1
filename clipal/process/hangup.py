"""Signals while nobody can act on them yet, or any more: without a handler, the system would end the process.

Imports nothing heavy, so that a program can hold the signal before it imports what takes long.
"""

from __future__ import annotations

import signal
from typing import Final

HANGUP: Final[int | None] = getattr(signal, "SIGHUP", None)
"""Its number; None on Windows, which has none."""


class HeldHangup:
    """The handler of a SIGHUP that is remembered.

    Attributes:
        received: whether there was one.
    """

    def __init__(self) -> None:
        self.received = False

    def __call__(self, number: int, frame: object) -> None:
        self.received = True


def hold_hangup() -> None:
    """Lets SIGHUP end this process no more. To be called by a program that serves, as early as it can.

    A handler that is there already stays. `clipal.process.signals` takes over once the reactor runs.
    """
    if HANGUP is not None and signal.getsignal(HANGUP) is signal.SIG_DFL:
        signal.signal(HANGUP, HeldHangup())


def ignore_user_signals(*names: str) -> None:
    """Lets SIGUSR1 and SIGUSR2 do nothing until somebody wants them; a handler that is there already stays."""
    for name in names or ("SIGUSR1", "SIGUSR2"):
        number = getattr(signal, name, None)  # Windows has none
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.SIG_IGN)


def ignore_hangup() -> None:
    """Lets SIGHUP do nothing, to the very end: Python takes its own handlers away before the process is gone."""
    if HANGUP is not None:
        signal.signal(HANGUP, signal.SIG_IGN)
