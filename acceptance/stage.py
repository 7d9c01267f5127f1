"""Where a row is played: a home directory, clipal as the real program, and two scripted providers.

Everything is below one temporary directory. The port and the home stay the same for the whole run, because the clients
are set up once. clipal and the providers are started anew for each row, so that clipal knows nothing of the last row.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from attrs import define, field, frozen
from twisted.internet.threads import deferToThread

from acceptance.clients import NOTE, Client, Place
from acceptance.isolation import Isolation
from acceptance.processes import Ended, Running, run, start
from tests.wirekit.process import free_port
from tests.wirekit.upstream import RecordedRequest

PROVIDERS: Final = ("first", "second")
START_LIMIT: Final = 20.0
"""Seconds that clipal has to answer its first connection."""

_PROVIDER: Final = """\
  - name: {name}
    base_url: {base_url}
    api_key: {key}
    priority: {priority}
    websocket: {websocket}
"""


class Upstream(Protocol):
    """A provider of a row, listening on loopback; `tests.wirekit` has most of them."""

    requests: list[RecordedRequest]

    @property
    def base_url(self) -> str:
        """Its URL without a path."""

    async def close(self) -> None:
        """Ends the provider."""


@define
class DeadPort:
    """A provider on a port on which no program listens."""

    requests: list[RecordedRequest] = field(factory=list)
    port: int = field(factory=free_port)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def close(self) -> None:
        return


def key_of(provider: str) -> str:
    """The key of a provider."""
    return f"key-of-{provider}-0123456789abcdef"


@frozen
class Way:
    """How a client is started.

    Attributes:
        limit: seconds after which the client is killed.
        arguments: further arguments.
        variables: further variables of its environment.
        websocket: whether the providers have `websocket: true`.
    """

    limit: float
    arguments: tuple[str, ...] = ()
    variables: dict[str, str] = field(factory=dict)
    websocket: bool = False


@frozen
class Seen:
    """The observations of a row, for its check.

    Attributes:
        prompt: the question to the client.
        note: the content of NOTE.
        ended: how the client ended.
        requests: the requests that arrived at each provider, in order.
        log: the lines that clipal printed.
    """

    client: Client
    prompt: str
    note: str
    ended: Ended
    requests: dict[str, list[RecordedRequest]]
    log: list[str]

    @property
    def asked(self) -> list[str]:
        """The lines in clipal's log of this client's requests, one for each request that has ended."""
        return [line for line in self.log if f" {self.client.prefix} " in line and " → " in line]


@define
class Stage:
    """The place of all rows.

    Parameters:
        directory: an empty directory, in which all files are made.
        programs: the directory of the installed programs.
    """

    directory: Path
    programs: Path
    isolation: Isolation
    place: Place = field(init=False)
    _port: int = field(factory=free_port)
    _closed: int = field(factory=free_port)
    _rows: int = 0

    def __attrs_post_init__(self) -> None:
        home, work = self.directory / "home", self.directory / "work"
        for each in (home, work, home / "tmp", self.configuration):
            each.mkdir(parents=True)
        self.place = Place(self.programs, home, work, f"http://127.0.0.1:{self._port}")
        self._write("config.yaml", f"listen_addr: 127.0.0.1\nport: {self._port}\n")

    @property
    def configuration(self) -> Path:
        """clipal's configuration directory."""
        return self.directory / "clipal"

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment of a client; only PATH comes from this process."""
        home = self.place.home
        variables = {"HOME": str(home), "TMPDIR": str(home / "tmp"), "TERM": "dumb", "LANG": "C.UTF-8"}
        return {"PATH": os.environ["PATH"], **variables, **self.isolation.environment(self._closed)}

    def clipal(self, *arguments: str, limit: float = 30.0) -> Ended:
        """Runs one of clipal's commands to its end; blocks."""
        config = ("-c", str(self.configuration))
        command = [sys.executable, "-m", "clipal", arguments[0], *config, *arguments[1:]]
        return run(command, self.environment, self.place.work, limit)

    async def play(self, client: Client, providers: Sequence[Upstream], way: Way) -> Seen:
        """Asks a client one question, with these providers behind clipal, and ends the providers."""
        named = dict(zip(PROVIDERS, providers, strict=True))
        note, prompt = f"note-{os.urandom(8).hex()}", f"Question {os.urandom(8).hex()} of the acceptance run."
        row = self._next_row()
        (self.place.work / NOTE).write_text(f"{note}\n")
        self._write(client.api.dialect.config_file, _providers(named, way.websocket))
        try:
            ended, log = await self._ask(client, prompt, way, row)
        finally:
            for upstream in providers:
                await upstream.close()
        (row / "stdout").write_text(ended.stdout)
        (row / "stderr").write_text(ended.stderr)
        return Seen(client, prompt, note, ended, {name: each.requests for name, each in named.items()}, log)

    async def _ask(self, client: Client, prompt: str, way: Way, row: Path) -> tuple[Ended, list[str]]:
        """Asks the client: how it ended, and clipal's log, which is complete because clipal has ended too."""
        output = row / "clipal.log"
        serving = await deferToThread(self._serve, output)
        try:
            command = [*client.command(self.place, prompt), *way.arguments]
            environment = self.environment | way.variables
            ended = await deferToThread(run, command, environment, self.place.work, way.limit)
        finally:
            await deferToThread(serving.stop)
        return ended, output.read_text().splitlines()

    def _next_row(self) -> Path:
        """Makes a directory for the output of a row."""
        self._rows += 1
        row = self.directory / "rows" / f"{self._rows}"
        row.mkdir(parents=True)
        return row

    def _serve(self, output: Path) -> Running:
        """Starts clipal, and waits until it accepts connections."""
        command = [sys.executable, "-m", "clipal", "-c", str(self.configuration)]
        running = start(command, self.environment, self.place.work, output)
        late = time.monotonic() + START_LIMIT
        while running.process.poll() is None and time.monotonic() < late:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port)):
                return running
            time.sleep(0.02)
        running.stop()
        raise RuntimeError(f"clipal does not serve: {output.read_text().strip()[-500:]}")

    def _write(self, name: str, text: str) -> None:
        file = self.configuration / name
        file.write_text(text)
        file.chmod(0o600)


def _providers(named: dict[str, Upstream], websocket: bool) -> str:
    entries = [
        _PROVIDER.format(
            name=name,
            base_url=upstream.base_url,
            key=key_of(name),
            priority=number,
            websocket="true" if websocket else "false",
        )
        for number, (name, upstream) in enumerate(named.items(), 1)
    ]
    return "providers:\n" + "".join(entries)
