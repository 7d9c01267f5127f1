"""examples/kubernetes.yaml: its parts fit each other, and clipal accepts the configuration in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from clipal.config.loader import check_configuration
from clipal.config.model import Configuration
from clipal.dialects.registry import DIALECTS

EXAMPLE = Path(__file__).parents[2] / "examples" / "kubernetes.yaml"
CLIENTS = {dialect.prefix: dialect.config_file for dialect in DIALECTS}


@pytest.fixture(scope="module")
def objects() -> dict[str, Any]:
    """By their kind."""
    return {each["kind"]: each for each in yaml.safe_load_all(EXAMPLE.read_text())}


@pytest.fixture
def configuration(objects: dict[str, Any], tmp_path: Path) -> Configuration:
    """What clipal reads there."""
    for name, value in objects["Secret"]["stringData"].items():
        (tmp_path / name).write_text(value.replace("your", "some"))
    for name, text in objects["ConfigMap"]["data"].items():
        (tmp_path / name).write_text(text.replace("/run/secrets/clipal", str(tmp_path)))
        (tmp_path / name).chmod(0o600)
    found, problems = check_configuration(tmp_path, CLIENTS)
    assert problems == ()
    return found


def test_clipal_serves_with_its_configuration(objects: dict[str, Any], configuration: Configuration) -> None:
    settings = configuration.settings
    assert [each.name for each in configuration.clients["claudecode"].providers] == ["anthropic"]
    assert {each.name for each in settings.client_tokens} == {"team", "prometheus"}
    assert settings.listens_beyond_loopback
    assert objects["Service"]["metadata"]["name"] in settings.allowed_hosts
    container = objects["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    assert container["ports"] == [{"name": "http", "containerPort": settings.port}]
    assert objects["Service"]["spec"]["ports"][0]["targetPort"] == "http"


def test_a_pod_has_the_time_to_drain(objects: dict[str, Any], configuration: Configuration) -> None:
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    waits = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    drain = configuration.settings.drain_timeout
    assert drain is not None
    assert pod["terminationGracePeriodSeconds"] > waits + drain


def test_a_drain_ends_new_requests_and_no_pod(objects: dict[str, Any]) -> None:
    container = objects["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    for probe in ("startupProbe", "readinessProbe"):
        asked = container[probe]["httpGet"]
        assert (asked["path"], asked["httpHeaders"]) == ("/health", [{"name": "Host", "value": "localhost"}])
    assert "httpGet" not in container["livenessProbe"]


def test_its_labels_and_volumes_name_one_another(objects: dict[str, Any]) -> None:
    template = objects["Deployment"]["spec"]["template"]
    labels = template["metadata"]["labels"]
    assert objects["Service"]["spec"]["selector"] == labels
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert objects[kind]["spec"]["selector"]["matchLabels"] == labels
    mounted = {each["name"] for each in template["spec"]["containers"][0]["volumeMounts"]}
    assert mounted == {each["name"] for each in template["spec"]["volumes"]}
