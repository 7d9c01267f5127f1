"""The JSON of `GET /status`. Its names are stable, and it shows no key."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from typing import Final

from clipal.config.client_token import ClientToken
from clipal.config.model import BaseURL, ClientConfig, Configuration, ProviderConfig
from clipal.providers.health_state import HealthState
from clipal.providers.tally import ANSWERED, BUG, DISCONNECTED
from clipal.status.document import (
    ClientReport,
    FailureReport,
    KeyReport,
    ProviderReport,
    Quantiles,
    StatusReport,
    TokenReport,
)
from clipal.status.snapshot import (
    ClientCounts,
    ClientState,
    Counts,
    FailureState,
    HistogramCounts,
    KeyState,
    ProviderCounts,
    ProviderState,
    Snapshot,
)

VERSION: Final = version("clipal")
_NO_FAILURES: Final = (ANSWERED, DISCONNECTED, BUG)
_NO_TIMES: Final[HistogramCounts] = {"counts": [], "total": 0.0}
_UNUSED_PROVIDER: Final[ProviderCounts] = {
    "attempts": 0,
    "outcomes": {},
    "failovers": {},
    "open_requests": 0,
    "first_byte": _NO_TIMES,
    "tokens": {},
}


def report(snapshot: Snapshot, configuration: Configuration) -> StatusReport:
    """The whole document.

    Parameters:
        configuration: in force; its providers are listed.
    """
    counts, states = snapshot.counts, snapshot.states
    loaded = states["configuration"]
    return {
        "version": VERSION,
        "started": moment(states["started"]),
        "uptime_seconds": round(states["now"] - states["started"], 3),
        "state": "draining" if states["draining"] else "serving",
        "workers": counts["workers"],
        "configuration": {
            "directory": str(configuration.directory),
            "fingerprint": loaded["fingerprint"],
            "loaded": moment(loaded["loaded"]),
            "error": loaded["error"],
        },
        "connections": counts["connections"],
        "open_requests": sum(each["open_requests"] for each in counts["clients"].values()),
        "client_tokens": [_token(each, counts) for each in configuration.settings.client_tokens],
        "clients": {
            prefix: _client(config, counts["clients"].get(prefix), states["clients"].get(prefix))
            for prefix, config in configuration.clients.items()
        },
    }


def _token(token: ClientToken, counts: Counts) -> TokenReport:
    used = counts["client_tokens"].get(token.name)
    statuses = [client["by_token"].get(token.name, {}) for client in counts["clients"].values()]
    return {
        "name": token.name,
        "clients": None if token.clients is None else sorted(token.clients),
        "status": token.status,
        "requests": sum(sum(each.values()) for each in statuses),
        "refused": 0 if used is None else sum(used["refused"].values()),
        "open_requests": 0 if used is None else used["open_requests"],
    }


def _client(config: ClientConfig, counts: ClientCounts | None, state: ClientState | None) -> ClientReport:
    tallies = {} if counts is None else counts["providers"]
    health = {} if state is None else state["providers"]
    return {
        "mode": config.mode.value,
        "pinned": config.pinned_provider,
        "preferred": None if state is None else state["preferred"],
        "can_answer": False if state is None else state["can_answer"],
        "requests": 0 if counts is None else counts["requests"],
        "failovers": sum(sum(each["failovers"].values()) for each in tallies.values()),
        "unanswered": 0 if counts is None else counts["unanswered"],
        "providers": [
            _provider(each, tallies.get(each.name, _UNUSED_PROVIDER), health.get(each.name) or _not_asked(each))
            for each in config.providers
        ],
    }


def _provider(config: ProviderConfig, counts: ProviderCounts, state: ProviderState) -> ProviderReport:
    outcomes, tokens, last, until = counts["outcomes"], counts["tokens"], state["last_failure"], state["until"]
    return {
        "name": config.name,
        "base_url": _shown_url(config.base_url),
        "priority": config.priority,
        "enabled": config.is_asked,
        "health": state["health"],
        "reason": state["reason"],
        "rests_seconds": round(state["rests_seconds"], 3),
        "until": None if until is None else moment(until),
        "keys": [_key(each) for each in state["keys"]],
        "attempts": counts["attempts"],
        "answers": outcomes.get(ANSWERED, 0),
        "failures": {reason: times for reason, times in outcomes.items() if reason not in _NO_FAILURES},
        "last_failure": None if last is None else _failure(last),
        "open_requests": counts["open_requests"],
        "first_byte_seconds": quantiles(state["recent"]),
        "tokens": {
            "input": tokens.get("input", 0),
            "cached_input": tokens.get("cached_input", 0),
            "output": tokens.get("output", 0),
        },
    }


def _not_asked(config: ProviderConfig) -> ProviderState:
    """The state of a provider that is not asked: it is disabled, or another provider is pinned."""
    healthy: KeyState = {"health": HealthState.CLOSED.value, "reason": None, "rests_seconds": 0.0}
    return {
        **healthy,
        "until": None,
        "keys": [healthy for _ in config.api_keys or ("",)],
        "last_failure": None,
        "recent": [],
    }


def _key(state: KeyState) -> KeyReport:
    return {
        "health": state["health"],
        "reason": state["reason"],
        "rests_seconds": round(state["rests_seconds"], 3),
    }


def _failure(last: FailureState) -> FailureReport:
    return {"reason": last["reason"], "status": last["status"], "at": moment(last["at"])}


def quantiles(values: Sequence[float]) -> Quantiles:
    """The median and the 99th percentile of `values`; None where there are no values."""
    if not values:
        return {"p50": None, "p99": None}
    ordered = sorted(values)
    last = len(ordered) - 1
    return {"p50": round(ordered[round(0.5 * last)], 4), "p99": round(ordered[round(0.99 * last)], 4)}


def _shown_url(url: BaseURL) -> str:
    """`url` without its query, which may hold a key."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    port = "" if url.port == (443 if url.scheme == "https" else 80) else f":{url.port}"
    return f"{url.scheme}://{host}{port}{url.path.decode('latin-1')}"


def moment(seconds: float) -> str:
    """Seconds since the epoch in ISO 8601, in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")
