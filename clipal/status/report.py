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
from clipal.status.counters import Plain, Snapshot

VERSION: Final = version("clipal")
_NO_FAILURES: Final = (ANSWERED, DISCONNECTED, BUG)
_NOTHING: Final[Plain] = {}


def report(snapshot: Snapshot, configuration: Configuration) -> Plain:
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
            prefix: _client(config, counts["clients"].get(prefix, _NOTHING), states["clients"].get(prefix, _NOTHING))
            for prefix, config in configuration.clients.items()
        },
    }


def _token(token: ClientToken, counts: Plain) -> Plain:
    used = counts["client_tokens"].get(token.name, _NOTHING)
    statuses = [client["by_token"].get(token.name, _NOTHING) for client in counts["clients"].values()]
    return {
        "name": token.name,
        "clients": None if token.clients is None else sorted(token.clients),
        "status": token.status,
        "requests": sum(sum(each.values()) for each in statuses),
        "refused": sum(used.get("refused", _NOTHING).values()),
        "open_requests": used.get("open_requests", 0),
    }


def _client(config: ClientConfig, counts: Plain, states: Plain) -> Plain:
    tallies, health = counts.get("providers", _NOTHING), states.get("providers", _NOTHING)
    return {
        "mode": config.mode.value,
        "pinned": config.pinned_provider,
        "preferred": states.get("preferred"),
        "can_answer": states.get("can_answer", False),
        "requests": counts.get("requests", 0),
        "failovers": sum(sum(each["failovers"].values()) for each in tallies.values()),
        "unanswered": counts.get("unanswered", 0),
        "providers": [
            _provider(each, tallies.get(each.name, _NOTHING), health.get(each.name, _NOTHING))
            for each in config.providers
        ],
    }


def _provider(config: ProviderConfig, counts: Plain, states: Plain) -> Plain:
    outcomes = counts.get("outcomes", _NOTHING)
    last, until = states.get("last_failure"), states.get("until")
    return {
        "name": config.name,
        "base_url": shown_url(config.base_url),
        "priority": config.priority,
        "enabled": config.is_asked,
        "health": states.get("health", HealthState.CLOSED.value),
        "reason": states.get("reason"),
        "rests_seconds": round(states.get("rests_seconds", 0.0), 3),
        "until": None if until is None else moment(until),
        "keys": [{**key, "rests_seconds": round(key["rests_seconds"], 3)} for key in states.get("keys", _keys(config))],
        "attempts": counts.get("attempts", 0),
        "answers": outcomes.get(ANSWERED, 0),
        "failures": {reason: times for reason, times in outcomes.items() if reason not in _NO_FAILURES},
        "last_failure": None if last is None else {**last, "at": moment(last["at"])},
        "open_requests": counts.get("open_requests", 0),
        "first_byte_seconds": quantiles(states.get("recent", ())),
        "tokens": {kind: counts.get("tokens", _NOTHING).get(kind, 0) for kind in ("input", "cached_input", "output")},
    }


def _keys(config: ProviderConfig) -> list[Plain]:
    """The keys of a provider that is not asked: it is disabled, or another provider is pinned."""
    return [
        {"health": HealthState.CLOSED.value, "reason": None, "rests_seconds": 0.0} for _ in config.api_keys or ("",)
    ]


def quantiles(values: Sequence[float]) -> Plain:
    """The median and the 99th percentile of `values`; None where there are no values."""
    ordered = sorted(values)
    last = len(ordered) - 1
    return {
        name: round(ordered[round(part * last)], 4) if ordered else None for name, part in (("p50", 0.5), ("p99", 0.99))
    }


def shown_url(url: BaseURL) -> str:
    """`url` without its query, which may hold a key."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    port = "" if url.port == (443 if url.scheme == "https" else 80) else f":{url.port}"
    return f"{url.scheme}://{host}{port}{url.path.decode('latin-1')}"


def moment(seconds: float) -> str:
    """Seconds since the epoch in ISO 8601, in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")
