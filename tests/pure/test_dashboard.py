"""The examples for Prometheus and Grafana: they name the metrics that there are, and Prometheus' tool takes them."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from clipal.status.metrics import Metrics
from tests.pure.test_counters import provider_state, snapshot
from tests.seen import PROMTOOL, Samples

EXAMPLES = Path(__file__).parents[2] / "examples"
DASHBOARD = json.loads((EXAMPLES / "grafana.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]
ALERTS = EXAMPLES / "alerts.yaml"
NAME = re.compile(r"\b(?:clipal|process)_[a-z_]+")


@pytest.fixture(scope="module")
def names() -> set[str]:
    """Of all samples of a process that has something to say of everything."""
    full = snapshot(provider_state(0, None))
    full.counts["process"] = dict.fromkeys(
        ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_max_fds"], 1.0
    )
    full.counts["clients"]["codex"]["providers"]["one"]["failovers"] = {"auth": 1}
    return Samples(Metrics(lambda: full).text()).names


def test_the_dashboard_shows_every_metric_and_no_other(names: set[str]) -> None:
    shown = set(NAME.findall(" ".join(EXPRESSIONS)))
    assert shown <= names
    ours = {re.sub("_(bucket|sum|count)$", "", name) for name in names if name.startswith("clipal_")}
    assert ours == {re.sub("_(bucket|sum|count)$", "", name) for name in shown if name.startswith("clipal_")}


def test_the_dashboard_can_be_imported() -> None:
    """What Grafana asks of one: a title, a schema, ids of its panels, and a place for each."""
    assert DASHBOARD["title"] == "clipal"
    assert DASHBOARD["schemaVersion"] >= 39
    assert DASHBOARD["id"] is None, "else it would replace another one"
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    places = [set(cells(panel["gridPos"])) for panel in DASHBOARD["panels"]]
    assert sum(map(len, places)) == len(set().union(*places)), "no panel lies on another"
    assert all(panel["title"] and panel["description"] for panel in PANELS)
    variables = {each["name"] for each in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$(\w+)", " ".join(EXPRESSIONS))) - {"__rate_interval"}
    assert used | {"datasource"} == variables


def cells(place: dict[str, int]) -> list[tuple[int, int]]:
    assert place["x"] + place["w"] <= 24
    columns, rows = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
    return [(column, row) for column in columns for row in rows]


def test_alerts_name_the_metrics_that_there_are(names: set[str]) -> None:
    rules: list[dict[str, Any]] = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
    assert set(NAME.findall(" ".join(rule["expr"] for rule in rules))) <= names
    assert all(rule["annotations"].keys() == {"summary", "description"} for rule in rules)
    assert {rule["labels"]["severity"] for rule in rules} == {"critical", "warning"}


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
def test_prometheus_own_tool_takes_the_alerts_and_the_dashboards_expressions(tmp_path: Path) -> None:
    plain = [re.sub(r"\$__\w+", "5m", each) for each in EXPRESSIONS]
    rules = [{"record": f"panel:{number}", "expr": each} for number, each in enumerate(plain)]
    (tmp_path / "panels.yaml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    for path in (ALERTS, tmp_path / "panels.yaml"):
        checked = subprocess.run([str(PROMTOOL), "check", "rules", str(path)], capture_output=True, text=True)
        assert (checked.returncode, checked.stderr) == (0, ""), checked.stdout


def test_the_documentation_names_every_metric(names: set[str]) -> None:
    text = (EXAMPLES.parent / "docs" / "monitoring.md").read_text()
    ours = {re.sub("_(bucket|sum|count)$", "", name) for name in names if name.startswith("clipal_")}
    assert ours <= set(re.findall(r"`(clipal_\w+)`", text))
