"""The examples, the templates of `clipal init`, and the original's own files: all of them load."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from clipal.config.loader import check_configuration, load_configuration
from clipal.config.model import Configuration
from clipal.config.problems import Severity
from clipal.config.settings import CircuitBreaker, NotificationSettings, Settings
from clipal.dialects.registry import DIALECTS

CLIENTS = {dialect.prefix: dialect.config_file for dialect in DIALECTS}
EXAMPLES = Path(__file__).parents[2] / "examples"
RELEASES = sorted((Path(__file__).parents[1] / "released").iterdir())
NAMES = ("config.yaml", *CLIENTS.values())

ORIGINAL = """
listen_addr: 127.0.0.1
port: 3333
log_level: info # debug | info | warn | error
reactivate_after: 1h
upstream_idle_timeout: 3m
max_request_body_bytes: 33554432
log_dir: ""
log_retention_days: 7
log_stdout: true
ignore_count_tokens_failover: false
circuit_breaker:
  failure_threshold: 4
  success_threshold: 2
  open_timeout: 60s
  half_open_max_inflight: 1
notifications:
  enabled: false
  min_level: error
  provider_switch: true
"""
ORIGINAL_CLIENT = """
mode: auto # auto | manual
pinned_provider: "" # used when mode=manual

providers:
  - name: "anthropic-direct"
    base_url: "https://api.anthropic.com"
    api_key: "sk-ant-xxx"
    priority: 1
    enabled: true
  - name: "backup-provider"
    base_url: "https://backup.example.com"
    api_key: "sk-backup-xxx"
    priority: 3
    enabled: false
"""


def load(directory: Path) -> Configuration:
    return load_configuration(directory, CLIENTS)


@pytest.mark.parametrize("name", NAMES)
def test_the_templates_are_the_examples(name: str) -> None:
    assert (files("clipal.commands") / "templates" / name).read_text() == (EXAMPLES / name).read_text()


def test_the_examples_load() -> None:
    configuration = load(EXAMPLES)
    assert configuration.settings == Settings(log_dir=EXAMPLES / "logs")
    assert [len(client.providers) for client in configuration.clients.values()] == [2, 2, 2]


def test_what_the_template_comments_out_are_the_defaults(tmp_path: Path) -> None:
    lines = (EXAMPLES / "config.yaml").read_text().splitlines()
    optional = [line[2:] for line in lines if line.startswith(("#   ", "# ")) and yaml_key(line)]
    text = "\n".join(line for line in [*lines, *optional] if not line.startswith("#"))
    skipped = text
    for line in (
        "response_header_timeout: 2m",
        "nonstreaming_timeout: 10m",
        "first_event_timeout: 1m",
        "drain_timeout: 10s",
        'listen: ["tcp:3333:interface=127.0.0.1", "unix:clipal.sock"]',
        "tls: {certificate: server.pem, key: server.key}",
    ):
        skipped = skipped.replace(line + "\n", "")
    hosts = skipped.replace("allowed_hosts: [clipal.lan]\n", "").replace("status_listen: 127.0.0.1:9333\n", "")
    (tmp_path / "config.yaml").write_text(hosts.replace('allowed_origins: ["http://localhost:8080"]\n', ""))
    assert load(tmp_path).settings == Settings(log_dir=tmp_path / "logs")


def yaml_key(line: str) -> bool:
    """Whether a comment is a setting that is commented out."""
    word, colon, _ = line.removeprefix("#").strip().partition(":")
    known = {*Settings.__annotations__, *CircuitBreaker.__annotations__, *NotificationSettings.__annotations__}
    return bool(colon) and word in known


def test_the_originals_files_load_unchanged(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(ORIGINAL)
    (tmp_path / "claude-code.yaml").write_text(ORIGINAL_CLIENT)
    configuration = load(tmp_path)
    assert configuration.settings.upstream_idle_timeout == 180
    assert configuration.settings.circuit_breaker == CircuitBreaker(4, 60)
    assert [each.enabled for each in configuration.clients["claudecode"].providers] == [True, False]


def test_every_setting_is_in_the_template() -> None:
    text = (EXAMPLES / "config.yaml").read_text()
    assert all(f"{name}:" in text for name in Settings.__annotations__)
    assert isinstance(yaml.safe_load(text), dict)


@pytest.mark.parametrize("release", RELEASES, ids=lambda each: each.name)
def test_the_examples_of_every_release_load(release: Path, tmp_path: Path) -> None:
    """Copies: whoever began with them has them still."""
    for path in release.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
        (tmp_path / path.name).chmod(0o600)
    configuration, problems = check_configuration(tmp_path, CLIENTS)
    assert [each for each in problems if each.severity is Severity.ERROR or "unknown" in each.message] == []
    assert [len(client.providers) for client in configuration.clients.values()] == [2, 2, 2]
