"""A whole clipal in the test's own process: the service, on a port of its own, with the providers that a test names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from attrs import define, field
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from clipal.config.loader import Overrides
from clipal.config.model import BaseURL, ClientConfig, Configuration, Mode, Provider, Settings
from clipal.dialects.known import DIALECTS
from clipal.operations.logs import open_logs
from clipal.service import Clipal, secrets_of
from clipal.tap import listen
from tests.wirekit.waiting import reactor

StartProxy: TypeAlias = Callable[..., "Proxy"]
"""`start_proxy`: the parameters of `Proxy.start`."""


def provider(name: str, base_url: str, *keys: str, **options: Any) -> Provider:
    """A provider of a test; with one key unless it names others."""
    parts = urlsplit(base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    path, query = parts.path.rstrip("/").encode(), parts.query.encode()
    url = BaseURL(parts.scheme, parts.hostname or "", port, path, query)
    return Provider(name, url, keys or (f"key-of-{name}",), **options)


@define
class Proxy:
    """A running clipal.

    Attributes:
        lines: what it logged at info and above, formatted.
    """

    service: Clipal
    port: int
    lines: list[str] = field(factory=list)

    @classmethod
    def start(
        cls,
        directory: Path,
        clients: Mapping[str, Sequence[Provider]],
        *,
        pinned: str | None = None,
        **settings: Any,
    ) -> Proxy:
        """Serves `clients` (by prefix); further settings as in `Settings`."""
        files = {dialect.prefix: directory / dialect.config_file for dialect in DIALECTS}
        mode = Mode.AUTO if pinned is None else Mode.MANUAL
        configs = {
            prefix: ClientConfig(path, tuple(clients.get(prefix, ())), mode, pinned)
            for prefix, path in files.items()
        }
        values = Settings(log_dir=directory / "logs", **{"port": 0, "log_stdout": False, **settings})
        configuration = Configuration(directory, values, configs)
        listening = listen(configuration)
        port = listening.getsockname()[1]
        logs = open_logs(values, secrets_of(configuration))
        proxy = cls(Clipal(reactor, configuration, Overrides(), DIALECTS, listening, logs), port)  # type: ignore[arg-type]
        globalLogPublisher.addObserver(proxy._logged)
        proxy.service.startService()
        return proxy

    def _logged(self, event: LogEvent) -> None:
        if event.get("log_namespace", "").startswith("clipal.") and event["log_level"].name != "debug":
            self.lines.append(formatEvent(event))

    @property
    def requests(self) -> list[str]:
        """The lines of requests."""
        return [line for line in self.lines if " → " in line]

    async def stop(self) -> None:
        """Aborts what is still open, and waits until nothing is left."""
        for channel in list(self.service.site.channels):
            channel.transport.abortConnection()
        await self.service.stopService()
        globalLogPublisher.removeObserver(self._logged)
