"""Signals before the service runs, and SIGHUP after it: without a handler, they would end the process.

This module imports nothing heavy, so that a program can hold a signal before its long imports.
"""

from __future__ import annotations

import signal


class HeldSignal:
    """A handler that remembers its signal.

    Attributes:
        received: whether the signal came.
    """

    def __init__(self) -> None:
        self.received = False

    def __call__(self, number: int, frame: object) -> None:
        self.received = True


def hold_signal(name: str) -> None:
    """Remembers the signal, which would end the process; an existing handler stays.

    `clipal.process.signals` takes over once the reactor runs.
    """
    number = getattr(signal, name, None)  # Windows lacks SIGHUP
    if number is not None and signal.getsignal(number) is signal.SIG_DFL:
        signal.signal(number, HeldSignal())


def ignore_user_signals(*names: str) -> None:
    """Ignores SIGUSR1 and SIGUSR2, or the signals with these names; an existing handler stays."""
    for name in names or ("SIGUSR1", "SIGUSR2"):
        number = getattr(signal, name, None)  # Windows lacks them
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.SIG_IGN)


def ignore_hangup() -> None:
    """Ignores SIGHUP until the process has ended; Python removes its own handlers a little earlier."""
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
