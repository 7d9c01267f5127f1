"""Starts processes, each on a core of its own, and ends them.

A child inherits the cores of its parent, so the parent moves to the child's core while it starts the child.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

from attrs import define, frozen

START_LIMIT: Final = 15.0
"""Seconds that a process has to answer its first request."""
STOP_LIMIT: Final = 15.0
"""Seconds that a process has to end after SIGTERM."""
POLL: Final = 0.002
"""Seconds between two looks at whether a process answers."""


class Unavailable(Exception):
    """A program that is not installed, does not start, or has ended."""


@frozen
class Cores:
    """The core of each process. With two cores, the proxy has one, and the upstream and the load share the other.

    Attributes:
        second: of a second process of the proxy's; one of its own only where there are four.
    """

    proxy: int
    upstream: int
    load: int
    second: int

    @classmethod
    def available(cls) -> Cores:
        """The first cores that this process may use."""
        numbers = sorted(os.sched_getaffinity(0))
        return cls(*(numbers[min(place, len(numbers) - 1)] for place in range(4)))


@define
class Running:
    """A process.

    Attributes:
        port: where it listens on 127.0.0.1; of several, the first.
        cold_start: seconds from its start to its first answer.
    """

    name: str
    process: subprocess.Popen[bytes]
    port: int
    cold_start: float = 0.0

    @property
    def pid(self) -> int:
        return self.process.pid

    def stop(self) -> None:
        """Ends it, and waits until it has ended."""
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
        self.process.terminate()
        try:
            self.process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def on_cores(*cores: int) -> Iterator[None]:
    """Moves this process to `cores` for the block; children that are started there stay on them."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port() -> int:
    """A free port of 127.0.0.1, for programs that cannot ask the kernel themselves."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(
    name: str,
    command: Sequence[str],
    port: int,
    cores: Sequence[int],
    output: Path,
    environment: Mapping[str, str] | None = None,
    working_directory: Path | None = None,
) -> Running:
    """Starts a server and waits until it answers `GET /health`.

    Parameters:
        output: a file for what it prints.
        environment: variables beside those of this process.
        working_directory: if it is not that of this process.

    Raises:
        Unavailable: if it does not answer in time.
    """
    begun = time.monotonic()
    with output.open("ab") as file, on_cores(*cores):
        process = spawn(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            environment=environment,
            working_directory=working_directory,
        )
    running = Running(name, process, port)
    try:
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > begun + START_LIMIT:
                raise Unavailable(f"{name} does not answer: {_last_line(output)}")
            time.sleep(POLL)
    except BaseException:
        running.stop()
        raise
    running.cold_start = time.monotonic() - begun
    return running


def spawn(
    command: Sequence[str],
    *,
    stdin: int,
    stdout: object,
    stderr: object = None,
    environment: Mapping[str, str] | None = None,
    working_directory: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Starts a process that does not get the terminal's Ctrl-C, because the benchmark ends its processes in order."""
    variables = {**os.environ, **(environment or {})}
    try:
        return subprocess.Popen(  # type: ignore[call-overload,no-any-return]  # a file or one of subprocess's numbers
            command,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=variables,
            cwd=working_directory,
            start_new_session=True,
        )
    except OSError as error:
        raise Unavailable(f"{command[0]} cannot be run: {error.strerror}") from error


def end_on_sigterm() -> None:
    """Makes SIGTERM raise SystemExit, so that the processes are ended then too."""

    def ended(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, ended)


def _answers(port: int) -> bool:
    """Whether a server answers with 200; every server here accepts this `Host`."""
    question = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n\r\n" % port
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(question)
            return connection.recv(4096).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def _last_line(output: Path) -> str:
    lines = output.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
