"""The four files as one configuration: each key's default, what it may be, and errors as FILE:LINE: KEY: problem."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from clipal.config.loader import Overrides, load_configuration
from clipal.config.model import (
    Affinity,
    BaseURL,
    Carrier,
    CircuitBreaker,
    ClientConfig,
    Configuration,
    FailBack,
    FirstEvent,
    LogLevel,
    Mode,
    Notifications,
    ProviderConfig,
    Settings,
)
from clipal.config.nodes import ConfigurationError

CLIENTS = {"claudecode": "claude-code.yaml", "codex": "codex.yaml"}
SECRET = "sk-ant-api03-Secret"


def load(directory: Path, config: str | None = None, client: str | None = None, **overrides: str) -> Configuration:
    for name, text in (("config.yaml", config), ("claude-code.yaml", client)):
        if text is not None:
            (directory / name).write_text(text)
            (directory / name).chmod(0o600)
    return load_configuration(directory, CLIENTS, Overrides(**overrides))


def failing(
    directory: Path, config: str | None = None, client: str | None = None, **overrides: str
) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as raised:
        load(directory, config, client, **overrides)
    assert "ecret" not in str(raised.value)
    return raised.value


def provider(directory: Path, *lines: str) -> ProviderConfig:
    """The one provider that has these lines beside its name, URL and key."""
    (only,) = load(directory, client=client_file(*lines)).clients["claudecode"].providers
    return only


def client_file(*lines: str) -> str:
    first = "providers:\n  - name: one\n    base_url: https://one.example\n    api_key: k1\n"
    return first + "".join(f"    {line}\n" for line in lines)


# config.yaml


def test_without_files_there_are_defaults_and_no_providers(tmp_path: Path) -> None:
    assert load(tmp_path) == Configuration(
        tmp_path,
        Settings(log_dir=tmp_path / "logs"),
        {prefix: ClientConfig(tmp_path / name) for prefix, name in CLIENTS.items()},
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
        first_event=FirstEvent.ON,
        first_event_timeout=None,
        max_request_body_bytes=32 * 1024 * 1024,
        ignore_count_tokens_failover=False,
        affinity=Affinity.SESSION,
        failback=FailBack.NEW_SESSIONS,
        failback_after=300,
        circuit_breaker=CircuitBreaker(),
        notifications=Notifications(),
        allowed_hosts=(),
        allowed_origins=(),
    )


GOOD = [
    ("listen_addr: 0.0.0.0", "0.0.0.0"),
    ("listen_addr: localhost", "127.0.0.1"),
    ("listen_addr: '::1'", "::1"),
    ("listen_addr: '[::1]'", "::1"),
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
    ("first_event: on", FirstEvent.ON),
    ("first_event: off", FirstEvent.OFF),
    ("first_event: shadow", FirstEvent.SHADOW),
    ("first_event_timeout: 1s", 1.0),
    ("max_request_body_bytes: 1", 1),
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
    ("notifications: {}", Notifications()),
    (
        "notifications: {enabled: true, min_level: warn, provider_switch: false}",
        Notifications(True, LogLevel.WARN, False),
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


DURATION = "duration"
WHOLE = "must be a whole number"
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
    assert problem in error.problem


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
    assert problem in error.problem


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
    assert problem in error.problem


# A client's file


def test_a_provider_has_defaults(tmp_path: Path) -> None:
    assert provider(tmp_path) == ProviderConfig("one", BaseURL("https", "one.example", 443), ("k1",))


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("priority: -5", {"priority": -5}),
        ("priority: 0", {"priority": 1}),
        ("models: {claude-x: a/b, '*': c}", {"models": {"claude-x": "a/b", "*": "c"}}),
        ("models: {}", {"models": {}}),
        ("serves: ['claude-*', gpt-5]", {"serves": ("claude-*", "gpt-5")}),
        ("enabled: false", {"enabled": False}),
        ("websocket: true", {"websocket": True}),
        ("auth: x-api-key", {"auth": Carrier.X_API_KEY}),
        ("auth: Bearer", {"auth": Carrier.BEARER}),
        ("auth: x-goog-api-key", {"auth": Carrier.X_GOOG_API_KEY}),
        ("auth: query", {"auth": Carrier.QUERY}),
        ("auth: none", {"auth": Carrier.NONE}),
        ("auth: auto", {"auth": Carrier.AUTO}),
        ("api_keys: []", {"api_keys": ("k1",)}),
        ("api_keys: [k2, k3]", {"api_keys": ("k1", "k2", "k3")}),
        ("api_keys: [k2, k1, k2, '', ~, ' k3 ']", {"api_keys": ("k1", "k2", "k3")}),
        ("api_keys: [123, true]", {"api_keys": ("k1", "123", "true")}),
    ],
)
def test_a_providers_key_is_read(tmp_path: Path, line: str, values: dict[str, Any]) -> None:
    assert provider(tmp_path, line) == evolve(
        ProviderConfig("one", BaseURL("https", "one.example", 443), ("k1",)), **values
    )


PROVIDERS = "providers:\n  - name: one\n    base_url: https://one.example\n    api_key: k1\n"


@pytest.mark.parametrize(
    ("line", "key", "problem"),
    [
        ("priority: high", "priority", WHOLE),
        ("priority: 9999999999", "priority", WHOLE),
        ("enabled: maybe", "enabled", "must be true or false"),
        ("websocket: 1", "websocket", "must be true or false"),
        (f"auth: {SECRET}", "auth", "must be one of auto, x-api-key, bearer"),
        (f"api_keys: {SECRET}", "api_keys", "must be a list"),
        (f"api_keys: ['{SECRET} x']", "api_keys", "visible ASCII"),
        (f"api_keys: ['{SECRET}ü']", "api_keys", "visible ASCII"),
        (f"api_keys: [[{SECRET}]]", "api_keys", "must be text"),
        (f'api_keys: ["{SECRET}\\r\\nX: y"]', "api_keys", "visible ASCII"),
        (f"models: {SECRET}", "models", "must be a mapping"),
        (f"models: {{a: [{SECRET}]}}", "models", "must be text"),
        ("models: {a: 4.5}", "models", "must be text; put it in quotes"),
        ("models: {a: ''}", "models", "must be a model's name"),
        ("models: {'claude-*': b}", "models", 'only "*" alone'),
        (f"serves: {SECRET}", "serves", "must be a list"),
        ("serves: []", "serves", "at least one pattern"),
        ("serves: ['']", "serves", "must be a model's name"),
        (f"apikey: {SECRET}", "apikey", "unknown key; did you mean api_key?"),
        (f"{SECRET}: x", "a key", "unknown key"),
        ("zzz: x", "zzz", "known are api_key, api_keys"),
    ],
)
def test_a_wrong_provider_is_named_with_its_place(tmp_path: Path, line: str, key: str, problem: str) -> None:
    error = failing(tmp_path, client=client_file(line))
    assert str(error).startswith(f"{tmp_path}/claude-code.yaml:5: providers[0].{key}: ")
    assert problem in error.problem


@pytest.mark.parametrize(
    ("text", "line", "key", "problem"),
    [
        ("providers:\n  a: b", 2, "providers", "must be a list"),
        (f"providers: {SECRET}", 1, "providers", "must be a list"),
        (f"providers:\n- {SECRET}", 2, "providers[0]", "must be a mapping"),
        ("providers:\n- [a]", 2, "providers[0]", "must be a mapping"),
        ("providers:\n- {}", 2, "providers[0].name", "is missing"),
        ("providers:\n- base_url: http://h\n  api_key: k", 2, "providers[0].name", "is missing"),
        ("providers:\n- name: a\n  api_key: k", 2, "providers[0].base_url", "is missing"),
        ("providers:\n- name: a\n  base_url: http://h", 2, "providers[0].api_key", "is missing"),
        ("providers:\n- name: a\n  base_url: http://h\n  api_key: ''", 2, "providers[0].api_key", "is missing"),
        ("providers:\n- name: a\n  base_url: http://h\n  api_keys: [~]", 2, "providers[0].api_key", "is missing"),
        ("providers:\n- name: ''\n  base_url: http://h", 2, "providers[0].name", "1 to 100 printable"),
        ('providers:\n- name: "a\\nb"\n  base_url: http://h', 2, "providers[0].name", "1 to 100 printable"),
        (f"providers:\n- name: {'x' * 101}\n  base_url: http://h", 2, "providers[0].name", "1 to 100 printable"),
        ("providers:\n- name: 1\n  base_url: http://h", 2, "providers[0].name", "must be text"),
        (f"providers:\n- name: a\n  base_url: {SECRET}", 3, "providers[0].base_url", "not a URL"),
        (f"providers:\n- name: a\n  base_url: https://{SECRET}@h", 3, "providers[0].base_url", "user name"),
        ("providers:\n- name: a\n  base_url: [http://h]", 3, "providers[0].base_url", "must be text"),
        (f"mode: {SECRET}", 1, "mode", "must be one of auto, manual"),
        ("pinned_provider: 1", 1, "pinned_provider", "must be text"),
        ("provider: []", 1, "provider", "did you mean providers?"),
        (PROVIDERS + "- name: two", 5, None, "not valid YAML"),
        (PROVIDERS + PROVIDERS[11:], 5, "providers[1].name", "another provider has this name"),
    ],
)
def test_a_wrong_client_file_is_named_with_line_and_key(
    tmp_path: Path, text: str, line: int, key: str | None, problem: str
) -> None:
    error = failing(tmp_path, client=text)
    assert str(error).startswith(f"{tmp_path}/claude-code.yaml:{line}: {'' if key is None else key + ': '}")
    assert problem in error.problem


@pytest.mark.parametrize("text", ["providers:", "providers: []", "mode: auto", "providers: ~\nmode: auto"])
def test_a_client_may_have_no_providers(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, client=text).clients["claudecode"] == ClientConfig(tmp_path / "claude-code.yaml")


def test_providers_stay_in_file_order_the_disabled_ones_too(tmp_path: Path) -> None:
    two = "  - {name: two, base_url: 'http://h', api_key: k, enabled: false, priority: 0}\n"
    found = load(tmp_path, client=PROVIDERS + two).clients["claudecode"].providers
    assert [each.name for each in found] == ["one", "two"]


def test_a_provider_without_a_key_is_fine_if_disabled_or_if_it_wants_none(tmp_path: Path) -> None:
    text = (
        "providers:\n- {name: a, base_url: 'http://h', enabled: false}\n- {name: b, base_url: 'http://h', auth: none}"
    )
    assert [each.api_keys for each in load(tmp_path, client=text).clients["claudecode"].providers] == [(), ()]


def test_each_client_has_its_own_file(tmp_path: Path) -> None:
    (tmp_path / "codex.yaml").write_text(PROVIDERS)
    clients = load(tmp_path, client=PROVIDERS.replace("one", "uno")).clients
    assert [client.providers[0].name for client in clients.values()] == ["uno", "one"]


def test_no_key_shows_in_a_repr(tmp_path: Path) -> None:
    assert "ecret" not in repr(load(tmp_path, client=PROVIDERS.replace("k1", SECRET)))


# Manual mode


def test_manual_mode_pins_a_provider(tmp_path: Path) -> None:
    client = load(tmp_path, client=PROVIDERS + "mode: manual\npinned_provider: one").clients["claudecode"]
    assert (client.mode, client.pinned_provider) == (Mode.MANUAL, "one")


@pytest.mark.parametrize("pinned", ["one", "''", "nobody"])
def test_in_auto_mode_nothing_is_pinned(tmp_path: Path, pinned: str) -> None:
    client = load(tmp_path, client=PROVIDERS + f"pinned_provider: {pinned}").clients["claudecode"]
    assert (client.mode, client.pinned_provider) == (Mode.AUTO, None)


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        ("mode: manual", 5),
        ("mode: manual\npinned_provider: ''", 6),
        (f"mode: manual\npinned_provider: {SECRET}", 6),
        ("pinned_provider: One\nmode: manual", 5),
        ("    enabled: false\nmode: manual\npinned_provider: one", 7),
    ],
)
def test_manual_mode_needs_an_enabled_provider(tmp_path: Path, lines: str, line: int) -> None:
    error = failing(tmp_path, client=PROVIDERS + lines)
    assert str(error).startswith(f"{tmp_path}/claude-code.yaml:{line}: pinned_provider: must name an enabled provider")


# Loops

LOOPS = [
    ("127.0.0.1", "http://127.0.0.1:3333", True),
    ("127.0.0.1", "http://127.0.0.1:3333/claudecode", True),
    ("127.0.0.1", "https://127.0.0.1:3333", True),
    ("127.0.0.1", "http://localhost:3333", True),
    ("127.0.0.1", "http://LOCALHOST.:3333", True),
    ("127.0.0.1", "http://clipal.localhost:3333", True),
    ("127.0.0.1", "http://0.0.0.0:3333", True),
    ("127.0.0.1", "http://[::ffff:127.0.0.1]:3333", True),
    ("127.0.0.1", "http://127.0.0.1:3334", False),
    ("127.0.0.1", "http://127.0.0.1", False),
    ("127.0.0.1", "http://127.0.0.2:3333", False),
    ("127.0.0.1", "http://10.0.0.1:3333", False),
    ("127.0.0.1", "http://example.com:3333", False),
    ("::1", "http://[::1]:3333", True),
    ("::1", "http://localhost:3333", True),
    ("::1", "http://127.0.0.1:3333", False),
    ("0.0.0.0", "http://127.0.0.1:3333", True),
    ("0.0.0.0", "http://127.9.9.9:3333", True),
    ("0.0.0.0", "http://localhost:3333", True),
    ("0.0.0.0", "http://0.0.0.0:3333", True),
    ("0.0.0.0", "http://[::ffff:127.0.0.1]:3333", True),
    ("0.0.0.0", "http://10.0.0.1:3333", False),
    ("'::'", "http://[::1]:3333", True),
    ("10.0.0.1", "http://10.0.0.1:3333", True),
    ("10.0.0.1", "http://localhost:3333", False),
]


@pytest.mark.parametrize(("listen", "url", "loops"), LOOPS)
def test_a_provider_that_is_clipal_itself_is_refused(tmp_path: Path, listen: str, url: str, loops: bool) -> None:
    client = PROVIDERS.replace("https://one.example", url)
    config = f"listen_addr: {listen}" if listen != "::1" else "listen_addr: '::1'"
    if loops:
        error = failing(tmp_path, config, client)
        assert str(error).startswith(
            f"{tmp_path}/claude-code.yaml:3: providers[0].base_url: this is clipal's own address"
        )
    else:
        assert load(tmp_path, config, client).clients["claudecode"].providers


def test_the_port_of_the_command_line_counts_for_loops(tmp_path: Path) -> None:
    client = PROVIDERS.replace("https://one.example", "http://localhost:4444")
    assert load(tmp_path, "port: 4444", client, port="5555").clients["claudecode"].providers
    assert "own address" in failing(tmp_path, "port: 3333", client, port="4444").problem


# Files


def test_a_missing_directory_is_a_warning(tmp_path: Path) -> None:
    configuration = load(tmp_path / "none")
    (warning,) = configuration.warnings
    assert str(tmp_path / "none") in warning
    assert "clipal init" in warning


@pytest.mark.parametrize(
    ("mode", "warned"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True), (0o666, True)]
)
def test_a_file_that_others_can_read_is_a_warning(tmp_path: Path, mode: int, warned: bool) -> None:
    load(tmp_path, "{}", PROVIDERS)
    path = tmp_path / "claude-code.yaml"
    path.chmod(mode)
    warnings = load(tmp_path).warnings
    assert warnings == ((f"Others can read {path}, where keys may be: run `chmod 600 {path}`",) if warned else ())


@pytest.mark.parametrize("name", ["config.yaml", "claude-code.yaml", "codex.yaml"])
def test_a_directory_in_place_of_a_file_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    assert str(failing(tmp_path)) == f"{tmp_path / name}: cannot be read: is a directory"


@pytest.mark.parametrize("name", ["config.yaml", "claude-code.yaml", "codex.yaml"])
def test_an_empty_file_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("")
    assert str(failing(tmp_path)) == f"{tmp_path / name}: empty; delete the file if it is meant to be"


def test_a_file_in_place_of_the_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be read: not a directory" in str(failing(tmp_path / "file"))
