"""The files as files: missing, unreadable, open to others, and of other versions; and every mistake at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from clipal.config.loader import check_configuration
from clipal.config.problems import Problem, Severity
from tests.configuring import CLIENTS, PROVIDERS, failing, failing_all, load

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
    expected = f"{path}: others can read it, and keys may be in it; run `chmod 600 {path}`"
    assert warnings == ((expected,) if warned else ())


@pytest.mark.parametrize("name", ["config.yaml", "claude-code.yaml", "codex.yaml"])
def test_a_directory_in_place_of_a_file_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    assert str(failing(tmp_path)) == f"{tmp_path / name}: cannot be read: is a directory"


@pytest.mark.skipif(os.name != "posix", reason="modes and pipes are POSIX")
@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_not_told_to_have_another_mode(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "codex.yaml"
    make(path)
    path.chmod(0o755)
    problems = check_configuration(tmp_path, CLIENTS)[1]
    assert [each.severity for each in problems if each.file == path] == [Severity.ERROR]


@pytest.mark.parametrize("name", ["config.yaml", "claude-code.yaml", "codex.yaml"])
def test_an_empty_file_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("")
    assert str(failing(tmp_path)) == f"{tmp_path / name}: empty; delete the file if it is meant to be"


def test_a_file_in_place_of_the_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be read: not a directory" in str(failing(tmp_path / "file"))


# Every mistake at once


def test_every_mistake_of_every_file_is_named(tmp_path: Path) -> None:
    config = "port: 0\nlisten_adr: x\ncircuit_breaker:\n  open_timeout: 5\nnotifications: []\n"
    client = """\
mod: auto
providers:
  - name: one
    base_url: https://one.example
    api-key: k1
  - not a mapping
  - name: ""
    priority: high
    api_key: k
  - name: two
    base_url: https://two.example
  - name: three
    base_url: http://127.0.0.1:3333
    api_key: k
  - {name: three, base_url: "http://h", api_key: k, enabled: 1}
"""
    assert failing_all(tmp_path, config, client) == [
        "config.yaml:1: port: must be a whole number from 1 to 65535",
        "config.yaml:2: listen_adr: unknown key; did you mean listen_addr?",
        "config.yaml:4: circuit_breaker.open_timeout: a duration needs a unit, as in 30s, 5m or 1h30m",
        "config.yaml:5: notifications: must be a mapping of keys to values",
        "claude-code.yaml:1: mod: unknown key; did you mean mode?",
        "claude-code.yaml:5: providers[0].api-key: unknown key; did you mean api_key?",
        "claude-code.yaml:6: providers[1]: must be a mapping with name, base_url and api_key",
        "claude-code.yaml:7: providers[2].name: must be a name of 1 to 100 printable characters",
        "claude-code.yaml:7: providers[2].base_url: is missing",
        "claude-code.yaml:8: providers[2].priority: must be a whole number from -2147483648 to 2147483648",
        "claude-code.yaml:10: providers[3].api_key: is missing; without any, set auth to none",
        "claude-code.yaml:13: providers[4].base_url: this is clipal's own address: the request would come back"
        " for ever",
        "claude-code.yaml:15: providers[5].enabled: must be true or false",
    ]


def test_a_key_that_is_there_twice_hides_no_other_mistake(tmp_path: Path) -> None:
    assert failing_all(tmp_path, "port: 0\nlog_dir: a\nlog_dir: b\n7: x\nprot: 1\n") == [
        "config.yaml:1: port: must be a whole number from 1 to 65535",
        "config.yaml:3: log_dir: already set in line 2",
        "config.yaml:4: a key must be a word",
        "config.yaml:5: prot: unknown key; did you mean port?",
    ]


def test_one_broken_file_hides_no_mistake_of_another(tmp_path: Path) -> None:
    (tmp_path / "codex.yaml").write_text("providers: x")
    assert [line.split(": ")[0] for line in failing_all(tmp_path, "port", "")] == [
        "config.yaml:1",
        "claude-code.yaml",
        "codex.yaml:1",
    ]


def test_problems_are_values(tmp_path: Path) -> None:
    (tmp_path / "claude.yaml").write_text("")
    (tmp_path / "config.yaml").write_text("prot: 1")
    (tmp_path / "config.yaml").chmod(0o600)
    _, problems = check_configuration(tmp_path, CLIENTS)
    assert problems == (
        Problem(tmp_path / "config.yaml", 1, "prot", "unknown key", "did you mean port?"),
        Problem(
            tmp_path / "claude.yaml",
            None,
            None,
            "is not read, because clipal reads claude-code.yaml",
            "rename it to claude-code.yaml",
            Severity.WARNING,
        ),
    )


# Files and keys of the original's later versions


@pytest.mark.parametrize(
    ("other", "name"),
    [
        ("claude.yaml", "claude-code.yaml"),
        ("openai.yaml", "codex.yaml"),
        ("config.yml", "config.yaml"),
        ("codex.yml", "codex.yaml"),
    ],
)
def test_a_file_under_another_name_is_named_in_a_warning(tmp_path: Path, other: str, name: str) -> None:
    (tmp_path / other).write_text(PROVIDERS)
    message = f"{tmp_path}/{other}: is not read, because clipal reads {name}"
    assert load(tmp_path).warnings[-1:] == (f"{message}; rename it to {name}",)
    (tmp_path / name).write_text(PROVIDERS if name != "config.yaml" else "{}")
    (tmp_path / name).chmod(0o600)
    assert load(tmp_path).warnings[-1:] == (f"{message}; move what you need of it to {name}",)


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("overrides: {model: x}", 'write models: {"*": NAME}'),
        ("model: x", 'write models: {"*": NAME}'),
        ("reasoning_effort: high", "set this in the client"),
        ("thinking_budget_tokens: 1024", "set this in the client"),
        ("auth_type: oauth", "put a key into api_key"),
        ("oauth_provider: codex", "put a key into api_key"),
    ],
)
def test_a_providers_key_of_later_versions_is_named_with_what_replaces_it(tmp_path: Path, line: str, hint: str) -> None:
    (problem,) = failing_all(tmp_path, client=f"{PROVIDERS}    {line}\n")
    assert problem.startswith(f"claude-code.yaml:5: providers[0].{line.split(':')[0]}: ")
    assert hint in problem
    assert "did you mean" not in problem


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("routing:\n  sticky_sessions:\n    enabled: true", "affinity and failback replace sticky_sessions"),
    ],
)
def test_a_setting_of_later_versions_is_named_with_what_replaces_it(tmp_path: Path, text: str, hint: str) -> None:
    (problem,) = failing_all(tmp_path, text)
    assert problem.startswith(f"config.yaml:1: {text.split(':')[0]}: ")
    assert hint in problem


def test_what_later_versions_write_for_no_proxy_is_accepted(tmp_path: Path) -> None:
    config = 'upstream_proxy_mode: direct\nupstream_proxy_url: ""\n'
    client = f'{PROVIDERS}    proxy_mode: inherit\n    proxy_url: ""\n'
    assert (
        load(tmp_path, config, client).clients["claudecode"].providers == load(tmp_path).clients["claudecode"].providers
    )


def test_a_websocket_beside_names_of_models_is_a_warning(tmp_path: Path) -> None:
    (warning,) = load(tmp_path, client=f"{PROVIDERS}    websocket: true\n    serves: [a]\n").warnings
    assert warning.startswith(f"{tmp_path}/claude-code.yaml:5: providers[0].websocket: has no effect beside models")
