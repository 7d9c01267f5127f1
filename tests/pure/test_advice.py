"""Warnings of what is right in the configuration, and yet hardly meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipal.config.directory import missing_directory
from clipal.config.loader import check_configuration
from clipal.config.problems import Problem
from tests.configuring import CLIENTS


def warned(directory: Path, codex: str) -> list[Problem]:
    """The problems of `codex.yaml`."""
    path = directory / "codex.yaml"
    path.write_text(codex)
    path.chmod(0o600)
    return list(check_configuration(directory, CLIENTS)[1])


@pytest.mark.parametrize(
    "path",
    [
        "/v1/messages",
        "/anthropic/v1/messages/",
        "/v1/chat/completions",
        "/v1/responses",
        "/v1beta/models/gemini-3-pro:generateContent",
        "/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse",
        "/v1beta/models",
    ],
)
def test_a_base_url_that_ends_in_a_path_of_the_api_is_warned_of(tmp_path: Path, path: str) -> None:
    (found,) = warned(tmp_path, f"providers:\n- name: one\n  base_url: https://api.example.com{path}\n  api_key: k1\n")
    assert (found.line, found.key, found.hint) == (3, "providers[0].base_url", "leave that path out")
    assert "example" not in str(found).replace(str(tmp_path), "")


@pytest.mark.parametrize("path", ["", "/", "/v1", "/api", "/v1beta", "/openai/deployments/gpt-6", "/messages-relay"])
def test_another_path_is_not(tmp_path: Path, path: str) -> None:
    assert warned(tmp_path, f"providers:\n- {{name: one, base_url: 'https://a.example{path}', api_key: k1}}\n") == []


def test_one_provider_twice_is_warned_of(tmp_path: Path) -> None:
    twice = "providers:\n- {name: one, base_url: 'https://a.example', api_key: k1}\n"
    twice += "- {name: two, base_url: 'https://a.example/', api_keys: [k2, k1]}\n"
    (found,) = warned(tmp_path, twice)
    assert (found.line, found.message) == (3, "the same as that of one, with the same key")
    assert warned(tmp_path, twice.replace("k2, k1", "k2")) == []
    assert warned(tmp_path, twice.replace("[k2, k1]}", "[k1], enabled: false}")) == []


@pytest.mark.parametrize(
    ("codex", "message"),
    [
        ("providers: []\n", "there is none, so that this client gets no answer"),
        ("mode: auto\n", "there is none, so that this client gets no answer"),
        ("providers:\n- {name: a, base_url: 'https://a.b', enabled: false}\n", "none of them can be asked"),
    ],
)
def test_a_file_without_a_provider_to_ask_is_warned_of(tmp_path: Path, codex: str, message: str) -> None:
    assert [each.message for each in warned(tmp_path, codex)] == [message]


def test_providers_that_are_no_list_are_an_error_and_no_lack(tmp_path: Path) -> None:
    found = warned(tmp_path, "providers:\n  one: {base_url: 'https://a.example'}\n")
    assert [each.message for each in found] == ["must be a list"]


def test_a_directory_that_was_named_must_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLIPAL_CONFIG_DIR", raising=False)
    assert missing_directory(None) is None
    assert missing_directory(str(tmp_path)) is None
    assert "run `clipal init`" in str(missing_directory(str(tmp_path / "none")))
    monkeypatch.setenv("CLIPAL_CONFIG_DIR", str(tmp_path / "none"))
    assert "run `clipal init`" in str(missing_directory(None))
