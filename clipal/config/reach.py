"""How a provider is reached: through which forward proxy, and which certificates count."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TypeAlias

from attrs import field, frozen

from clipal.config.secret import Secret


class ProxyMode(Enum):
    """Where a proxy is not named by its URL."""

    ENVIRONMENT = "environment"
    DIRECT = "direct"


@frozen
class ForwardProxy:
    """A proxy through which providers are reached.

    Attributes:
        scheme: `http` and `https` are asked with CONNECT, over TCP and over TLS; `socks5` is told an address, `socks5h`
            a name.
        user: empty for none; `password` counts only with it.
    """

    scheme: str
    host: str
    port: int
    user: Secret = field(default=Secret(b""), repr=False)
    password: Secret = field(default=Secret(b""), repr=False)


ProxyChoice: TypeAlias = "ForwardProxy | ProxyMode"


@frozen
class Trust:
    """Which certificates one provider's TLS connections trust, and which one they show.

    Attributes:
        authorities: certificates in PEM, in place of the system's; None for the system's.
        certificate: a file of the certificate that is shown to the provider, its key is in `key`; None for none.
        read: a digest of those two files: a changed file makes a Trust that is not equal.
    """

    authorities: str | None = field(default=None, repr=False)
    certificate: Path | None = None
    key: Path | None = None
    read: bytes = field(default=b"", repr=False)
