"""What the system says of a process that a run has started; on Linux."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def children(pid: int) -> set[int]:
    """The processes that a process has started; none where it has ended."""
    with suppress(FileNotFoundError):
        return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    return set()


def has_reactor(pid: int) -> bool:
    """Whether a process has loaded its program, which makes the reactor last."""
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed in the meantime
            if "eventpoll" in os.readlink(descriptor):
                return True
    return False
