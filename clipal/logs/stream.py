"""Standard output and standard error for a process that must never wait for whoever reads them.

A full pipe or a terminal on hold blocks a write. `O_NONBLOCK` belongs to the open file, which a shell and its other
programs share, so it is not set on the descriptor that we were given. Instead a pipe or a terminal is opened once more,
for us alone; a socket (systemd's journal) is told with each piece not to wait; and where neither works (a terminal of
another user, macOS's pipes), it is asked before each piece of at most `PIPE_BUF` bytes, which then does not block.
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
"""Takes as many of the bytes as can be taken at once, and says how many; 0 or BlockingIOError for none."""

_PIECE: Final = 512
"""Bytes: POSIX's least PIPE_BUF."""


class UnwaitingStream:
    """Writes lines to a descriptor, whole or not at all, and never waits.

    The rest of a line that was taken in part goes out before the next one.

    Parameters:
        descriptor: stays the caller's.
    """

    def __init__(self, descriptor: int) -> None:
        self._rest = b""
        self._opened: int | None = None
        self._socket: socket.socket | None = None
        self._write = self._writer(descriptor)

    def write(self, line: bytes) -> bool:
        """Whether `line` is taken; False where it is dropped.

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
        """Closes what was opened for us."""
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
    """Another open file of what `descriptor` leads to, which does not block; None where there is none to be had."""
    with suppress(OSError):
        path = os.ttyname(descriptor) if os.isatty(descriptor) else f"/proc/self/fd/{descriptor}"
        opened = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        if os.path.samestat(os.fstat(opened), os.fstat(descriptor)):
            return opened
        os.close(opened)
    return None


def _write_asking(descriptor: int, data: bytes) -> int:
    """Writes as much of `data` as `descriptor` takes; it is asked before each piece."""
    taken = 0
    while taken < len(data) and _takes_more(descriptor):
        taken += os.write(descriptor, data[taken : taken + _PIECE])
    return taken


def _takes_more(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(0))
