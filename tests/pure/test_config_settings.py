"""`config.yaml`, and what the command line says in its place: defaults, and what a key may be."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from clipal.config.model import ClientConfig, Configuration
from clipal.config.settings import (
    Affinity,
    CircuitBreaker,
    FailBack,
    FirstEventMode,
    LogLevel,
    NotificationSettings,
    Settings,
)
from tests.configuring import CLIENTS, SECRET, WHOLE, failing, load

# config.yaml


def test_without_files_there_are_defaults_and_no_providers(tmp_path: Path) -> None:
    assert load(tmp_path) == Configuration(
        tmp_path,
        Settings(log_dir=tmp_path / "logs"),
        {prefix: ClientConfig(tmp_path / name) for prefix, name in CLIENTS.items()},
        (f"{tmp_path}: no client has a provider; run `clipal init` to write templates",),
    )


def test_the_defaults_are_the_documented_ones(tmp_path: Path) -> None:
    assert load(tmp_path, "{}").settings == Settings(
        log_dir=tmp_path / "logs",
        listen_addr="127.0.0.1",
        port=3333,
        log_level=LogLevel.INFO,
        log_retention_days=7,
        log_stdout=True,
        reactivate_after=3600,
        connect_timeout=10,
        response_header_timeout=None,
        nonstreaming_timeout=None,
        upstream_idle_timeout=300,
        first_event=FirstEventMode.ON,
        first_event_timeout=None,
        max_request_body_bytes=32 * 1024 * 1024,
        max_buffered_bytes=512 * 1024 * 1024,
        client_idle_timeout=600,
        ignore_count_tokens_failover=False,
        affinity=Affinity.SESSION,
        failback=FailBack.NEW_SESSIONS,
        failback_after=300,
        circuit_breaker=CircuitBreaker(),
        notifications=NotificationSettings(),
        allowed_hosts=(),
        allowed_origins=(),
    )


GOOD = [
    ("listen_addr: 0.0.0.0", "0.0.0.0"),
    ("listen_addr: localhost", "127.0.0.1"),
    ("listen_addr: '::1'", "::1"),
    ("listen_addr: '[::1]'", "::1"),
    ("status_listen: 127.0.0.1:9333", ("127.0.0.1", 9333)),
    ("status_listen: localhost:1", ("127.0.0.1", 1)),
    ("status_listen: '[::1]:65535'", ("::1", 65535)),
    ("status_listen: unix:/run/clipal/status.sock", Path("/run/clipal/status.sock")),
    ("port: 1", 1),
    ("port: 65535", 65535),
    ("log_level: debug", LogLevel.DEBUG),
    ("log_level: WARN", LogLevel.WARN),
    ("log_retention_days: 0", 0),
    ("log_stdout: false", False),
    ("reactivate_after: 0", 0.0),
    ("reactivate_after: 30m", 1800.0),
    ("connect_timeout: '5s'", 5.0),
    ("response_header_timeout: 2m", 120.0),
    ("nonstreaming_timeout: 1h30m", 5400.0),
    ("upstream_idle_timeout: 250ms", 0.25),
    ("first_event: on", FirstEventMode.ON),
    ("first_event: off", FirstEventMode.OFF),
    ("first_event: shadow", FirstEventMode.SHADOW),
    ("first_event_timeout: 1s", 1.0),
    ("max_request_body_bytes: 1", 1),
    ("max_buffered_bytes: 1", 1),
    ("client_idle_timeout: 0", 0),
    ("max_request_body_bytes: 33_554_432", 32 * 1024 * 1024),
    ("ignore_count_tokens_failover: yes", True),
    ("affinity: client", Affinity.CLIENT),
    ("failback: never", FailBack.NEVER),
    ("failback: always", FailBack.ALWAYS),
    ("failback_after: 1m", 60.0),
    ("allowed_hosts: []", ()),
    ("allowed_hosts: [Clipal.LAN, 10.0.0.1, '[fd00::1]']", ("clipal.lan", "10.0.0.1", "fd00::1")),
    ("allowed_origins: ['http://LOCALHOST:8080/', 'null://x']", ("http://localhost:8080", "null://x")),
    ("circuit_breaker: {}", CircuitBreaker()),
    ("circuit_breaker: {failure_threshold: 0, open_timeout: 5m}", CircuitBreaker(0, 300.0)),
    ("circuit_breaker: {success_threshold: 2, half_open_max_inflight: 3}", CircuitBreaker()),
    ("notifications: {}", NotificationSettings()),
    (
        "notifications: {enabled: true, min_level: warn, provider_switch: false}",
        NotificationSettings(True, LogLevel.WARN, False),
    ),
]


@pytest.mark.parametrize(("line", "value"), GOOD, ids=[line for line, _ in GOOD])
def test_a_setting_is_read(tmp_path: Path, line: str, value: object) -> None:
    values: dict[str, Any] = {line.partition(":")[0]: value}
    assert load(tmp_path, line).settings == evolve(Settings(log_dir=tmp_path / "logs"), **values)


@pytest.mark.parametrize(
    ("value", "directory"),
    [
        ("", "logs"),
        ('""', "logs"),
        ("elsewhere", "elsewhere"),
        ("../up", "../up"),
        ("/var/log/clipal", "/var/log/clipal"),
    ],
)
def test_the_log_directory_is_relative_to_the_files(tmp_path: Path, value: str, directory: str) -> None:
    text = f"log_dir: {value or 'logs'}"
    assert load(tmp_path, text).settings.log_dir == tmp_path / directory


def test_the_log_directory_may_be_in_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert load(tmp_path, "log_dir: ~/logs").settings.log_dir == Path("/home/me/logs")


def test_a_socket_is_relative_to_the_files(tmp_path: Path) -> None:
    assert load(tmp_path, "status_listen: unix:status.sock").settings.status_listen == tmp_path / "status.sock"


DURATION = "duration"
BAD = [
    ("listen_addr", "example.com", "must be an IP address"),
    ("listen_addr", "127.0.0.1:80", "must be an IP address"),
    ("listen_addr", "1", "must be text"),
    ("listen_addr", "''", "must be an IP address"),
    ("listen_addr", "[127.0.0.1]", "must be text"),
    ("port", "0", "must be a whole number from 1 to 65535"),
    ("port", "65536", WHOLE),
    ("port", "-1", WHOLE),
    ("port", "'3333'", WHOLE),
    ("port", "33.5", WHOLE),
    ("port", "12:30", WHOLE),
    ("port", "true", WHOLE),
    ("port", "1:30", WHOLE),
    ("port", "", WHOLE),
    ("port", "1" * 70, WHOLE),
    ("port", "[3333]", WHOLE),
    ("status_listen", "9333", "must be text"),
    ("status_listen", "':9333'", "must be an IP address"),
    ("status_listen", "127.0.0.1", "must be an address and a port"),
    ("status_listen", "127.0.0.1:0", "must be an address and a port"),
    ("status_listen", "127.0.0.1:65536", "must be an address and a port"),
    ("status_listen", "example.com:9333", "must be an IP address"),
    ("status_listen", "'unix:'", "must be unix: and the path of a socket"),
    ("log_level", "verbose", "must be one of debug, info, warn, error"),
    ("log_level", "[debug]", "must be one of"),
    ("log_dir", "1", "must be text"),
    ("log_dir", "true", "must be text"),
    ("log_dir", "", "must be text"),
    ("log_dir", "~nobody-of-this-name/logs", "who has no home directory"),
    ("log_dir", '"a\\0b"', "printable characters"),
    ("log_retention_days", "-1", "must be a whole number of at least 0"),
    ("log_retention_days", "7d", WHOLE),
    ("log_stdout", "1", "must be true or false"),
    ("log_stdout", "'true'", "must be true or false"),
    ("log_stdout", "", "must be true or false"),
    ("reactivate_after", "60", "needs a unit"),
    ("connect_timeout", "-1s", DURATION),
    ("response_header_timeout", "soon", DURATION),
    ("nonstreaming_timeout", "", DURATION),
    ("upstream_idle_timeout", "[1s]", DURATION),
    ("first_event_timeout", "1:30", DURATION),
    ("failback_after", "999999h", "more than ten years"),
    ("first_event", "true", "must be one of on, shadow, off"),
    ("first_event", "maybe", "must be one of on, shadow, off"),
    ("max_buffered_bytes", "0", "must be a whole number of at least 1"),
    ("client_idle_timeout", "10", DURATION),
    ("max_request_body_bytes", "0", "must be a whole number of at least 1"),
    ("max_request_body_bytes", "32MiB", WHOLE),
    ("ignore_count_tokens_failover", "2", "must be true or false"),
    ("affinity", "cookie", "must be one of session, client"),
    ("failback", "on", "must be one of never, new_sessions, always"),
    ("allowed_hosts", "clipal.lan", "must be a list"),
    ("allowed_hosts", "[clipal.lan:80]", "without a port"),
    ("allowed_hosts", "['http://clipal.lan']", "must be a host"),
    ("allowed_hosts", "['*']", "must be a host"),
    ("allowed_hosts", "['']", "must be a host"),
    ("allowed_hosts", "[1]", "must be text"),
    ("allowed_hosts", "[[a]]", "must be text"),
    ("allowed_origins", "['localhost:8080']", "must be an origin"),
    ("allowed_origins", "['http://a/b']", "must be an origin"),
    ("allowed_origins", "['*']", "must be an origin"),
    ("allowed_origins", "['null']", "must be an origin"),
    ("allowed_origins", "{a: b}", "must be a list"),
    ("circuit_breaker", "", "must be a mapping"),
    ("circuit_breaker", "4", "must be a mapping"),
    ("notifications", "[]", "must be a mapping"),
]


@pytest.mark.parametrize(("key", "value", "problem"), BAD, ids=[f"{key}={value}" for key, value, _ in BAD])
def test_a_wrong_setting_is_named_with_file_and_line(tmp_path: Path, key: str, value: str, problem: str) -> None:
    error = failing(tmp_path, f"# first\n{key}: {value}\n")
    assert str(error).startswith(f"{tmp_path}/config.yaml:2: {key}: ")
    assert problem in error.text


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        ("circuit_breaker:\n  failure_threshold: -1", "circuit_breaker.failure_threshold", WHOLE),
        ("circuit_breaker:\n  open_timeout: 5", "circuit_breaker.open_timeout", "unit"),
        ("circuit_breaker:\n  success_threshold: 0", "circuit_breaker.success_threshold", WHOLE),
        ("circuit_breaker:\n  half_open_max_inflight: x", "circuit_breaker.half_open_max_inflight", WHOLE),
        ("circuit_breaker:\n  open_time: 5s", "circuit_breaker.open_time", "did you mean open_timeout?"),
        ("notifications:\n  enabled: 1", "notifications.enabled", "must be true or false"),
        ("notifications:\n  min_level: all", "notifications.min_level", "must be one of"),
        ("notifications:\n  provider_switch: x", "notifications.provider_switch", "must be true or false"),
        ("notifications:\n  url: x", "notifications.url", "known are enabled, min_level, provider_switch"),
        ("port: 1\nprot: 2", "prot", "unknown key; did you mean port?"),
        ("port: 1\nconnection_timeout: 2s", "connection_timeout", "did you mean connect_timeout?"),
        ("port: 1\nproviders: []", "providers", "unknown key"),
        ("port: 1\nzzz: 2", "zzz", "known are affinity, allowed_hosts"),
        ("port: 1\nport: 1", "port", "already set in line 1"),
        (f"port: 1\n{SECRET}: 2", "a key", "unknown key"),
    ],
)
def test_what_is_wrong_is_named_with_file_line_and_key(tmp_path: Path, text: str, key: str, problem: str) -> None:
    error = failing(tmp_path, text)
    assert str(error).startswith(f"{tmp_path}/config.yaml:2: {key}: ")
    assert problem in error.text


def test_a_key_of_a_quarter_of_a_mebibyte_is_refused_soon(tmp_path: Path) -> None:
    lines = "".join("  " + "port secret " * 600 + "\n" for _ in range(33))
    began = time.process_time()
    error = failing(tmp_path, f"? {lines}: 1\n")
    assert time.process_time() - began < 1
    assert "a key: unknown key" in str(error)


# The command line


def test_the_command_line_overrides_the_file(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        "listen_addr: 10.0.0.1\nport: 1\nlog_level: warn",
        listen_addr="localhost",
        port="0",
        log_level="DEBUG",
    ).settings
    assert (settings.listen_addr, settings.port, settings.log_level) == ("127.0.0.1", 0, LogLevel.DEBUG)


@pytest.mark.parametrize(
    ("overrides", "option", "problem"),
    [
        ({"port": "x"}, "--port", "must be a whole number from 0 to 65535"),
        ({"port": ""}, "--port", WHOLE),
        ({"port": "-"}, "--port", WHOLE),
        ({"port": "1:30"}, "--port", WHOLE),
        ({"port": "010"}, "--port", WHOLE),
        ({"port": "+"}, "--port", WHOLE),
        ({"port": "65536"}, "--port", WHOLE),
        ({"port": "-1"}, "--port", WHOLE),
        ({"listen_addr": "example.com"}, "--listen-addr", "must be an IP address"),
        ({"listen_addr": ""}, "--listen-addr", "must be an IP address"),
        ({"log_level": "loud"}, "--log-level", "must be one of"),
    ],
)
def test_a_wrong_option_is_named(tmp_path: Path, overrides: dict[str, str], option: str, problem: str) -> None:
    error = failing(tmp_path, **overrides)
    assert str(error).startswith(f"{option}: ")
    assert problem in error.text
