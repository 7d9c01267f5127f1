"""Log files that only their owner can read, and their directories.

A path that leads to anything but a regular file is refused. A pipe would block the process, and through a symbolic link
clipal would write to, and change the mode of, a file that somebody else chose.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from attrs import frozen

_REFUSED: Final = frozenset({errno.ELOOP, errno.ENXIO, errno.EISDIR, errno.ENOTSUP, errno.EMLINK})
"""The errors of opening anything but a regular file; FreeBSD has EMLINK for a link."""
_FLAGS: Final = (
    os.O_WRONLY
    | os.O_APPEND
    | os.O_CREAT
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a pipe without a reader would block
    | getattr(os, "O_NOCTTY", 0)
)


@frozen
class PrivateFile:
    """A file that is open for appending.

    Attributes:
        identity: its device and its number on that device.
    """

    descriptor: int
    identity: tuple[int, int]

    @classmethod
    def at(cls, path: Path) -> PrivateFile:
        """See `open_private`.

        Raises:
            OSError: the file cannot be opened or made, or is no regular file.
        """
        descriptor = open_private(path)
        return cls(descriptor, _identity(os.fstat(descriptor)))

    def is_at(self, path: Path) -> bool:
        """Whether `path` still leads to this file; the file or its directory may have been removed."""
        try:
            return _identity(os.stat(path)) == self.identity
        except OSError:
            return False

    def close(self) -> None:
        """Closes the descriptor."""
        with suppress(OSError):
            os.close(self.descriptor)


def open_private(path: Path) -> int:
    """Opens the regular file at `path` for appending, and makes it if it is missing; its mode becomes 0600.

    Returns:
        the descriptor.

    Raises:
        OSError: the file cannot be opened or made, or is no regular file.
    """
    descriptor = os.open(path, _FLAGS, 0o600)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise OSError(errno.ENXIO, os.strerror(errno.ENXIO))
    # A file that was there before may be readable by others.
    if hasattr(os, "fchmod") and stat.S_IMODE(mode) != 0o600:
        with suppress(OSError):
            os.fchmod(descriptor, 0o600)
    return descriptor


def is_refused(path: Path, error: OSError) -> bool:
    """Whether `error` came from opening `path` because that leads to something else than a regular file."""
    if error.errno not in _REFUSED:
        return False
    try:
        return not stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def make_private(directory: Path) -> None:
    """Makes `directory` and the missing ones above it, with mode 0700 whatever the umask.

    A directory that exists keeps its mode, because it may be shared with others on purpose.

    Raises:
        OSError: a directory cannot be made.
    """
    if directory.is_dir():
        return
    make_private(directory.parent)
    directory.mkdir(mode=0o700, exist_ok=True)
    directory.chmod(0o700)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
