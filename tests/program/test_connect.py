"""What `clipal connect` writes and where, and the way back with `clipal disconnect`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from twisted.python import usage

from clipal.commands import connect, disconnect
from clipal.commands.address import own_base_url
from clipal.config.settings import Settings
from clipal.connect.registry import PROGRAMS
from tests.machine import FILES, KEY, Machine, posix


def test_where_nothing_is_all_is_made_and_removed_again(machine: Machine) -> None:
    assert machine.connect("--yes", *PROGRAMS) == 0
    assert machine.files() == FILES
    assert machine.disconnect() == 0
    assert list(machine.home.iterdir()) == []
    assert list(machine.config.iterdir()) == []


@posix
def test_what_is_made_is_for_its_owner_only(machine: Machine) -> None:
    assert machine.connect("--yes", "gemini") == 0
    machine.put(".codex/config.toml", "x = 1\n").chmod(0o644)
    assert machine.connect("--yes", "codex") == 0
    assert (machine.home / ".gemini").stat().st_mode & 0o777 == 0o700
    assert (machine.home / ".gemini/.env").stat().st_mode & 0o777 == 0o600
    assert (machine.config / "connected").stat().st_mode & 0o777 == 0o700
    kept = list((machine.config / "connected").iterdir())
    assert {path.suffix for path in kept} == {".json", ".backup"}
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}


def test_the_way_back_names_the_directory_in_which_it_is_recorded(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert machine.connect("--yes", "codex") == 0
    assert f"`clipal disconnect --config-dir {machine.config} codex` puts back" in capsys.readouterr().out


def test_clients_are_pointed_at_a_clipal_on_another_machine(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--url", "https://clipal.example/", "--token", "clp_anna")
    assert machine.connect("--yes", *where, "claudecode", "codex", "gemini") == 0
    files = machine.files()
    assert '"ANTHROPIC_BASE_URL": "https://clipal.example/claudecode"' in files[".claude/settings.json"]
    assert 'base_url = "https://clipal.example/codex/v1"' in files[".codex/config.toml"]
    assert "GOOGLE_GEMINI_BASE_URL=https://clipal.example/gemini\n" in files[".gemini/.env"]
    assert "no provider" not in capsys.readouterr().err  # the providers are in the other machine's files


def test_a_directory_of_records_that_was_named_must_exist(machine: Machine) -> None:
    with pytest.raises(usage.UsageError, match="there is no such directory"):
        machine.connect("--yes", "--url", "https://clipal.example", "--config-dir", str(machine.config / "no"), "codex")
    assert machine.files() == {}


def test_a_connection_that_is_not_recorded_here_is_told_from_one_that_is(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert machine.connect("--yes", "codex") == 0
    assert machine.connect("--yes", "codex") == 0
    elsewhere = machine.config / "other"
    elsewhere.mkdir()
    assert machine.connect("--yes", "--config-dir", str(elsewhere), "codex") == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "Codex CLI is already connected",
        "Codex CLI is already connected, by hand or with another --config-dir",
    ]


@pytest.mark.parametrize("url", ["clipal.example", "https://", "https://a@b.example", "https://b.example/claudecode"])
def test_what_is_no_address_of_a_clipal_is_refused(machine: Machine, url: str) -> None:
    with pytest.raises(usage.UsageError, match="--url: "):
        machine.connect("--yes", "--url", url, "codex")
    assert machine.files() == {}


def test_only_the_named_clients_are_connected_and_disconnected(machine: Machine) -> None:
    assert machine.connect("--yes", "codex", "gemini", "codex") == 0
    assert {name.split("/")[0] for name in machine.files()} == {".codex", ".gemini"}
    assert machine.disconnect("gemini") == 0
    assert {name.split("/")[0] for name in machine.files()} == {".codex"}


def test_without_a_name_those_that_are_found(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (machine.home / ".claude").mkdir()
    program = tmp_path / "bin" / ("gemini.exe" if os.name == "nt" else "gemini")
    program.parent.mkdir()
    program.touch(0o755)
    assert machine.connect("--yes") == 0
    assert {name.split("/")[0] for name in machine.files()} == {".claude", ".gemini"}
    said = capsys.readouterr().out
    assert f"skipped Codex CLI: there is neither a program codex nor {machine.home / '.codex'}" in said


def test_where_no_client_is_found_it_says_so(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert machine.connect("--yes") == 1
    assert "no client is found" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("codex", "warned"),
    [
        (None, True),
        ("providers: [{name: a, base_url: 'https://a.example', api_key: k, enabled: false}]\n", True),
        ("providers: [{name: a, base_url: 'https://a.example', api_key: k}]\n", False),
    ],
)
def test_a_client_without_a_provider_to_ask_is_connected_with_a_warning(
    codex: str | None, warned: bool, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    path = machine.config / "codex.yaml"
    if codex is not None:
        path.write_text(codex)
        path.chmod(0o600)
    assert machine.connect("--yes", "codex") == 0
    warning = f"{path} has no provider that can be asked, and until it has, Codex CLI gets an error from clipal"
    assert capsys.readouterr().err == (f"clipal: warning: {warning}\n" if warned else "")
    assert machine.connect("codex") == 0  # connected already
    assert capsys.readouterr().err == (f"clipal: warning: {warning}\n" if warned else "")


def test_a_second_time_nothing_is_written(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert machine.connect("--yes", *PROGRAMS) == 0
    before = {path: path.stat().st_ino for path in (*machine.home.rglob("*"), *machine.config.rglob("*"))}
    capsys.readouterr()
    assert machine.connect(*PROGRAMS) == 0
    assert capsys.readouterr().out.splitlines() == [f"{each.title} is already connected" for each in PROGRAMS.values()]
    assert {path: path.stat().st_ino for path in before} == before


def test_another_port_leads_back_to_the_beginning(machine: Machine) -> None:
    machine.put(".codex/config.toml", "model_provider = 'mine' # c\r\n")
    before = machine.files()
    assert machine.connect("--yes", "codex", "gemini") == 0
    assert machine.connect("--yes", "--port", "4444", "codex", "gemini") == 0
    assert "127.0.0.1:4444/codex/v1" in machine.files()[".codex/config.toml"]
    assert "127.0.0.1:3333" not in "".join(machine.files().values())
    assert machine.disconnect() == 0
    assert machine.files() == before
    assert not (machine.home / ".gemini").exists()


def test_another_directory_leads_back_from_both(machine: Machine) -> None:
    assert machine.connect("--yes", "codex") == 0
    second = machine.home / "second"
    options = connect.Options()
    options.parseOptions(["--home", str(second), "--config-dir", str(machine.config), "--yes", "codex"])
    assert connect.run(options) == 0
    assert len(machine.files()) == 2
    assert machine.disconnect() == 0
    assert list(machine.home.iterdir()) == []


def test_other_changes_since_connect_are_kept(machine: Machine) -> None:
    settings = machine.put(".claude/settings.json", '{\n  "model": "opus"\n}\n')
    assert machine.connect("--yes", "claudecode", "gemini") == 0
    settings.write_text(settings.read_text().replace("opus", "sonnet"))
    env = machine.home / ".gemini" / ".env"
    env.write_text("# mine\n" + env.read_text())
    assert machine.disconnect() == 0
    assert machine.files() == {".claude/settings.json": '{\n  "model": "sonnet"\n}\n', ".gemini/.env": "# mine\n"}


def test_what_was_made_and_then_written_anew_is_removed_when_it_holds_nothing_else(machine: Machine) -> None:
    assert machine.connect("--yes", "claudecode") == 0
    settings = machine.home / ".claude" / "settings.json"
    settings.write_text(json.dumps(json.loads(settings.read_text())))
    assert machine.disconnect() == 0
    assert list(machine.home.iterdir()) == []


def test_what_the_operator_removed_stays_removed(machine: Machine) -> None:
    path = machine.put(".codex/config.toml", "x = 1\n")
    assert machine.connect("--yes", "codex") == 0
    path.unlink()
    assert machine.disconnect() == 0
    assert machine.files() == {}


def test_what_the_operator_put_back_stays(machine: Machine) -> None:
    path = machine.put(".codex/config.toml", "x = 1\n")
    assert machine.connect("--yes", "codex") == 0
    path.write_text("x = 1\n")
    assert machine.disconnect() == 0
    assert machine.files() == {".codex/config.toml": "x = 1\n"}


@pytest.mark.parametrize("backup", [None, b"damaged"])
def test_without_its_backup_a_file_comes_back_by_its_edits(machine: Machine, backup: bytes | None) -> None:
    machine.put(".codex/config.toml", "model_provider = 'mine'\nx = 1\n")
    before = machine.files()
    assert machine.connect("--yes", "codex") == 0
    (kept,) = (machine.config / "connected").glob("*.backup")
    if backup is None:
        kept.unlink()
    else:
        kept.write_bytes(backup)
    assert machine.disconnect() == 0
    assert machine.files() == before


def test_a_value_that_was_changed_by_hand_is_refused_and_nothing_is_touched(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert machine.connect("--yes", "claudecode", "gemini") == 0
    settings = machine.home / ".claude" / "settings.json"
    settings.write_text(settings.read_text().replace("any-value", KEY))
    before = settings.read_text()
    assert machine.disconnect() == 1
    assert list(machine.files().items()) == [(".claude/settings.json", before)]
    said = capsys.readouterr().err
    problem = f"{settings}: env.ANTHROPIC_AUTH_TOKEN was changed by hand; set it to any-value again, or leave it"
    assert problem in said
    assert KEY not in said


def test_a_value_that_was_changed_by_hand_is_taken_for_the_operators_by_another_connect(machine: Machine) -> None:
    path = machine.put(".codex/config.toml", "model_provider = 'mine'\n")
    assert machine.connect("--yes", "codex") == 0
    path.write_text(path.read_text().replace('model_provider = "clipal"', "model_provider = 'other'"))
    assert machine.connect("--yes", "codex") == 0
    assert path.read_text().startswith('model_provider = "clipal"')
    assert machine.disconnect() == 0
    assert path.read_text() == "model_provider = 'other'\n"


def test_a_file_that_has_its_settings_already_is_left_as_it_is(machine: Machine) -> None:
    settings = machine.put(".gemini/settings.json", '{"security":{"auth":{"selectedType":"gemini-api-key"}}}')
    assert machine.connect("--yes", "gemini") == 0
    assert machine.disconnect() == 0
    assert machine.files() == {".gemini/settings.json": settings.read_text()}
    assert settings.read_text() == '{"security":{"auth":{"selectedType":"gemini-api-key"}}}'


def test_what_was_taken_out_by_hand_is_written_again(machine: Machine) -> None:
    machine.put(".gemini/settings.json", "{}")
    assert machine.connect("--yes", "gemini") == 0
    (machine.home / ".gemini" / ".env").write_text("GEMINI_API_KEY=any-value\n")
    assert machine.connect("--yes", "gemini") == 0
    assert machine.files()[".gemini/.env"] == FILES[".gemini/.env"]
    assert machine.disconnect() == 0
    assert machine.files() == {".gemini/settings.json": "{}"}


@posix
def test_a_file_behind_a_link_keeps_its_link_and_its_mode(machine: Machine) -> None:
    target = machine.put("dotfiles/codex.toml", "x = 1\n")
    target.chmod(0o640)
    link = machine.home / ".codex" / "config.toml"
    link.parent.mkdir()
    link.symlink_to("../dotfiles/codex.toml")
    assert machine.connect("--yes", "codex") == 0
    assert link.is_symlink()
    assert "clipal" in target.read_text()
    assert target.stat().st_mode & 0o777 == 0o640
    assert machine.disconnect() == 0
    assert link.is_symlink()
    assert target.read_text() == "x = 1\n"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_a_file_keeps_its_owner(machine: Machine) -> None:
    path = machine.put(".codex/config.toml", "x = 1\n")
    os.chown(path, 4321, 4322)
    assert machine.connect("--yes", "codex") == 0
    assert (path.stat().st_uid, path.stat().st_gid) == (4321, 4322)


@pytest.mark.parametrize(
    ("variable", "client", "name"),
    [
        ("CLAUDE_CONFIG_DIR", "claudecode", "settings.json"),
        ("CODEX_HOME", "codex", "config.toml"),
        ("GEMINI_CLI_HOME", "gemini", ".gemini/.env"),
    ],
)
def test_the_clients_own_variables_say_where_its_files_are(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, client: str, name: str
) -> None:
    monkeypatch.setenv("HOME", str(machine.home))
    monkeypatch.setenv("USERPROFILE", str(machine.home))
    for other in ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "GEMINI_CLI_HOME"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "elsewhere"))
    options = connect.Options()
    options.parseOptions(["--config-dir", str(machine.config), "--yes", *PROGRAMS])
    assert connect.run(options) == 0
    assert (tmp_path / "elsewhere" / name).is_file()
    assert {each.split("/")[0] for each in machine.files()} == {".claude", ".codex", ".gemini"} - {
        Path(
            next(iter(PROGRAMS[client].files(PROGRAMS[client].directory(machine.home, {}), "", None))).path
        ).parent.name
    }


def test_a_home_that_is_named_counts_more_than_the_clients_variables(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "elsewhere"))
    assert machine.connect("--yes", "codex") == 0
    assert list(machine.files()) == [".codex/config.toml"]


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:3333"),
        ("0.0.0.0", "http://127.0.0.1:3333"),
        ("::", "http://127.0.0.1:3333"),
        ("::1", "http://[::1]:3333"),
        ("192.168.1.7", "http://192.168.1.7:3333"),
    ],
)
def test_clients_are_told_an_address_that_they_can_reach(address: str, url: str) -> None:
    assert own_base_url(Settings(Path("/"), listen_addr=address)) == url


def test_the_port_must_be_known(machine: Machine) -> None:
    with pytest.raises(usage.UsageError, match="port"):
        machine.connect("--port", "0", "codex")


@pytest.mark.parametrize("command", [connect, disconnect])
def test_an_unknown_client_is_refused(command: object) -> None:
    options = command.Options()  # type: ignore[attr-defined]
    with pytest.raises(
        usage.UsageError, match="there is no client 'cursor'; the clients are claudecode, codex, gemini"
    ):
        options.parseOptions(["cursor"])


def test_with_force_a_value_that_was_changed_by_hand_stays(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    path = machine.put(".codex/config.toml", "# mine\nmodel_provider = 'azure'\n")
    assert machine.connect("--yes", "codex") == 0
    path.write_text(path.read_text().replace("127.0.0.1:3333", "10.0.0.1:8080").replace("# mine", "# yours"))
    assert machine.disconnect("codex") == 1
    assert "model_providers.clipal.base_url was changed by hand" in capsys.readouterr().err
    assert machine.disconnect("codex", "--force") == 0
    assert path.read_text() == (
        "# yours\nmodel_provider = 'azure'\n\n[model_providers.clipal]\nbase_url = \"http://10.0.0.1:8080/codex/v1\"\n"
    )
    assert not (machine.config / "connected").exists()
    assert machine.disconnect("codex") == 0


def test_only_the_files_in_one_home_are_disconnected(machine: Machine, tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert machine.connect("--yes", "codex") == 0
    assert machine.connect("--yes", "codex", "--home", str(other)) == 0
    assert machine.disconnect("--home", str(other)) == 0
    assert not other.exists()
    assert machine.files() == {".codex/config.toml": FILES[".codex/config.toml"]}
    assert machine.disconnect("--home", str(other)) == 0
    assert machine.disconnect("--home", str(machine.home), "codex") == 0
    assert machine.files() == {}
    assert list(machine.config.iterdir()) == []


TOKEN = "clp_" + "t" * 43


def test_a_token_is_written_into_each_clients_file_and_shown_nowhere(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.put(".claude/settings.json", '{"env": {"ANTHROPIC_AUTH_TOKEN": "own-token"}}')
    machine.put(".gemini/.env", "GEMINI_API_KEY=own-key\n")
    before = machine.files()
    assert machine.connect("--yes", "--token", TOKEN, *PROGRAMS) == 0
    files = machine.files()
    assert json.loads(files[".claude/settings.json"])["env"]["ANTHROPIC_AUTH_TOKEN"] == TOKEN
    assert f'experimental_bearer_token = "{TOKEN}"' in files[".codex/config.toml"]
    assert f"GEMINI_API_KEY={TOKEN}\n" in files[".gemini/.env"]
    assert machine.connect("--yes", *PROGRAMS) == 0
    assert machine.files() == files
    assert machine.disconnect() == 0
    assert machine.files() == before
    told = capsys.readouterr()
    assert "ttt" not in told.out + told.err


def test_a_token_can_be_in_a_variable_or_a_file(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_OF_ANNA", TOKEN)
    (machine.config / "anna").write_text(TOKEN + "\n")
    for reference in ("${TOKEN_OF_ANNA}", "file:anna"):
        assert machine.connect("--yes", "--token", reference, "gemini") == 0
        assert TOKEN in machine.files()[".gemini/.env"]
        assert machine.disconnect() == 0


@pytest.mark.parametrize("wrong", ["", "two words", "sha256:" + "0" * 64, "${NOT_SET_HERE}", "file:nobody", "$NAME"])
def test_a_token_that_is_none_is_a_wrong_command_line(machine: Machine, wrong: str) -> None:
    with pytest.raises(usage.UsageError, match="--token"):
        machine.connect("--yes", "--token", wrong, "codex")
    assert machine.files() == {}


def test_disconnect_all_leaves_nothing_outside_the_configuration(machine: Machine) -> None:
    mine = machine.put(".codex/config.toml", 'model = "gpt-6"\n')
    before = machine.files()
    assert machine.connect("--yes", *PROGRAMS) == 0
    assert machine.files() != before
    assert machine.disconnect("--all") == 0
    assert machine.files() == before
    assert sorted(machine.home.iterdir()) == [mine.parent]
    assert list((machine.config / "connected").glob("*.backup")) == []


def test_disconnect_all_takes_no_names(machine: Machine) -> None:
    with pytest.raises(usage.UsageError, match="--all"):
        machine.disconnect("--all", "codex")
