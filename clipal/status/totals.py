"""The sum of several processes' snapshots."""

from __future__ import annotations

from collections.abc import Hashable
from functools import reduce
from typing import Any, Final

from clipal.providers.tally import RECENT
from clipal.status.snapshot import ClientState, Counts, LoadedState, ProviderState, Snapshot, States

_GAUGES: Final = ("connections", "open_requests", "process", "workers")
"""Counts that end with their process."""


def added(first: Snapshot, second: Snapshot) -> Snapshot:
    """One snapshot of two processes together."""
    return Snapshot(add_counts(first.counts, second.counts), _join(first.states, second.states))


def add_counts(first: Any, second: Any) -> Any:
    """The sum of two numbers, of two lists place by place, or of two dictionaries name by name."""
    if isinstance(first, dict):
        one_sided = {key: value for each in (second, first) for key, value in each.items()}
        return {
            key: add_counts(first[key], second[key]) if key in first and key in second else value
            for key, value in one_sided.items()
        }
    if isinstance(first, list):
        return [add_counts(*pair) for pair in zip(first, second, strict=True)]
    return first + second


def ended(counts: Any) -> Any:
    """The counts of a process that has ended, without those of what was open then."""
    if isinstance(counts, dict):
        return {key: ended(value) for key, value in counts.items() if key not in _GAUGES}
    return counts


def _join(first: States, second: States) -> States:
    one, other = first["configuration"], second["configuration"]
    latest = max(one, other, key=lambda each: (each["error"] is not None, each["loaded"]))
    clients = {**second["clients"], **first["clients"]}
    both = first["clients"].keys() & second["clients"].keys()
    return {
        "now": max(first["now"], second["now"]),
        "started": min(first["started"], second["started"]),
        "process_started": min(first["process_started"], second["process_started"]),
        "draining": first["draining"] and second["draining"],
        "lag": max(first["lag"], second["lag"]),
        "configuration": {
            **latest,
            "succeeded": max(one["succeeded"], other["succeeded"]),
            "failed": max(one["failed"], other["failed"]),
        },
        "clients": clients | {key: _join_clients(first["clients"][key], second["clients"][key]) for key in both},
    }


def _join_clients(first: ClientState, second: ClientState) -> ClientState:
    providers = {**second["providers"], **first["providers"]}
    both = first["providers"].keys() & second["providers"].keys()
    return {
        "preferred": first["preferred"],
        "can_answer": first["can_answer"] or second["can_answer"],
        "providers": providers
        | {key: _join_providers(first["providers"][key], second["providers"][key]) for key in both},
    }


def _join_providers(first: ProviderState, second: ProviderState) -> ProviderState:
    """Each process has its own view of a provider: the longer cooldown counts, and the later failure."""
    worse = max(first, second, key=lambda each: each["rests_seconds"])
    failures = [each["last_failure"] for each in (first, second) if each["last_failure"] is not None]
    return {
        **worse,
        "last_failure": max(failures, key=lambda each: each["at"], default=None),
        "recent": (first["recent"] + second["recent"])[-RECENT:],
    }


class CommonCount:
    """The number of events that all workers see and each worker counts for itself, such as changes of the files.

    Attributes:
        total: the highest number so far. A worker that begins later goes on from it.
    """

    def __init__(self) -> None:
        self.total = 0
        self._before: dict[Hashable, int] = {}

    def update(self, worker: Hashable, own: int) -> None:
        """A worker has counted `own` events since it began."""
        before = self._before.setdefault(worker, max(0, self.total - own))
        self.total = max(self.total, before + own)

    def end(self, worker: Hashable) -> None:
        """A worker has ended."""
        self._before.pop(worker, None)


class Totals:
    """The workers' numbers, as their parent knows them.

    Parameters:
        started: when the parent began, in seconds since the epoch.

    Attributes:
        succeeded: how often the parent has let its workers read the configuration anew.
        failed: how often it did not, because the configuration was wrong.
    """

    def __init__(self, started: float) -> None:
        self._started = started
        self._last: dict[Hashable, Snapshot] = {}
        self._ended: Any = {}
        self._succeeded, self._failed = CommonCount(), CommonCount()
        self.succeeded = self.failed = 0

    def update(self, worker: Hashable, counts: Counts, states: States) -> None:
        """A worker has told its numbers, which replace those that it told before."""
        self._last[worker] = Snapshot(counts, states)
        self._succeeded.update(worker, states["configuration"]["succeeded"])
        self._failed.update(worker, states["configuration"]["failed"])

    def end(self, worker: Hashable) -> None:
        """A worker has ended: what it counted stays."""
        self._succeeded.end(worker)
        self._failed.end(worker)
        last = self._last.pop(worker, None)
        if last is not None:
            self._ended = add_counts(self._ended, ended(last.counts))

    def snapshot(self) -> Snapshot | None:
        """The sum of all workers; None as long as no worker has told its numbers."""
        if not self._last:
            return None
        found = reduce(added, self._last.values())
        configuration: LoadedState = {
            **found.states["configuration"],
            "succeeded": self._succeeded.total + self.succeeded,
            "failed": self._failed.total + self.failed,
        }
        states: States = {**found.states, "started": self._started, "configuration": configuration}
        return Snapshot(add_counts(self._ended, found.counts), states)
