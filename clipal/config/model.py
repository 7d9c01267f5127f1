"""The configuration as frozen values.

A `Configuration` is built whole by `clipal.config.loader` and swapped whole on reload; nothing in it ever changes.
Keys never show in a repr.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path

from attrs import field, frozen

from clipal.config.reach import ForwardProxy, Trust
from clipal.config.secret import Secret
from clipal.config.settings import Settings
from clipal.config.stamps import Stamp


class Carrier(Enum):
    """Where a key travels in a request, as written in a provider's `auth`."""

    AUTO = "auto"
    X_API_KEY = "x-api-key"
    BEARER = "bearer"
    API_KEY = "api-key"
    X_GOOG_API_KEY = "x-goog-api-key"
    QUERY = "query"
    NONE = "none"


class Mode(Enum):
    """Whether a client fails over, or uses its `pinned_provider` only."""

    AUTO = "auto"
    MANUAL = "manual"


@frozen
class BaseURL:
    """A provider's `base_url`, checked and taken apart; nothing in it is decoded.

    Attributes:
        scheme: `http` or `https`.
        host: a DNS name in its IDNA form, or an IP address without brackets.
        port: always set, from the scheme where the URL names none.
        path: the raw path without a trailing slash: empty, or it begins with one.
        query: the raw query without its question mark, possibly empty.
    """

    scheme: str
    host: str
    port: int
    path: bytes = b""
    query: bytes = b""


def _secrets(keys: Iterable[Secret | str]) -> tuple[Secret, ...]:
    return tuple(key if isinstance(key, Secret) else Secret(key) for key in keys)


@frozen
class ProviderConfig:
    """One configured upstream.

    Attributes:
        api_keys: the keys in the order in which they are tried, without duplicates and without those of a template.
        priority: the lower, the sooner it is asked.
        models: its own name for a model, by the client's name; `*` stands for all that have no entry.
        serves: patterns of the models that it has, as clients name them, with `*` for any text; empty for all models.
        trust: None for the system's certificates.
        proxy: the forward proxy through which it is reached; None for none.
    """

    name: str
    base_url: BaseURL
    api_keys: tuple[Secret, ...] = field(default=(), repr=False, converter=_secrets)
    priority: int = 1
    enabled: bool = True
    auth: Carrier = Carrier.AUTO
    websocket: bool = False
    models: Mapping[str, str] = field(factory=dict, hash=False)
    serves: tuple[str, ...] = ()
    trust: Trust | None = None
    proxy: ForwardProxy | None = None

    @property
    def is_asked(self) -> bool:
        """Whether it takes part: it is enabled, and its key is not the template's."""
        return self.enabled and (bool(self.api_keys) or self.auth is Carrier.NONE)

    @property
    def concerns_models(self) -> bool:
        """Whether it makes a difference to this provider which model a request names."""
        return bool(self.models or self.serves)

    @property
    def takes_websockets(self) -> bool:
        """Whether it is asked for a WebSocket: there, the model is named in frames that clipal does not read."""
        return self.websocket and not self.concerns_models


@frozen
class ClientConfig:
    """One client's file.

    Attributes:
        path: the file that it came from, or would come from: it need not exist.
        providers: all of them in file order, the disabled ones too.
        pinned_provider: a name among `providers`; set if and only if `mode` is manual.
    """

    path: Path
    providers: tuple[ProviderConfig, ...] = ()
    mode: Mode = Mode.AUTO
    pinned_provider: str | None = None


@frozen
class Configuration:
    """All four files.

    Attributes:
        clients: one for each known client, by its prefix (`claudecode`).
        warnings: what the operator should know, one sentence each (a file that others can read).
        fingerprint: the same for files that say the same; empty where it came from no files.
        stamps: how the files stood just before they were read, by name; None where it came from no files.
    """

    directory: Path
    settings: Settings
    clients: Mapping[str, ClientConfig]
    warnings: tuple[str, ...] = ()
    fingerprint: str = field(default="", eq=False)
    stamps: Mapping[str, Stamp] | None = field(default=None, eq=False)

    @property
    def secrets(self) -> list[str]:
        """All texts that no output may contain: keys, proxies' passwords, tokens; of disabled providers too."""
        providers = [each for client in self.clients.values() for each in client.providers]
        found = [key for provider in providers for key in provider.api_keys]
        found += [provider.proxy.password for provider in providers if provider.proxy is not None]
        found += [token.text for token in self.settings.client_tokens]
        return [secret.reveal().decode("utf-8", "replace") for secret in dict.fromkeys(found) if secret]
