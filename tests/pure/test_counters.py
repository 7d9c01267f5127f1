"""The snapshots of several processes, added up; and what is measured by a clock."""

from __future__ import annotations

import json
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from clipal.providers.tally import BOUNDS, REASONS, RECENT, ClientTally, Histogram
from clipal.status.lag import LOOKS, ReactorLag
from clipal.status.metrics import Metrics
from clipal.status.report import quantiles
from clipal.status.snapshot import ClientCounts, Counts, FailureState, LoadedState, ProviderState, Snapshot, States
from clipal.status.totals import Totals, add_counts, added, ended
from tests.seen import Samples


def provider_state(rests: float, failed_at: float | None, *recent: float) -> ProviderState:
    last: FailureState | None = None if failed_at is None else {"reason": "auth", "status": 401, "at": failed_at}
    health, reason = ("open", "auth") if rests else ("closed", None)
    return {
        "health": health,
        "reason": reason,
        "rests_seconds": rests,
        "until": 100 + rests if rests else None,
        "keys": [],
        "last_failure": last,
        "recent": list(recent),
    }


def snapshot(
    provider: ProviderState,
    *,
    requests: int = 1,
    lag: float = 0.0,
    draining: bool = False,
    succeeded: int = 1,
    failed: int = 0,
    error: str | None = None,
) -> Snapshot:
    client: ClientCounts = {
        "requests": requests,
        "statuses": {"200": requests},
        "unanswered": 0,
        "open_requests": 1,
        "request_bytes": 10,
        "response_bytes": 100,
        "duration": {"counts": [requests, *[0] * len(BOUNDS)], "total": 0.5},
        "by_token": {"anna": {"200": requests}},
        "providers": {
            "one": {
                "attempts": requests,
                "outcomes": {"answered": requests},
                "failovers": {},
                "open_requests": 1,
                "first_byte": {"counts": [requests, *[0] * len(BOUNDS)], "total": 0.25},
                "tokens": {"input": 7, "cached_input": 5, "output": 3},
            }
        },
    }
    counts: Counts = {
        "workers": 1,
        "connections": 2,
        "refused": {"host": 1},
        "client_tokens": {"anna": {"refused": {"429": 1}, "open_requests": 1}},
        "log_lines_dropped": 4,
        "process": {"process_resident_memory_bytes": 1000.0},
        "clients": {"codex": client},
    }
    configuration: LoadedState = {
        "fingerprint": "a",
        "loaded": 50.0,
        "error": error,
        "succeeded": succeeded,
        "failed": failed,
    }
    states: States = {
        "now": 100.0,
        "started": 10.0,
        "process_started": 9.0,
        "draining": draining,
        "lag": lag,
        "configuration": configuration,
        "clients": {"codex": {"preferred": "one", "can_answer": True, "providers": {"one": provider}}},
    }
    return Snapshot(counts, states)


def test_counts_add_up_and_a_provider_is_as_its_longest_cooldown_says() -> None:
    one = snapshot(provider_state(0, 80.0, 0.1), requests=2, lag=0.2)
    other = snapshot(provider_state(30, 90.0, 0.3), requests=3, lag=0.1, failed=2, error="codex.yaml: wrong")
    both = added(one, other)
    client = both.counts["clients"]["codex"]
    assert (both.counts["workers"], both.counts["connections"], client["requests"]) == (2, 4, 5)
    assert client["duration"]["counts"][0] == client["statuses"]["200"] == 5
    assert both.states["lag"] == 0.2
    assert both.states["configuration"]["error"] == "codex.yaml: wrong"
    assert both.states["configuration"]["failed"] == 2, "all of them read the same files"
    provider = both.states["clients"]["codex"]["providers"]["one"]
    assert (provider["health"], provider["rests_seconds"]) == ("open", 30)
    assert provider["last_failure"] == {"reason": "auth", "status": 401, "at": 90.0}
    assert provider["recent"] == [0.1, 0.3]
    assert both.states["draining"] is False


def test_a_service_drains_when_all_of_its_processes_do() -> None:
    well = provider_state(0, None)
    draining, serving = snapshot(well, draining=True), snapshot(well)
    assert added(draining, draining).states["draining"]
    assert not added(draining, serving).states["draining"]


def test_what_a_process_counted_outlives_it_and_what_was_open_does_not() -> None:
    one = snapshot(provider_state(0, None), requests=2)
    counts = add_counts(ended(one.counts), one.counts)
    assert (counts["workers"], counts["connections"]) == (1, 2)
    assert counts["process"] == one.counts["process"]
    client = counts["clients"]["codex"]
    assert (client["requests"], client["open_requests"], client["providers"]["one"]["attempts"]) == (4, 1, 4)
    assert client["providers"]["one"]["open_requests"] == 1
    assert counts["refused"] == {"host": 2}
    assert counts["client_tokens"] == {"anna": {"refused": {"429": 2}, "open_requests": 1}}


@pytest.fixture
def totals() -> Totals:
    """The parent's, which began before its workers."""
    return Totals(started=5.0)


def report_of(totals: Totals, worker: str, **values: Any) -> None:
    said = snapshot(provider_state(0, None), **values)
    totals.update(worker, said.counts, said.states)


def shown(totals: Totals) -> Snapshot:
    found = totals.snapshot()
    assert found is not None
    return found


def test_before_a_worker_has_reported_there_are_no_totals(totals: Totals) -> None:
    assert totals.snapshot() is None


def test_a_report_takes_the_place_of_the_one_before(totals: Totals) -> None:
    report_of(totals, "one", requests=2)
    report_of(totals, "two", requests=3)
    report_of(totals, "one", requests=4)
    both = shown(totals)
    assert both.counts["clients"]["codex"]["requests"] == 7
    assert both.counts["workers"] == 2
    assert both.states["started"] == 5.0


def test_a_worker_that_ends_leaves_what_it_counted_and_takes_what_it_had_open(totals: Totals) -> None:
    report_of(totals, "one", requests=2)
    report_of(totals, "two", requests=3)
    totals.end("one")
    totals.end("one")
    totals.end("three, which never reported")
    left = shown(totals)
    assert left.counts["clients"]["codex"]["requests"] == 5
    assert left.counts["clients"]["codex"]["open_requests"] == 1
    assert (left.counts["workers"], left.counts["connections"]) == (1, 2)


def test_loads_of_the_configuration_are_counted_once_and_never_fewer(totals: Totals) -> None:
    """All workers load the same files, and those that begin later go on from there."""
    counted = []
    for worker, succeeded in (("one", 0), ("two", 0), ("one", 2), ("two", 2), ("three", 0), ("three", 1)):
        report_of(totals, worker, succeeded=succeeded, failed=succeeded)
        counted.append(shown(totals).states["configuration"]["succeeded"])
    assert counted == [0, 0, 2, 2, 2, 3]
    totals.end("one")
    totals.end("two")
    totals.succeeded += 1  # the parent's own, for which it lets workers begin afresh
    loaded = shown(totals).states["configuration"]
    assert (loaded["succeeded"], loaded["failed"]) == (4, 3)


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(0, 9)), min_size=1))
def test_counts_of_any_names_add_up(each: list[dict[str, int]]) -> None:
    together = reduce(add_counts, each)
    assert together == {name: sum(one.get(name, 0) for one in each) for name in {key for one in each for key in one}}


def test_a_snapshot_is_plain_data_that_passes_between_processes_as_json() -> None:
    one = snapshot(provider_state(3, 1.0, 0.5))
    assert Snapshot(**json.loads(json.dumps({"counts": one.counts, "states": one.states}))) == one


def test_metrics_of_what_no_single_request_shows() -> None:
    both = added(snapshot(provider_state(0, None), lag=0.4), snapshot(provider_state(0, None)))
    found = Samples(Metrics(lambda: both).text())
    assert found("clipal_token_requests_total", token="anna", status="200") == 2
    assert found("clipal_token_requests_total", token="anna", status="429") == 2
    assert found("clipal_tokens_total", client="codex", provider="one", kind="input") == 14
    assert found("clipal_tokens_total", client="codex", provider="one", kind="cached_input") == 10
    assert found("clipal_tokens_total", client="codex", provider="one", kind="output") == 6
    assert found("clipal_log_lines_dropped_total") == 8
    assert found("clipal_reactor_lag_seconds") == 0.4
    assert found("process_resident_memory_bytes") == 2000


def test_requests_that_brought_a_token_are_counted_by_its_name() -> None:
    tally = ClientTally()
    for status, token in ((200, "anna"), (200, "anna"), (429, "anna"), (200, None)):
        tally.began()
        tally.ended(status, 0.1, 0, 0, token)
    assert tally.by_token == {"anna": {200: 2, 429: 1}}
    assert (tally.statuses, tally.open_requests) == ({200: 3, 429: 1}, 0)


@pytest.mark.parametrize(("seconds", "bucket"), [(0, 0), (0.01, 0), (0.011, 1), (1200, 16), (1201, 17)])
def test_a_time_is_in_the_first_bucket_that_is_not_below_it(seconds: float, bucket: int) -> None:
    histogram = Histogram()
    histogram.observe(seconds)
    assert histogram.counts.index(1) == bucket
    assert histogram.total == seconds


@pytest.mark.parametrize(
    ("values", "p50", "p99"),
    [([], None, None), ([2.0], 2.0, 2.0), ([3.0, 1.0, 2.0], 2.0, 3.0), ([0.1] * 99 + [9.0], 0.1, 0.1)],
)
def test_quantiles(values: list[float], p50: float | None, p99: float | None) -> None:
    assert quantiles(values) == {"p50": p50, "p99": p99}


def test_times_to_first_byte_are_bounded_in_memory() -> None:
    tally = ClientTally().provider("one")
    for number in range(10 * RECENT):
        tally.handed_on(float(number))
    assert len(tally.recent) == RECENT
    assert min(tally.recent) == 9 * RECENT
    assert sum(tally.first_byte.counts) == 10 * RECENT


def test_reasons_are_bounded_whatever_they_are() -> None:
    tally = ClientTally().provider("one")
    for number in range(10 * REASONS):
        tally.began()
        tally.failed(f"reason {number}", None, 0.0)
        tally.failed_over(f"reason {number}")
    assert len(tally.outcomes) == len(tally.failovers) == REASONS + 1
    assert tally.outcomes["other"] == 9 * REASONS


# Lag


def test_an_event_loop_that_keeps_time_has_no_lag() -> None:
    clock = Clock()
    lag = ReactorLag(clock)
    lag.startService()
    clock.pump([0.25] * 400)
    assert lag.seconds == 0
    lag.stopService()


def test_one_late_look_is_the_lag_for_a_while() -> None:
    clock = Clock()
    lag = ReactorLag(clock)
    lag.startService()
    clock.pump([1.0, 1.0, 3.5])
    assert lag.seconds == pytest.approx(2.5), "it was due a second after the look before"
    clock.pump([0.5] + [1.0] * (LOOKS - 2))
    assert lag.seconds == pytest.approx(2.5)
    clock.pump([1.0])
    assert lag.seconds == 0
    lag.stopService()
