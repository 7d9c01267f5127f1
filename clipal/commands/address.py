"""Where a running clipal is: what the configuration says of it, or `--url`."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from attrs import field, frozen
from twisted.python import usage
from twisted.web.client import Agent

from clipal.commands.own_certificate import OwnCertificate
from clipal.commands.socket_file import SocketFile
from clipal.config.base_url import parse_base_url
from clipal.config.secret import Secret
from clipal.config.settings import Settings


@frozen
class Address:
    """The address of a clipal.

    Attributes:
        url: paths are appended to this URL.
        socket: the file of the UNIX socket; None for TCP.
        certificate: the file of the only certificate that is trusted; None for the system's authorities.
        token: sent as a Bearer token; empty for none.
        mistake: the first one in `config.yaml`, where the address comes from; empty where there is none.
    """

    url: str
    socket: Path | None = None
    certificate: Path | None = None
    token: Secret = field(default=Secret(b""), repr=False)
    mistake: str = ""

    @classmethod
    def parse(cls, text: str) -> Address:
        """From `http://…`, `https://…` or `unix:PATH`.

        Raises:
            usage.UsageError: `text` is none of these.
        """
        if text.startswith("unix:") and len(text) > len("unix:"):
            return cls("http://localhost", Path(text.removeprefix("unix:")).expanduser().absolute())
        try:
            parts = urlsplit(text)
            whole = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
        except ValueError:
            whole = False
        if not whole or "@" in parts.netloc:
            raise usage.UsageError("--url: must be a URL such as http://127.0.0.1:3333, or unix:PATH")
        return cls(text.rstrip("/").removesuffix("/status"))

    @classmethod
    def of(cls, settings: Settings) -> Address:
        """The address of a clipal with these settings: the first endpoint that is an address or a socket's file.

        Where each of them is behind a proxy or systemd's, it is `status_listen`.

        The token is the first one that may read the status and that the configuration has itself, not as a hash.
        """
        token = next((each.text for each in settings.client_tokens if each.status and each.text), Secret(b""))
        plain = [each for each in settings.endpoints if not each.proxied and (each.host or each.path)]
        if plain and plain[0].path is not None:
            return cls("http://localhost", plain[0].path, token=token)
        if not plain and settings.status_listen is not None:
            return cls._of_status(settings.status_listen)
        tls = plain[0].tls if plain else None
        return cls(own_base_url(settings), certificate=None if tls is None else tls.certificate, token=token)

    @classmethod
    def _of_status(cls, where: tuple[str, int] | Path) -> Address:
        if isinstance(where, Path):
            return cls("http://localhost", where)
        host, port = where
        return cls(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")

    def agent(self, reactor: Any, longest: float) -> Agent:
        """Connects to it.

        Parameters:
            longest: seconds for making a connection.
        """
        if self.certificate is not None:
            return Agent(reactor, OwnCertificate(self.certificate), connectTimeout=longest)
        if self.socket is None:
            return Agent(reactor, connectTimeout=longest)
        agent: Agent = Agent.usingEndpointFactory(reactor, SocketFile(reactor, self.socket, longest))
        return agent

    def __str__(self) -> str:
        return self.url if self.socket is None else f"unix:{self.socket}"


def own_base_url(settings: Settings) -> str:
    """The URL of clipal for clients. Its host is an IP address, because Codex resolves `localhost` to ::1 first.

    Raises:
        usage.UsageError: the port is 0 and so unknown, or clipal listens on no port.
    """
    for endpoint in settings.endpoints:
        if not endpoint.host or endpoint.proxied:
            continue
        if endpoint.port == 0:
            raise usage.UsageError("clients need to know the port; it cannot be 0")
        address = "127.0.0.1" if endpoint.host in ("0.0.0.0", "::") else endpoint.host  # noqa: S104  # compared, not listened on
        scheme = "http" if endpoint.tls is None else "https"
        return f"{scheme}://[{address}]:{endpoint.port}" if ":" in address else f"{scheme}://{address}:{endpoint.port}"
    raise usage.UsageError("clients need an address and a port: none of listen in config.yaml is a tcp: or ssl: one")


def base_url_elsewhere(text: str) -> str:
    """The URL of a clipal on another machine, for clients; each adds its own path.

    Raises:
        usage.UsageError: `text` is no such URL.
    """
    try:
        url = parse_base_url(text)
    except ValueError:
        raise usage.UsageError("--url: must be a URL such as https://clipal.example.org") from None
    if url.path or url.query:
        raise usage.UsageError("--url: leave the path out; each client gets its own")
    return text.rstrip("/")
