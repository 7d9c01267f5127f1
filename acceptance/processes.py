"""Runs programs within a limit of time, and ends the processes that they started.

Each program has a process group of its own. The group is killed when the program has ended, when its time is over, and
when the run itself ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final

from attrs import define, frozen

STOP_LIMIT: Final = 10.0
"""Seconds that clipal has to end after SIGTERM."""

_groups: set[int] = set()
"""The process groups that are alive."""


@frozen
class Ended:
    """How a program ended.

    Attributes:
        status: the exit status; None where the program was killed because its time was over.
        seconds: how long the program ran.
    """

    status: int | None
    stdout: str
    stderr: str
    seconds: float

    @property
    def said(self) -> str:
        """All that it printed."""
        return f"{self.stdout}\n{self.stderr}"


@define
class Running:
    """A program that runs in the background."""

    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """Ends it with SIGTERM, and with SIGKILL if it takes too long."""
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_LIMIT)
        _end_group(self.process)


def run(command: Sequence[str], environment: Mapping[str, str], directory: Path, limit: float) -> Ended:
    """Runs a program; blocks.

    Parameters:
        environment: all variables of the program.
        limit: seconds after which the program is killed.
    """
    with TemporaryFile() as stdout, TemporaryFile() as stderr:  # no pipes, because a grandchild may hold them open
        begun = time.monotonic()
        process = _start(command, environment, directory, stdout, stderr)
        status: int | None = None
        with suppress(subprocess.TimeoutExpired):
            status = process.wait(limit)
        seconds = time.monotonic() - begun
        _end_group(process)
        return Ended(status, _text(stdout), _text(stderr), seconds)


def start(command: Sequence[str], environment: Mapping[str, str], directory: Path, output: Path) -> Running:
    """Starts a program in the background; its output goes to the file `output`."""
    with output.open("ab") as file:
        return Running(_start(command, environment, directory, file, file))


def end_all() -> None:
    """Kills all process groups that still run."""
    for group in tuple(_groups):
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


def _start(
    command: Sequence[str], environment: Mapping[str, str], directory: Path, stdout: IO[bytes], stderr: IO[bytes]
) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        env=dict(environment),
        cwd=directory,
        start_new_session=True,
    )
    _groups.add(process.pid)
    return process


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    _groups.discard(process.pid)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
