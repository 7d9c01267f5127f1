"""A whole clipal in the test's own process: the service, on a port of its own, with the providers that a test names."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from zope.interface import implementer

from clipal.config.loader import load_configuration
from clipal.config.model import BaseURL, ClientConfig, Configuration, Mode, ProviderConfig
from clipal.config.overrides import Overrides
from clipal.config.settings import Settings
from clipal.dialects.registry import DIALECTS
from clipal.logs.observer import open_logs
from clipal.service import Clipal
from clipal.tap import listen, listen_for_status
from tests.wirekit.waiting import Conditions, reactor

StartProxy: TypeAlias = Callable[..., "Proxy"]
"""`start_proxy`: the parameters of `Proxy.start`."""


def provider(name: str, base_url: str, *keys: str, **options: Any) -> ProviderConfig:
    """A provider of a test; with one key unless it names others."""
    parts = urlsplit(base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    path, query = parts.path.rstrip("/").encode(), parts.query.encode()
    url = BaseURL(parts.scheme, parts.hostname or "", port, path, query)
    return ProviderConfig(name, url, keys or (f"key-of-{name}",), **options)


@implementer(ILogObserver)
@define(eq=False)
class Proxy:
    """A running clipal.

    Attributes:
        status_port: the one of `status_listen`; 0 for none.
        lines: what it logged at info and above, formatted.
    """

    service: Clipal
    port: int
    status_port: int = 0
    lines: list[str] = field(factory=list)
    _logging: Conditions = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._logging = Conditions(lambda: "\n".join(self.lines))

    @classmethod
    def start(
        cls,
        directory: Path,
        clients: Mapping[str, Sequence[ProviderConfig]],
        *,
        pinned: str | None = None,
        **settings: Any,
    ) -> Proxy:
        """Serves `clients` (by prefix); further settings as in `Settings`."""
        files = {dialect.prefix: directory / dialect.config_file for dialect in DIALECTS}
        mode = Mode.AUTO if pinned is None else Mode.MANUAL
        configs = {
            prefix: ClientConfig(path, tuple(clients.get(prefix, ())), mode, pinned) for prefix, path in files.items()
        }
        values = Settings(log_dir=directory / "logs", **{"port": 0, "log_stdout": False, **settings})
        return cls._serve(Configuration(directory, values, configs), Overrides())

    @classmethod
    def load(cls, directory: Path) -> Proxy:
        """Serves what the files in `directory` say, but on a port of its own, and goes on following them."""
        overrides = Overrides(port="0")
        files = {dialect.prefix: dialect.config_file for dialect in DIALECTS}
        return cls._serve(load_configuration(directory, files, overrides), overrides)

    @classmethod
    def _serve(cls, configuration: Configuration, overrides: Overrides) -> Proxy:
        listeners, for_status = listen(configuration), listen_for_status(configuration)
        first = listeners[0].socket
        port = 0 if first.family == socket.AF_UNIX else first.getsockname()[1]
        logs = open_logs(configuration.settings, configuration.secrets)
        status_port = 0 if for_status is None or for_status.family == socket.AF_UNIX else for_status.getsockname()[1]
        service = Clipal(reactor, configuration, overrides, DIALECTS, listeners, logs, for_status)  # type: ignore[arg-type]
        proxy = cls(service, port, status_port)
        globalLogPublisher.addObserver(proxy)
        proxy.service.startService()
        return proxy

    def __call__(self, event: LogEvent) -> None:
        if event.get("log_namespace", "").startswith("clipal.") and event["log_level"].name != "debug":
            self.lines.append(formatEvent(event))
            self._logging.changed()

    def logged(self, text: str, times: int = 1) -> Deferred[None]:
        """Fires when so many lines hold `text`."""
        return self._logging.until(lambda: sum(text in line for line in self.lines) >= times)

    @property
    def requests(self) -> list[str]:
        """The lines of requests."""
        return [line for line in self.lines if " → " in line]

    async def stop(self) -> None:
        """Aborts what is still open, and waits until nothing is left."""
        for channel in list(self.service.site.channels):
            channel.transport.abortConnection()
        await self.service.stopService()
        globalLogPublisher.removeObserver(self)
