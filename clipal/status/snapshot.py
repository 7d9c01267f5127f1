"""The state of one process as plain data, which passes between processes as JSON.

Numbers that add up across processes are in `Counts`; all other values (a provider's health, a moment) are in `States`.
`clipal.status.counters` takes a snapshot, `clipal.status.totals` adds snapshots.
"""

from __future__ import annotations

from typing import TypedDict

from attrs import frozen


class HistogramCounts(TypedDict):
    """See `clipal.providers.tally.Histogram`."""

    counts: list[int]
    total: float


class ProviderCounts(TypedDict):
    """See `clipal.providers.tally.ProviderTally`."""

    attempts: int
    outcomes: dict[str, int]
    failovers: dict[str, int]
    open_requests: int
    first_byte: HistogramCounts
    tokens: dict[str, int]


class ClientCounts(TypedDict):
    """See `clipal.providers.tally.ClientTally`. Statuses are texts, as JSON wants keys to be."""

    requests: int
    statuses: dict[str, int]
    unanswered: int
    open_requests: int
    request_bytes: int
    response_bytes: int
    duration: HistogramCounts
    by_token: dict[str, dict[str, int]]
    providers: dict[str, ProviderCounts]


class TokenUseCounts(TypedDict):
    """What one client's token came to: refusals by their status, and requests that are being answered."""

    refused: dict[str, int]
    open_requests: int


class Counts(TypedDict):
    """What adds up.

    Attributes:
        refused: requests that clipal refused, by the reason.
        client_tokens: by their names.
        process: the system's metrics, by Prometheus' names; empty where the system has none.
        clients: by their prefixes.
    """

    workers: int
    connections: int
    refused: dict[str, int]
    client_tokens: dict[str, TokenUseCounts]
    log_lines_dropped: int
    process: dict[str, float]
    clients: dict[str, ClientCounts]


class KeyState(TypedDict):
    """The health of one key; `rests_seconds` is what is left of its cooldown."""

    health: str
    reason: str | None
    rests_seconds: float


class FailureState(TypedDict):
    """See `clipal.providers.tally.LastFailure`."""

    reason: str
    status: int | None
    at: float


class ProviderState(TypedDict):
    """The health of one provider.

    Attributes:
        rests_seconds: what is left of its cooldown.
        until: when the cooldown ends, in seconds since the epoch; None without one.
        recent: the last times to the first byte, in seconds.
    """

    health: str
    reason: str | None
    rests_seconds: float
    until: float | None
    keys: list[KeyState]
    last_failure: FailureState | None
    recent: list[float]


class ClientState(TypedDict):
    """One client's route."""

    preferred: str | None
    can_answer: bool
    providers: dict[str, ProviderState]


class LoadedState(TypedDict):
    """What the reloader knows of the configuration.

    Attributes:
        loaded: when it was read, in seconds since the epoch.
        error: of the files as they stand; None if they are in force.
        succeeded: how often the configuration was read anew.
        failed: how often it could not be, because of an error.
    """

    fingerprint: str
    loaded: float
    error: str | None
    succeeded: int
    failed: int


class States(TypedDict):
    """What does not add up. Moments are seconds since the epoch, `lag` is in seconds."""

    now: float
    started: float
    process_started: float
    draining: bool
    lag: float
    configuration: LoadedState
    clients: dict[str, ClientState]


@frozen
class Snapshot:
    """The state of one moment."""

    counts: Counts
    states: States
