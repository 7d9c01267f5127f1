"""A program at a terminal of its own, at which a test types and reads."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.wirekit.process import PYTHON

_LEADER = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
"""Ctrl-C reaches only a program whose terminal it is."""


class Terminal:
    """A terminal with a program in it; POSIX only.

    Attributes:
        read: all that it has shown so far.
    """

    def __init__(self, command: Sequence[str], env: Mapping[str, str], cwd: Path | None = None) -> None:
        self.read = b""
        self._ours, theirs = os.openpty()
        self.program = subprocess.Popen(
            [PYTHON, "-c", _LEADER, *command],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env=env,
            cwd=cwd,
        )
        os.close(theirs)

    def until(self, text: bytes) -> bytes:
        """Reads until `text` has been shown once more; returns what was shown meanwhile."""
        ends = time.monotonic() + 60
        seen = len(self.read)
        while text not in self.read[seen:]:
            assert select.select([self._ours], [], [], max(0, ends - time.monotonic()))[0], self.read.decode()
            try:
                self.read += os.read(self._ours, 65536)
            except OSError:  # the end of a terminal
                break
        return self.read[seen:]

    def type(self, text: bytes) -> None:
        """Types it."""
        os.write(self._ours, text)

    def interrupt(self) -> int:
        """Presses Ctrl-C until the program has ended; returns its status.

        A signal that comes just before Python waits for input is noticed only when something else comes.
        """
        for _ in range(60):
            self.type(b"\x03")
            try:
                return self.program.wait(1)
            except subprocess.TimeoutExpired:
                continue
        raise AssertionError(self.read.decode())

    def close(self) -> None:
        """Ends the program if it still runs."""
        os.close(self._ours)
        self.program.kill()
        self.program.wait()
