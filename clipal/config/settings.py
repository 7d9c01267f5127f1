"""`config.yaml` as one frozen value. Every duration is a float of seconds."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from attrs import frozen

from clipal.config.client_token import ClientToken
from clipal.config.endpoint import Endpoint, TLSFiles
from clipal.config.reach import ProxyChoice, ProxyMode


class LogLevel(Enum):
    """The least level that is logged, as written in `log_level`."""

    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"


class LogFormat(Enum):
    """How a line of the log is written, as in `log_format`."""

    TEXT = "text"
    JSON = "json"


class FirstEventMode(Enum):
    """What the gate does with a stream whose first event is an error, as written in `first_event`."""

    ON = "on"
    SHADOW = "shadow"
    OFF = "off"


class Affinity(Enum):
    """What stays with the provider that answered last: each agent session, or all requests of a client."""

    SESSION = "session"
    CLIENT = "client"


class FailBack(Enum):
    """Which requests return to a provider of higher priority that is healthy again."""

    NEVER = "never"
    NEW_SESSIONS = "new_sessions"
    ALWAYS = "always"


@frozen
class CircuitBreaker:
    """After how many consecutive failures a provider's circuit opens (0 never), and for how many seconds."""

    failure_threshold: int = 4
    open_timeout: float = 60.0


@frozen
class NotificationSettings:
    """Desktop notifications: whether, from which level, and whether a switch of provider is one."""

    enabled: bool = False
    min_level: LogLevel = LogLevel.ERROR
    provider_switch: bool = True


@frozen
class Settings:
    """`config.yaml`, with the command line's overrides. Durations in seconds; 0 switches a timeout off.

    Attributes:
        reactivate_after: how long an auth or billing failure deactivates a provider; 0 for not at all.
        connect_timeout: for a connection to a provider, TLS included.
        response_header_timeout: until the first byte of an answer's body; None for the client's own default.
        nonstreaming_timeout: the same for a request that does not ask for a stream.
        upstream_idle_timeout: between two pieces of an answer's body.
        first_event_timeout: how long the gate waits for the event that decides; None for the client's own default.
        failback_after: how long a better provider must have been healthy before requests go back to it.
        max_buffered_bytes: of all requests' bodies that wait together.
        client_idle_timeout: after which a client that takes nothing of its answer is aborted.
        workers: how many processes serve.
        drain_timeout: for open requests when clipal is to end; None for a default that depends on how it was started.
        listen: where to listen, in place of `listen_addr` and `port`.
        tls: what a listener on `listen_addr` shows to clients; None for one without TLS.
        log_dir: absolute.
        log_max_bytes: of all log files of one day; 0 for no limit.
        status_listen: where `/status` and `/metrics` are served in addition: an address and a port, or the path of a
            socket; None for nowhere.
        upstream_proxy: the forward proxy of every provider that has none of its own.
        expose_provider: whether answers name the request's id and the provider that gave them.
        allowed_hosts: further names that a request's Host may have, lower case, without a port.
        allowed_origins: further values that a request's Origin may have, lower case.
        client_tokens: who may send requests; without any, whoever can connect, as `protected_mode` allows.
        protected_mode: whether without tokens only this machine is served.
        max_connections: of clients; 0 for no limit, as for the next two.
        max_connections_per_address: of the clients at one address.
        max_streams: requests that are answered at one time.
    """

    log_dir: Path
    listen_addr: str = "127.0.0.1"
    port: int = 3333
    listen: tuple[Endpoint, ...] = ()
    tls: TLSFiles | None = None
    log_level: LogLevel = LogLevel.INFO
    log_format: LogFormat = LogFormat.TEXT
    log_retention_days: int = 7
    log_max_bytes: int = 100 * 1024 * 1024
    log_stdout: bool = True
    reactivate_after: float = 3600.0
    connect_timeout: float = 10.0
    response_header_timeout: float | None = None
    nonstreaming_timeout: float | None = None
    upstream_idle_timeout: float = 300.0
    first_event: FirstEventMode = FirstEventMode.ON
    first_event_timeout: float | None = None
    max_request_body_bytes: int = 32 * 1024 * 1024
    max_buffered_bytes: int = 512 * 1024 * 1024
    client_idle_timeout: float = 600.0
    workers: int = 1
    drain_timeout: float | None = None
    ignore_count_tokens_failover: bool = False
    affinity: Affinity = Affinity.SESSION
    failback: FailBack = FailBack.NEW_SESSIONS
    failback_after: float = 300.0
    circuit_breaker: CircuitBreaker = CircuitBreaker()
    notifications: NotificationSettings = NotificationSettings()
    status_listen: tuple[str, int] | Path | None = None
    upstream_proxy: ProxyChoice = ProxyMode.ENVIRONMENT
    expose_provider: bool = False
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    client_tokens: tuple[ClientToken, ...] = ()
    protected_mode: bool = True
    max_connections: int = 8192
    max_connections_per_address: int = 4096
    max_streams: int = 2048

    @property
    def listens_beyond_loopback(self) -> bool:
        """Whether other machines can connect, directly or through a proxy, as far as the settings tell."""
        return any(endpoint.reaches_others for endpoint in self.endpoints)

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Where to listen."""
        return self.listen or (Endpoint.tcp(self.listen_addr, self.port, self.tls),)
