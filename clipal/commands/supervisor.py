"""What starts clipal for one user, and how it is told to: files, and commands.

What is to be done is a list of steps, which are shown or carried out.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from attrs import field, frozen

from clipal.config.settings import Settings
from clipal.connect.files import FileError

WRITTEN: Final = "Written by `clipal service install`, which writes it anew"
"""In each file, so that no other one is overwritten or removed."""


class NotSupervised(Exception):
    """What would start clipal is not there, or fails; the text says what to do."""


@frozen
class Program:
    """What is started.

    Attributes:
        command: the words that start clipal.
        directory: of the configuration, absolute.
        settings: the configuration's own.
    """

    command: tuple[str, ...]
    directory: Path
    settings: Settings

    @property
    def words(self) -> tuple[str, ...]:
        """The whole command line."""
        return (*self.command, "--config-dir", str(self.directory))

    @property
    def by_hand(self) -> str:
        """How it is started without a supervisor, for a shell."""
        return f"nohup {shlex.join(self.words)} >/dev/null 2>&1 &"


@frozen
class WriteFile:
    """Writes a file, and the directories above it."""

    path: Path
    content: bytes = field(repr=False)


@frozen
class RemoveFile:
    """Removes a file, if it is there, and the directories above it that are empty then."""

    path: Path


@frozen
class RunCommand:
    """Runs a command.

    Attributes:
        may_fail: whether its failure changes nothing.
        patience: seconds for which it is tried again.
    """

    words: tuple[str, ...]
    may_fail: bool = False
    patience: float = 0.0


InstallStep: TypeAlias = WriteFile | RemoveFile | RunCommand


class Supervisor(Protocol):
    """systemd or launchd.

    Attributes:
        installed: what is said after an installation.
    """

    installed: str

    @property
    def is_installed(self) -> bool:
        """Whether there is something to remove."""

    def files(self) -> Mapping[Path, bytes]:
        """The files of an installation."""

    def install(self) -> Sequence[InstallStep]:
        """What installs it, starting from what is there."""

    def uninstall(self) -> Sequence[InstallStep]:
        """What takes that back."""

    def questions(self) -> Sequence[InstallStep]:
        """What `state` runs."""

    def state(self) -> tuple[str, bool]:
        """How clipal is, in words, and whether it runs."""

    def check(self) -> None:
        """Raises NotSupervised where nobody would carry the commands out."""


def running_program() -> tuple[str, ...]:
    """The words that start this clipal: the script of a virtual environment or of pipx's, a zip file, or a module."""
    if getattr(sys, "frozen", False):
        return (sys.executable,)
    path = os.path.abspath(sys.argv[0])  # links stay, because an upgrade changes what they name
    if os.path.isfile(path) and zipfile.is_zipfile(path):
        return (sys.executable, path)
    if not os.path.isfile(path) or not os.path.basename(path).startswith("clipal"):
        return (sys.executable, "-m", "clipal")
    return (path,) if os.access(path, os.X_OK) else (sys.executable, path)


def is_ours(path: Path) -> bool:
    """Whether the file at `path` is there, and `clipal service` wrote it.

    Raises:
        FileError: another one is there.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise FileError(path, None, f"cannot be read: {(error.strerror or '').lower()}") from None
    if WRITTEN.encode() not in content:
        raise FileError(path, None, "was not written by `clipal service install`; move it away first")
    return True


def differs(path: Path, content: bytes) -> bool:
    """Whether `content` is not what is in the file at `path`.

    Raises:
        FileError: a file is there that is not ours.
    """
    return not is_ours(path) or path.read_bytes() != content


def show_steps(steps: Sequence[InstallStep]) -> None:
    """Prints them: files with their content, and commands as for a shell."""
    for step in steps:
        if isinstance(step, WriteFile):
            print(f"# {step.path}\n{step.content.decode().rstrip()}\n")
        elif isinstance(step, RemoveFile):
            print(f"rm -f {shlex.quote(str(step.path))}")
        else:
            print(shlex.join(step.words))


def carry_out(supervisor: Supervisor, steps: Sequence[InstallStep]) -> None:
    """Does them, one after another.

    Raises:
        FileError: a file cannot be written or removed.
        NotSupervised: a command failed.
    """
    supervisor.check()
    for step in steps:
        if isinstance(step, RunCommand):
            _run(step)
            continue
        try:
            if isinstance(step, WriteFile):
                _write(step)
            else:
                _remove(step.path)
        except OSError as error:
            raise FileError(step.path, None, (error.strerror or str(error)).lower()) from None


def answer(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Runs a command.

    Raises:
        NotSupervised: it is not there.
    """
    program = shutil.which(words[0])
    if program is None:
        raise NotSupervised(f"{words[0]} is not there")
    try:
        return subprocess.run([program, *words[1:]], capture_output=True, text=True, errors="replace", check=False)  # noqa: S603
    except OSError as error:
        raise NotSupervised(f"{words[0]} cannot be run: {(error.strerror or str(error)).lower()}") from None


def _run(step: RunCommand) -> None:
    until = time.monotonic() + step.patience
    while (ended := answer(step.words)).returncode and time.monotonic() < until:
        time.sleep(0.5)
    if ended.returncode and not step.may_fail:
        said = (ended.stderr or ended.stdout).strip()
        raise NotSupervised(f"{shlex.join(step.words)} ended with {ended.returncode}{f': {said}' if said else ''}")
    print(shlex.join(step.words))


def _write(step: WriteFile) -> None:
    step.path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = step.path.with_name(f".{step.path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(step.content)
        unfinished.chmod(0o644)
        unfinished.replace(step.path)
    finally:
        unfinished.unlink(missing_ok=True)
    print(f"wrote {step.path}")


def _remove(path: Path) -> None:
    if path.is_file():
        path.unlink()
        print(f"removed {path}")
    with suppress(OSError):  # until one is not empty
        for directory in path.parents:
            if directory == Path.home():
                break
            directory.rmdir()
