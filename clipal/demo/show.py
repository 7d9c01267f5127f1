"""What `clipal demo` shows: the service with two upstreams, and one request for each client.

The service is the real one, made as twistd makes it, from real configuration files. The attempts that are shown come
from its log, and not from the demo's expectations.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Final

import treq
from twisted.internet.defer import Deferred
from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.web.client import Agent, FileBodyProducer
from twisted.web.http_headers import Headers
from zope.interface import implementer

from clipal import tap
from clipal.config.settings_file import CONFIG_FILE
from clipal.demo.clients import CLIENTS, QUESTION, DemoClient
from clipal.demo.terminal import Terminal
from clipal.demo.upstreams import DemoUpstreams
from clipal.dialects.error_events import parse_object
from clipal.dialects.registry import DIALECTS
from clipal.dialects.sse import Scanner
from clipal.downstream import request_line
from clipal.logs.line import event_text, one_line
from clipal.logs.observer import open_logs
from clipal.service import Clipal

LONGEST_REQUEST: Final = 30.0
"""Seconds for each request that the demo sends."""

_SETTINGS = """\
# Written by `clipal demo`.
listen_addr: 127.0.0.1
log_stdout: false
"""
_PROVIDERS = """\
# Written by `clipal demo`.
providers:
  - name: first
    base_url: {first}
    api_key: demo-key-of-the-first
    priority: 1
  - name: second
    base_url: {second}
    api_key: demo-key-of-the-second
    priority: 2
"""


@implementer(ILogObserver)
class Reports:
    """Learns from the log how each request ended.

    Parameters:
        unexpected: is called with the ends of other requests than the demo's own: those of real clients.
    """

    def __init__(self, unexpected: Callable[[LogEvent], None]) -> None:
        self._unexpected = unexpected
        self._waiting: dict[str, Deferred[LogEvent]] = {}

    def next_of(self, client: str) -> Deferred[LogEvent]:
        """Fires with the end of the client's next request."""

        def forget(_: Deferred[LogEvent]) -> None:
            self._waiting.pop(client, None)

        waiting = self._waiting[client] = Deferred(forget)
        return waiting

    def __call__(self, event: LogEvent) -> None:
        """Takes one event."""
        if event.get("log_namespace") == request_line.__name__ and "trail" in event:
            waiting = self._waiting.pop(event["client"], None)
            if waiting is None:
                self._unexpected(event)
            else:
                waiting.callback(event)


class Demo:
    """The upstreams, the service and the requests.

    Parameters:
        directory: for the configuration and the log; empty.

    Attributes:
        logs: the service's log, which the caller adds to the log's observers.
        base: the service's URL.
    """

    def __init__(self, reactor: PosixReactorBase, directory: Path, terminal: Terminal) -> None:
        self._reactor = reactor
        self._directory = directory
        self._terminal = terminal
        self._agent = Agent(reactor)
        self._reports = Reports(self._tell)
        self._upstreams = DemoUpstreams.start(reactor)
        self._configure()
        options = tap.Options()
        options.parseOptions(["--config-dir", str(directory), "--port", "0"])
        configuration = tap.load(options)
        listeners = tap.listen(configuration)
        self.base = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        self.logs = open_logs(configuration.settings, configuration.secrets)
        self._service = Clipal(reactor, configuration, options.overrides, DIALECTS, listeners, self.logs)

    def start(self) -> None:
        """Begins to serve."""
        globalLogPublisher.addObserver(self._reports)
        self._service.startService()

    async def stop(self) -> None:
        """Ends the service and the upstreams."""
        await self._service.stopService()
        await self._upstreams.stop()
        globalLogPublisher.removeObserver(self._reports)

    async def show(self) -> bool:
        """Sends one request per client, and shows the attempts and the answer.

        Returns:
            whether all answers came from the second upstream.
        """
        first, second = self._upstreams.base_urls
        self._terminal.paragraph(
            f"clipal serves on {self.base}. Each client has two providers there, both on this machine: "
            f"`first` ({first}), which always fails, and `second` ({second})."
        )
        came = [
            await Deferred.fromCoroutine(self._ask(each)).addTimeout(LONGEST_REQUEST, self._reactor) for each in CLIENTS
        ]
        self._terminal.line()
        if all(came):
            self._terminal.line("All three answers came from the second upstream; no client noticed the first.")
        else:
            self._terminal.line("Not all answers came from the second upstream.")
        return all(came)

    def show_setup(self) -> None:
        """Shows how to point the real clients here."""
        self._terminal.line()
        self._terminal.paragraph(
            "To try a real client, point it here. Every request of its shows below. Ctrl-C ends it."
        )
        for client in CLIENTS:
            self._terminal.line("\n" + client.setup.replace("{base}", self.base), end="")
        self._terminal.line()

    # Within

    def _configure(self) -> None:
        first, second = self._upstreams.base_urls
        files = {CONFIG_FILE: _SETTINGS}
        for client in CLIENTS:
            providers = _PROVIDERS.format(first=first + client.version, second=second + client.version)
            files[client.dialect.config_file] = providers
        for name, content in files.items():
            with open(os.open(self._directory / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(content)

    async def _ask(self, client: DemoClient) -> bool:
        terminal = self._terminal
        terminal.line()
        terminal.heading(f"{client.dialect.title}: POST {client.target}")
        terminal.row("question", QUESTION)
        terminal.begin("answer")
        ended = self._reports.next_of(client.dialect.prefix)
        try:
            answer = await self._stream(client)
            event = await ended
        finally:
            ended.cancel()
        terminal.line("" if answer else "(none)")
        for number, attempt in enumerate(attempts(event), 1):
            terminal.row("attempts" if number == 1 else "", f"{number}. {attempt}")
        terminal.row("in all", f"status {event['status']}, {event['milliseconds']} ms, {event['bytes_out']} bytes")
        return bool(answer) and event["status"] == 200 and event["provider"] == "second"

    async def _stream(self, client: DemoClient) -> str:
        """Sends the client's request, and shows the answer's text as it comes; returns the whole text."""
        headers = Headers()
        for name, value in client.fields:
            headers.addRawHeader(name, value)
        body = FileBodyProducer(BytesIO(client.body))
        response = await self._agent.request(b"POST", (self.base + client.target).encode("ascii"), headers, body)
        scanner = Scanner()
        pieces: list[str] = []

        def received(data: bytes) -> None:
            for event in scanner.feed(data):
                with suppress(LookupError, TypeError):
                    pieces.append(client.text(parse_object(event.data)))
                    self._terminal.piece(pieces[-1])

        await treq.collect(response, received)
        return "".join(pieces)

    def _tell(self, event: LogEvent) -> None:
        self._terminal.paragraph(one_line(event_text(event)))


def attempts(event: LogEvent) -> list[str]:
    """The attempts of a request, in the words of the log line of `event`."""
    failed = [step for step in event["trail"].removeprefix(" (").removesuffix(")").split("; ") if step]
    return failed if event["provider"] is None else [*failed, f"{event['provider']}: {event['status']}, this answer"]
