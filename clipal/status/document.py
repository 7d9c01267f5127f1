"""The document of `GET /status`, which `clipal status` and others read. Its names are stable.

Moments are texts in ISO 8601, in UTC. docs/monitoring.md says more of each value.
"""

from __future__ import annotations

from typing import TypedDict


class ConfigurationReport(TypedDict):
    """The configuration in force."""

    directory: str
    fingerprint: str
    loaded: str
    error: str | None


class TokenReport(TypedDict):
    """A client's token, by its name."""

    name: str
    clients: list[str] | None
    status: bool
    requests: int
    refused: int
    open_requests: int


class KeyReport(TypedDict):
    """A key of a provider, without its text."""

    health: str
    reason: str | None
    rests_seconds: float


class FailureReport(TypedDict):
    """The last attempt that failed."""

    reason: str
    status: int | None
    at: str


class Quantiles(TypedDict):
    """Of times in seconds; None where there are none."""

    p50: float | None
    p99: float | None


class TokensSpent(TypedDict):
    """What answers said that they cost."""

    input: int
    cached_input: int
    output: int


class ProviderReport(TypedDict):
    """One provider of a client."""

    name: str
    base_url: str
    priority: int
    enabled: bool
    health: str
    reason: str | None
    rests_seconds: float
    until: str | None
    keys: list[KeyReport]
    attempts: int
    answers: int
    failures: dict[str, int]
    last_failure: FailureReport | None
    open_requests: int
    first_byte_seconds: Quantiles
    tokens: TokensSpent


class ClientReport(TypedDict):
    """One client, with its providers in the order of its file."""

    mode: str
    pinned: str | None
    preferred: str | None
    can_answer: bool
    requests: int
    failovers: int
    unanswered: int
    providers: list[ProviderReport]


class StatusReport(TypedDict):
    """The whole document."""

    version: str
    started: str
    uptime_seconds: float
    state: str
    workers: int
    configuration: ConfigurationReport
    connections: int
    open_requests: int
    client_tokens: list[TokenReport]
    clients: dict[str, ClientReport]
