"""Keys by reference: a variable, a file, the keyring; what is wrong with one names where it should come from."""

from __future__ import annotations

import copy
import pickle
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from clipal.config.model import ProviderConfig
from clipal.config.references import is_placeholder
from clipal.config.secret import Secret
from tests.configuring import PROVIDERS, SECRET, failing, load


def one(directory: Path, key: str, more: str = "") -> ProviderConfig:
    """The provider whose `api_key` is written so."""
    (provider,) = load(directory, client=PROVIDERS.replace("k1", key) + more).clients["claudecode"].providers
    return provider


def keys(directory: Path, key: str) -> list[bytes]:
    return [secret.reveal() for secret in one(directory, key).api_keys]


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("${CLIPAL_TEST}", b"of-the-env"),
        ("'pre-${CLIPAL_TEST}-post'", b"pre-of-the-env-post"),
        ("'a$$b'", b"a$b"),
        ("'$${CLIPAL_TEST}'", b"${CLIPAL_TEST}"),
        ("${CLIPAL_DOLLARS}", b"a$b${X}"),
    ],
)
def test_a_variable_stands_for_its_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, key: bytes
) -> None:
    monkeypatch.setenv("CLIPAL_TEST", "of-the-env")
    monkeypatch.setenv("CLIPAL_DOLLARS", "a$b${X}")
    assert keys(tmp_path, written) == [key]


@pytest.mark.parametrize("content", ["of-a-file", "of-a-file\n", "of-a-file\r\n"])
def test_a_file_holds_the_key_and_at_most_one_newline(tmp_path: Path, content: str) -> None:
    (tmp_path / "key").write_bytes(content.encode())
    assert keys(tmp_path, "file:key") == [b"of-a-file"]
    assert keys(tmp_path, f"file:{tmp_path}/key") == [b"of-a-file"]


def test_a_relative_file_is_looked_for_among_the_credentials_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    (tmp_path / "credentials").mkdir()
    (tmp_path / "key").write_text("beside")
    assert keys(tmp_path, "file:key") == [b"beside"]
    (tmp_path / "credentials" / "key").write_text("passed")
    assert keys(tmp_path, "file:key") == [b"passed"]


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("${CLIPAL_UNSET}", "the environment variable CLIPAL_UNSET is not set"),
        ("${CLIPAL_EMPTY}", "the environment variable CLIPAL_EMPTY is empty"),
        ("${CLIPAL_SPACED}", "the environment variable CLIPAL_SPACED: a key must be of visible ASCII"),
        (f"'$API_KEY{SECRET}'", "begins no ${NAME}"),
        (f"'${{{SECRET}'", "begins no ${NAME}"),
        (f"'{SECRET}$'", "begins no ${NAME}"),
        ("file:none", "none cannot be read"),
        ("file:empty", "empty is empty"),
        ("file:two-lines", "two-lines: a key must be of visible ASCII"),
        ("file:.", "cannot be read"),
        ("'file:'", "must be a path"),
        ("'keyring:x'", "write keyring:SERVICE/USER"),
        (f"'command:echo {SECRET}'", "cannot come from a command"),
    ],
)
def test_what_is_missing_is_named_and_no_value_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, problem: str
) -> None:
    monkeypatch.setenv("CLIPAL_EMPTY", "")
    monkeypatch.setenv("CLIPAL_SPACED", f"{SECRET} x")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "two-lines").write_text(f"{SECRET}\n\n")
    error = failing(tmp_path, client=PROVIDERS.replace("k1", written))
    assert (error.key, error.line) == ("providers[0].api_key", 4)
    assert problem in error.text


@pytest.mark.parametrize("more", ["    enabled: false\n", "    auth: none\n"])
def test_what_is_missing_is_no_mistake_where_no_key_is_needed(tmp_path: Path, more: str) -> None:
    assert one(tmp_path, "${CLIPAL_UNSET}", more).api_keys == ()


def test_the_keyring_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {("https://api.example/v1", "me"): "of-the-keyring"}
    keyring = SimpleNamespace(get_password=lambda service, user: entries.get((service, user)))
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    assert keys(tmp_path, "keyring:https://api.example/v1/me") == [b"of-the-keyring"]
    error = failing(tmp_path, client=PROVIDERS.replace("k1", "keyring:service/you"))
    assert "the keyring has no entry service/you" in error.text


def test_without_the_extra_the_keyring_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert "clipal[keyring]" in failing(tmp_path, client=PROVIDERS.replace("k1", "keyring:service/me")).text


# What a template has


@pytest.mark.parametrize("key", ["sk-ant-xxx", "sk-or-xxx", "sk-xxx", "AIza-xxx", "xxx", "sk-backup-xxx", "sk-XXXXXX"])
def test_a_templates_key_is_left_out_with_a_warning(tmp_path: Path, key: str) -> None:
    configuration = load(tmp_path, client=PROVIDERS.replace("k1", key))
    (provider,) = configuration.clients["claudecode"].providers
    assert provider.enabled
    assert not provider.is_asked
    assert provider.api_keys == ()
    assert any("the key is still the template's" in warning for warning in configuration.warnings)


def test_a_templates_key_among_others_is_not_used(tmp_path: Path) -> None:
    (provider,) = load(tmp_path, client=PROVIDERS + "    api_keys: [sk-ant-xxx]\n").clients["claudecode"].providers
    assert provider.api_keys == (Secret("k1"),)
    assert provider.is_asked


@pytest.mark.parametrize("key", ["sk-ant-api03-1xxx2", "first", "k1", "sk-xx", "0123-xxx4"])
def test_a_key_that_is_one_is_no_placeholder(key: str) -> None:
    assert not is_placeholder(Secret(key))


# The type


def test_a_secret_shows_asterisks_however_it_is_printed() -> None:
    secret = Secret(SECRET)
    shown = [repr(secret), str(secret), f"{secret}", f"{secret!r:>5}", repr([secret])]
    assert not [text for text in shown if "ecret" in text or "***" not in text]
    assert pickle.loads(pickle.dumps(secret)).reveal() == b"***"
    assert SECRET.encode() not in pickle.dumps(secret)
    assert copy.deepcopy(secret) == secret == Secret(SECRET.encode())
    assert secret != Secret("another")
    assert secret.reveal() == SECRET.encode()
