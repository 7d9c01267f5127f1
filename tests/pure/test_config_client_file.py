"""A client's file: its providers, manual mode, and providers that are clipal itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from clipal.config.model import BaseURL, Carrier, ClientConfig, Mode, ProviderConfig
from tests.configuring import PROVIDERS, SECRET, WHOLE, failing, load


def provider(directory: Path, *lines: str) -> ProviderConfig:
    """The one provider that has these lines beside its name, URL and key."""
    (only,) = load(directory, client=client_file(*lines)).clients["claudecode"].providers
    return only


def client_file(*lines: str) -> str:
    first = "providers:\n  - name: one\n    base_url: https://one.example\n    api_key: k1\n"
    return first + "".join(f"    {line}\n" for line in lines)


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
        ("api_keys: [k2, k1, k2, ' k3 ']", {"api_keys": ("k1", "k2", "k3")}),
        ("api_keys: [123, true]", {"api_keys": ("k1", "123", "true")}),
    ],
)
def test_a_providers_key_is_read(tmp_path: Path, line: str, values: dict[str, Any]) -> None:
    assert provider(tmp_path, line) == evolve(
        ProviderConfig("one", BaseURL("https", "one.example", 443), ("k1",)), **values
    )


@pytest.mark.parametrize(
    ("line", "key", "problem"),
    [
        ("priority: high", "priority", WHOLE),
        ("priority: 9999999999", "priority", WHOLE),
        ("enabled: maybe", "enabled", "must be true or false"),
        ("websocket: 1", "websocket", "must be true or false"),
        (f"auth: {SECRET}", "auth", "must be one of auto, x-api-key, bearer"),
        (f"api_keys: {SECRET}", "api_keys", "must be a list"),
        (f"api_keys: ['{SECRET} x']", "api_keys[0]", "visible ASCII"),
        (f"api_keys: ['{SECRET}ü']", "api_keys[0]", "visible ASCII"),
        (f"api_keys: [[{SECRET}]]", "api_keys[0]", "must be text"),
        (f'api_keys: ["{SECRET}\\r\\nX: y"]', "api_keys[0]", "visible ASCII"),
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
    assert problem in error.text


@pytest.mark.parametrize(
    ("text", "line", "key", "problem"),
    [
        ("providers:\n  a: b", 2, "providers", "must be a list"),
        (f"providers: {SECRET}", 1, "providers", "must be a list"),
        (f"providers:\n- {SECRET}", 2, "providers[0]", "must be a mapping"),
        ("providers:\n- [a]", 2, "providers[0]", "must be a mapping"),
        ("providers:\n- base_url: http://h\n  api_key: k", 2, "providers[0].name", "is missing"),
        ("providers:\n- name: a\n  api_key: k", 2, "providers[0].base_url", "is missing"),
        ("providers:\n- name: a\n  base_url: http://h", 2, "providers[0].api_key", "is missing"),
        ("providers:\n- name: a\n  base_url: http://h\n  api_key: ''", 4, "providers[0].api_key", "is missing"),
        ("providers:\n- name: a\n  base_url: http://h\n  api_keys: [~]", 4, "providers[0].api_keys[0]", "empty key"),
        (
            "providers:\n- name: a\n  base_url: http://h\n  api_keys: [k, '']",
            4,
            "providers[0].api_keys[1]",
            "empty key",
        ),
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
    assert problem in error.text


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
    assert "own address" in failing(tmp_path, "port: 3333", client, port="4444").text
