"""Standard output and standard error for a process that must not wait for their readers.

A full pipe or a terminal on hold blocks a write. `O_NONBLOCK` belongs to the open file, which a shell and its other
programs share, so it is not set on the descriptor that the process was given. Instead:

- A pipe or a terminal is opened once more, for this process alone.
- Each write to a socket (systemd's journal) says that it must not wait.
- Where the second opening fails (a terminal of another user, macOS's pipes), `poll` is asked before each piece of at
  most `PIPE_BUF` bytes, which then does not block.
"""

from __future__ import annotations

import os
import select
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeAlias

Write: TypeAlias = Callable[[bytes], int]
"""Writes as many of the bytes as go out at once, and returns their number; 0 or BlockingIOError for none."""

_PIECE: Final = 512
"""Bytes: POSIX's least PIPE_BUF."""


class UnwaitingStream:
    """Writes lines to a descriptor, whole or not at all, and never waits.

    When a part of a line has gone out, the other part goes out before the next line.

    Parameters:
        descriptor: stays the caller's.
    """

    def __init__(self, descriptor: int) -> None:
        self._rest = b""
        self._opened: int | None = None
        self._socket: socket.socket | None = None
        self._write = self._writer(descriptor)

    def write(self, line: bytes) -> bool:
        """Writes `line`: whether it was taken; False where it is dropped.

        Raises:
            OSError: the reader is gone, or the disk is full.
        """
        if self._rest:
            self._rest = self._rest[self._taken(self._rest) :]
            if self._rest:
                return False
        taken = self._taken(line)
        if taken:
            self._rest = line[taken:]
        return taken > 0

    def close(self) -> None:
        """Closes the descriptors that this stream has opened."""
        opened, self._opened = self._opened, None
        if opened is not None:
            os.close(opened)
        if self._socket is not None:
            self._socket.close()

    def _taken(self, data: bytes) -> int:
        try:
            return self._write(data)
        except BlockingIOError:
            return 0

    def _writer(self, descriptor: int) -> Write:
        mode = os.fstat(descriptor).st_mode
        if os.name != "posix" or not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)):
            return lambda data: os.write(descriptor, data)  # a file; Windows cannot be asked
        if stat.S_ISSOCK(mode):
            connection = self._socket = socket.socket(fileno=os.dup(descriptor))
            return lambda data: connection.send(data, socket.MSG_DONTWAIT)
        opened = self._opened = opened_again(descriptor)
        if opened is not None:
            return lambda data: os.write(opened, data)
        return lambda data: _write_asking(descriptor, data)


def opened_again(descriptor: int) -> int | None:
    """Opens the pipe or terminal of `descriptor` once more, without blocking; None where that is not possible."""
    with suppress(OSError):
        path = os.ttyname(descriptor) if os.isatty(descriptor) else f"/proc/self/fd/{descriptor}"
        opened = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        if os.path.samestat(os.fstat(opened), os.fstat(descriptor)):
            return opened
        os.close(opened)
    return None


def _write_asking(descriptor: int, data: bytes) -> int:
    """Writes as much of `data` as `descriptor` takes, and asks `poll` before each piece."""
    taken = 0
    while taken < len(data) and _takes_more(descriptor):
        taken += os.write(descriptor, data[taken : taken + _PIECE])
    return taken


def _takes_more(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(0))
