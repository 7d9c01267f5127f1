"""Who is measured: names, and the commands that start those that are not set up here (clipal's kin and peers)."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from attrs import frozen

DIRECT: Final = "direct"
NGINX: Final = "nginx"
LOOP: Final = "loop"
FORWARDER: Final = "portforward"
CLIPAL: Final = "clipal"
TWISTD: Final = "twistd"
WORKERS: Final = "2 workers"
POOL: Final = "2 behind HAProxy"
OWN: Final = (sys.executable, "-m", "clipal")
"""The command that is clipal, if no other is named."""
CONTESTANTS: Final = (DIRECT, NGINX, LOOP, FORWARDER, CLIPAL, TWISTD, WORKERS, POOL)


@frozen
class Peer:
    """A proxy that the command line names.

    Attributes:
        command: its words; each may hold the placeholders of `Places`.
    """

    name: str
    command: Sequence[str]

    @classmethod
    def of(cls, text: str) -> Peer:
        """The peer of `NAME=COMMAND`.

        Raises:
            ValueError: a part is missing, or the name is taken.
        """
        name, _, command = text.partition("=")
        words = shlex.split(command)
        if not name or not words or name in CONTESTANTS:
            raise ValueError(text)
        return cls(name, (_absolute(words[0]), *words[1:]))


@frozen
class Places:
    """Where a peer listens and what it asks: the values of the placeholders in its command.

    Attributes:
        upstream: the provider's URL, http or https.
        config_dir: a directory with clipal's configuration for that provider.
        authority: a file with the certificate of the authority that signed the provider's.
    """

    port: int
    upstream: str
    config_dir: Path
    authority: Path

    def fill(self, command: Sequence[str]) -> list[str]:
        """The command with the values."""
        values = {
            "{port}": str(self.port),
            "{upstream}": self.upstream,
            "{config_dir}": str(self.config_dir),
            "{authority}": str(self.authority),
        }
        words = []
        for word in command:
            for placeholder, value in values.items():
                word = word.replace(placeholder, value)
            words.append(word)
        return words


def command_of(text: str) -> Sequence[str]:
    """A command line in its words."""
    return tuple(shlex.split(text))


def clipal_options() -> Sequence[str]:
    """What follows a command that is clipal."""
    return ("--config-dir", "{config_dir}", "--port", "{port}")


def twistd_command(clipal: Sequence[str]) -> Sequence[str]:
    """clipal as a plug-in of twistd, from the installation that `clipal` is of."""
    twistd = str(Path(clipal[0]).with_name("twistd"))
    return (twistd, "--reactor=clipal", "--nodaemon", "--pidfile=", "clipal", *clipal_options())


def pool_command(clipal: Sequence[str]) -> Sequence[str]:
    """Two clipals behind HAProxy."""
    return (sys.executable, "-m", "benchmarks.pool", "{port}", "{config_dir}", *clipal)


def _absolute(program: str) -> str:
    """A program's path that holds wherever it is started, because peers run in directories of their own."""
    found = shutil.which(program)
    return program if found is None else str(Path(found).absolute())
