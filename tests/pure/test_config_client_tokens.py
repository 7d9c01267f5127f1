"""`client_tokens` and what goes with it in config.yaml: what is read, and every mistake in it."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from clipal.config.client_token import ClientToken
from clipal.config.model import Configuration
from tests.configuring import failing, failing_all, load

LONG = "clp_0123456789012345678901234567890123456789012"
HASH = sha256(LONG.encode()).hexdigest()


def about(configuration: Configuration, key: str) -> list[str]:
    return [each for each in configuration.warnings if key in each]


def listed(*entries: str) -> str:
    return "client_tokens:\n" + "".join(f"  - {{{entry}}}\n" for entry in entries)


def test_a_hash_and_the_token_itself_are_the_same(tmp_path: Path) -> None:
    for written in (f"sha256:{HASH}", f"SHA256:{HASH.upper()}", LONG):
        (token,) = load(tmp_path, listed(f'name: anna, token: "{written}"')).settings.client_tokens
        assert token == ClientToken("anna", bytes.fromhex(HASH))


def test_a_token_with_every_key_is_read(tmp_path: Path) -> None:
    text = listed(
        f'name: anna, token: "sha256:{HASH}", clients: [codex], status: true, requests_per_minute: 30, max_streams: 4',
        f'name: prometheus, token: "sha256:{"0" * 64}", clients: [], status: true',
    )
    anna, prometheus = load(tmp_path, text).settings.client_tokens
    assert anna == ClientToken("anna", bytes.fromhex(HASH), frozenset(["codex"]), True, 30, 4)
    assert anna.is_good_for("codex")
    assert not anna.is_good_for("claudecode")
    assert not prometheus.is_good_for("codex")


def test_without_client_tokens_there_are_none(tmp_path: Path) -> None:
    for text in ("client_tokens:\n", "client_tokens: []\n"):
        assert load(tmp_path, text).settings.client_tokens == ()


def test_no_token_is_shown(tmp_path: Path) -> None:
    configuration = load(tmp_path, listed(f'name: anna, token: "{LONG}"'))
    assert LONG not in repr(configuration)
    assert HASH[:16] not in repr(configuration)
    assert configuration.secrets == [LONG]


@pytest.mark.parametrize(
    ("entry", "key", "message"),
    [
        ("name: anna", "token", "is missing"),
        (f'token: "sha256:{HASH}"', "name", "is missing"),
        ('name: anna, token: ""', "token", "is empty"),
        ('name: anna, token: "sha256:0123"', "token", "must be sha256: and 64 hexadecimal digits"),
        (f'name: anna, token: "{LONG}", clients: [cursor]', "clients", "must be names of clients"),
        (f'name: anna, token: "{LONG}", clients: codex', "clients", "must be a list"),
        (f'name: anna, token: "{LONG}", status: 1', "status", "must be true or false"),
        (f'name: anna, token: "{LONG}", max_streams: 0', "max_streams", "must be a whole number of at least 1"),
        (f'name: anna, token: "{LONG}", requests_per_minute: -1', "requests_per_minute", "must be a whole number"),
        (f'name: anna, token: "{LONG}", scope: codex', "scope", "unknown key"),
    ],
)
def test_mistakes(tmp_path: Path, entry: str, key: str, message: str) -> None:
    problem = failing(tmp_path, listed(entry))
    assert (problem.line, problem.key) == (2, f"client_tokens[0].{key}")
    assert problem.message.startswith(message)


def test_tokens_that_are_no_list_of_mappings_are_refused(tmp_path: Path) -> None:
    assert failing(tmp_path, "client_tokens: anna\n").message == "must be a list"
    assert failing(tmp_path, "client_tokens: [anna]\n").key == "client_tokens[0]"


def test_two_tokens_with_one_name_or_one_text_are_refused(tmp_path: Path) -> None:
    text = listed(f'name: anna, token: "{LONG}"', f'name: ben, token: "sha256:{HASH}"', f'name: anna, token: "{LONG}x"')
    assert failing_all(tmp_path, text) == [
        "config.yaml:3: client_tokens[1].token: is the same as that of anna; each needs its own",
        "config.yaml:4: client_tokens[2].name: another token has this name",
    ]


def test_a_short_token_is_a_warning(tmp_path: Path) -> None:
    (warning,) = about(load(tmp_path, listed("name: anna, token: password")), "client_tokens[")
    assert "client_tokens[0].token: is so short that it might be guessed" in warning
    assert "password" not in warning


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ("listen_addr: 0.0.0.0\n", "protected_mode: false"),
        ("listen_addr: 0.0.0.0\nprotected_mode: false\n", "whoever can connect may use your providers"),
        ("listen_addr: '::'\n", "client_tokens"),
        ("listen_addr: '::1'\n", None),
        ("listen_addr: 127.8.9.10\nprotected_mode: false\n", None),
        ("listen_addr: 0.0.0.0\n" + listed(f'name: anna, token: "{LONG}"'), None),
    ],
)
def test_a_listener_that_others_reach_without_a_token_is_a_warning(
    tmp_path: Path, text: str, warned: str | None
) -> None:
    warnings = about(load(tmp_path, text), "listen_addr: ")
    if warned is None:
        assert warnings == []
    else:
        assert len(warnings) == 1
        assert warned in warnings[0]


def test_limits(tmp_path: Path) -> None:
    settings = load(tmp_path, "max_connections: 9\nmax_connections_per_address: 0\nmax_streams: 3\n").settings
    assert (settings.max_connections, settings.max_connections_per_address, settings.max_streams) == (9, 0, 3)
    assert failing(tmp_path, "max_streams: -1\n").message == "must be a whole number of at least 0"


def test_a_variable_or_a_file_holds_a_token_or_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (LONG, f"sha256:{HASH}"):
        monkeypatch.setenv("CLIPAL_TOKEN_OF_ANNA", content)
        (tmp_path / "anna").write_text(content + "\n")
        for written in ("${CLIPAL_TOKEN_OF_ANNA}", "file:anna"):
            (token,) = load(tmp_path, listed(f'name: anna, token: "{written}"')).settings.client_tokens
            assert token.digest.hex() == HASH
    monkeypatch.delenv("CLIPAL_TOKEN_OF_ANNA")
    problem = failing(tmp_path, listed('name: anna, token: "${CLIPAL_TOKEN_OF_ANNA}"'))
    assert "CLIPAL_TOKEN_OF_ANNA is not set" in problem.message
    assert "nobody cannot be read" in failing(tmp_path, listed('name: anna, token: "file:nobody"')).message
