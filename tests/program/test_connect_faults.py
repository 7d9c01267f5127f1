"""`clipal connect` and `clipal disconnect` with files that are broken, change or cannot be written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clipal.connect import files as apply
from clipal.connect.registry import PROGRAMS
from tests.machine import FILES, KEY, Machine, Typed, posix


@pytest.mark.parametrize(
    ("client", "name", "content", "place"),
    [
        ("claudecode", ".claude/settings.json", b'{\n  "apiKey": "sk-s3cret"\n  "x": 1}', ":3: not valid JSON"),
        ("claudecode", ".claude/settings.json", b"{\n  // sk-s3cret\n}", ":2: not valid JSON: a comment"),
        ("codex", ".codex/config.toml", b'x = 1\nkey = "sk-s3cret\n', ":2: not valid TOML"),
        ("gemini", ".gemini/.env", b"A=1\nB=\xff sk-s3cret\n", ":2: is not UTF-8 text"),
        ("gemini", ".gemini/settings.json", b"[]", ":1: must be an object"),
        ("codex", ".codex/config.toml", b"#" * (apply.LARGEST_SETTINGS_FILE + 1), ": is larger than 4096 KiB"),
    ],
)
def test_a_broken_file_is_left_alone_and_the_other_clients_are_done(
    machine: Machine, capsys: pytest.CaptureFixture[str], client: str, name: str, content: bytes, place: str
) -> None:
    path = machine.put(name, "")
    path.write_bytes(content)
    assert machine.connect("--yes", *PROGRAMS) == 1
    assert path.read_bytes() == content
    said = capsys.readouterr()
    assert f"clipal: {path}{place}" in said.err
    assert f"{PROGRAMS[client].title} is left as it was" in said.err
    assert KEY not in said.out + said.err
    own = set(FILES) - {name} - ({".gemini/.env", ".gemini/settings.json"} if client == "gemini" else set())
    assert {each for each in machine.files() if each != name} == own


@pytest.mark.parametrize(
    "content",
    [
        "providers:\n  - name: [one\n",
        "providers:\n  - {name: one, base_url: http://one.invalid, api_key: '${NOT_SET_HERE}'}\n",
    ],
    ids=["no YAML", "a variable that is not set"],
)
def test_a_broken_list_of_providers_is_in_no_clients_way(machine: Machine, content: str) -> None:
    """Where clipal listens is all that a client must know: a key may be in the service's environment only."""
    (machine.config / "codex.yaml").write_text(content)
    (machine.config / "config.yaml").write_text("port: 3333\n")
    assert machine.connect("--yes", *PROGRAMS) == 0
    assert machine.files() == FILES


def test_a_broken_configuration_is_told(machine: Machine) -> None:
    (machine.config / "config.yaml").write_text("port: [3333\n")
    with pytest.raises(SystemExit, match=r"config\.yaml:1: not valid YAML"):
        machine.connect("--yes", *PROGRAMS)
    assert not machine.files()


def test_what_is_no_file_is_refused(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    (machine.home / ".codex" / "config.toml").mkdir(parents=True)
    machine.put(".claude", "")
    assert machine.connect("--yes", "codex", "claudecode") == 1
    said = capsys.readouterr().err
    assert f"{machine.home / '.codex' / 'config.toml'}: is not a file" in said
    assert f"{machine.home / '.claude' / 'settings.json'}: cannot be read: not a directory" in said


def test_a_file_that_breaks_after_connecting_is_left_alone(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert machine.connect("--yes", "codex") == 0
    machine.put(".codex/config.toml", "x = \n")
    assert machine.disconnect() == 1
    assert f"{machine.home / '.codex' / 'config.toml'}:1: not valid TOML" in capsys.readouterr().err
    assert machine.files() == {".codex/config.toml": "x = \n"}


@pytest.mark.parametrize("known", [False, True])
def test_all_files_of_a_client_are_written_or_none(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], known: bool
) -> None:
    """As by a full disk, at the last file."""
    if known:
        machine.put(".gemini/.env", "X=1\n")
    before = machine.files()
    replace = os.replace

    def full(source: str, target: Path) -> None:
        if target.name == "settings.json":
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    assert machine.connect("--yes", "gemini") == 1
    said = capsys.readouterr().err
    assert f"{machine.home / '.gemini' / 'settings.json'}: cannot be written: no space left on device" in said
    assert machine.files() == before
    assert [path.name for path in machine.home.iterdir()] == ([".gemini"] if known else [])
    assert list(machine.config.iterdir()) == []


def test_what_a_client_writes_while_the_question_is_open_is_not_lost(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = machine.put(".codex/config.toml", "x = 1\n")
    monkeypatch.setattr(sys, "stdin", Typed("y\n", lambda: path.write_text("x = 2\n")))
    assert machine.connect("codex") == 1
    assert path.read_text() == "x = 2\n"
    assert f"{path}: was changed in the meantime; nothing is written" in capsys.readouterr().err
    assert list(machine.config.iterdir()) == []


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"version": 2, "files": []}', '{"version": 1, "files": [{}]}'])
def test_a_record_that_is_none_is_refused(machine: Machine, capsys: pytest.CaptureFixture[str], content: str) -> None:
    record = machine.config / "connected" / "codex.json"
    record.parent.mkdir(parents=True)
    record.write_text(content)
    assert machine.disconnect("codex") == 1
    assert f"{record}: is not a record of `clipal connect`" in capsys.readouterr().err


def deep() -> str:
    return "[" * 100_000


WRONG: dict[str, Any] = {
    "path": [None, 5, "", "a\0b", "\ud800", ["x"]],
    "syntax": [None, "yaml", 5, ["TOML"], {}],
    "before": [5, [], None],
    "after": [None, 5],
    "backup": [5, None, "../codex.json", "/etc/passwd", "", ".."],
    "directories": [None, "abc", [5], ["a\0b"]],
    "edits": [None, 5, [5], [{}], [{"path": [], "old": None, "new": "x"}], [{"path": ["x"], "old": 5, "new": "x"}]],
    "made": [None, "abc", ["abc"], [[5]], [[]]],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in WRONG.items() for value in values])
def test_a_record_with_one_wrong_field_is_refused_and_nothing_is_touched(
    machine: Machine, capsys: pytest.CaptureFixture[str], field: str, value: object
) -> None:
    path = machine.put(".codex/config.toml", "x = 1\n")
    assert machine.connect("--yes", "codex") == 0
    record = machine.config / "connected" / "codex.json"
    document = json.loads(record.read_text())
    document["files"][0][field] = value
    record.write_text(json.dumps(document))
    before = path.read_text()
    assert machine.disconnect("codex") == 1
    assert f"{record}: is not a record of `clipal connect`" in capsys.readouterr().err
    assert path.read_text() == before


@pytest.mark.parametrize("content", [deep(), "\xff", "null", "5", '{"version": 1}', '{"version": 1, "files": 5}'])
def test_what_is_no_json_of_ours_is_refused(machine: Machine, capsys: pytest.CaptureFixture[str], content: str) -> None:
    record = machine.config / "connected" / "codex.json"
    record.parent.mkdir(parents=True)
    record.write_bytes(content.encode("latin-1"))
    assert machine.disconnect("codex") == 1
    assert f"{record}: is not a record of `clipal connect`" in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="asks for processes")
def test_what_a_killed_connect_left_is_removed_and_nothing_else(machine: Machine) -> None:
    machine.put(".codex/config.toml", "x = 1\n")
    assert machine.connect("--yes", "codex") == 0
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    homes = (machine.home / ".codex", machine.config / "connected")
    for home in homes:
        (home / f".clipal-{ended.pid}-abcd_123").write_text("half a f")
        (home / f".clipal-{os.getpid()}-abcd_123").write_text("under way")
        (home / ".clipal-notes").write_text("mine")
    assert machine.disconnect("codex") == 0
    for home in homes:
        left = {each.name for each in home.iterdir() if each.name.startswith(".clipal-")}
        assert left == {f".clipal-{os.getpid()}-abcd_123", ".clipal-notes"}


def test_a_client_that_is_not_connected_need_not_be_disconnected(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert machine.disconnect("codex") == 0
    assert capsys.readouterr().out == "Codex CLI is not connected\n"


TABLE_TWICE = b"[mcp_servers.a.env]\nNAME = 'sk-s3cret'\n" + b"# x\n" * 50 + b"[mcp_servers.a.env]\nOTHER = 1\n"
ODD = {
    "a table twice": (".codex/config.toml", TABLE_TWICE, ":53: not valid TOML: a table that is defined twice"),
    "a key twice": (".codex/config.toml", b"x = 1\nx = 2\n", ":2: not valid TOML: a key that is set twice"),
    "NUL in TOML": (".codex/config.toml", b"x = 1\ny = 'sk-s3cret\0'\n", ":2: not valid TOML"),
    "an open text": (".codex/config.toml", b'x = """\nsk-s3cret\n\n', ":2: not valid TOML"),
    "deep TOML": (".codex/config.toml", b"x = " + b"[" * 3000 + b"]" * 3000, ": holds a value that cannot be read"),
    "rather deep TOML": (".codex/config.toml", b"x = " + b"[" * 300 + b"]" * 300, None),  # tomli: up to 400
    "a huge number": (".codex/config.toml", b"x = 0x" + b"f" * 9000, ": holds a value that cannot be read"),
    "UTF-16": (".codex/config.toml", "x = 'sk-s3cret'\n".encode("utf-16"), ":1: is not UTF-8 text"),
    "NUL in JSON": (".claude/settings.json", b'{\n"x": "\0sk-s3cret"}', ":2: not valid JSON"),
    "only NUL": (".claude/settings.json", b"\0\0\0", ":1: not valid JSON"),
    "deep JSON": (".claude/settings.json", b'{"x": ' + b"[" * 90000, ":1: nested too deep"),
    "a key twice in JSON": (".claude/settings.json", b'{"env": {},\n "env": {}}', ":2: env is set twice"),
    "a list": (".claude/settings.json", b'[{"env": "sk-s3cret"}]', ":1: must be an object in braces"),
    "a text for a table": (".claude/settings.json", b'{"env": "sk-s3cret"}', ": env holds a value"),
    "null for a table": (".gemini/settings.json", b'{"security": null}', ": security holds a value"),
    "a trailing comma": (".gemini/settings.json", b'{"x": "sk-s3cret",\n}', ":1: not valid JSON: a comma"),
    "a list for a text": (".claude/settings.json", b'{"env": {"ANTHROPIC_BASE_URL": []}}', "holds several values"),
    "a variable twice": (".gemini/.env", b"GOOGLE_GEMINI_BASE_URL=a\nGOOGLE_GEMINI_BASE_URL=b\n", ":2: GOOGLE"),
}


@pytest.mark.parametrize(("name", "content", "says"), ODD.values(), ids=ODD.keys())
def test_whatever_is_in_a_file_the_next_client_is_reached(
    machine: Machine, capsys: pytest.CaptureFixture[str], name: str, content: bytes, says: str | None
) -> None:
    path = machine.put(name, "")
    path.write_bytes(content)
    assert machine.connect("--yes", *PROGRAMS) == (0 if says is None else 1)
    said = capsys.readouterr()
    assert KEY not in said.out + said.err
    others = [each for each in FILES if each.split("/")[0] != name.split("/")[0]]
    assert {each: machine.files().get(each) for each in others} == {each: FILES[each] for each in others}
    if says is not None:
        assert f"clipal: {path}{'' if says.startswith(':') else ': '}" in said.err
        assert says in said.err
        assert path.read_bytes() == content


def circle(path: Path) -> None:
    path.symlink_to(path.name)


def locked(path: Path) -> None:
    path.write_text("x = 1\n")
    path.chmod(0)


@posix
@pytest.mark.parametrize(
    ("make", "says"),
    [
        (Path.mkdir, "is not a file"),
        (os.mkfifo, "is not a file"),
        (circle, "cannot be read: too many levels of symbolic links"),
        pytest.param(
            locked,
            "cannot be read: permission denied",
            marks=pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root reads everything"),
        ),
    ],
)
@pytest.mark.parametrize("name", [".claude/settings.json", ".codex/config.toml", ".gemini/.env"])
def test_whatever_is_in_the_place_of_a_file_the_next_client_is_reached(
    machine: Machine, capsys: pytest.CaptureFixture[str], make: Callable[[Path], object], says: str, name: str
) -> None:
    path = machine.home / name
    path.parent.mkdir(exist_ok=True)
    make(path)
    assert machine.connect("--yes", *PROGRAMS) == 1
    said = capsys.readouterr().err
    assert f"{path}: {says}" in said
    others = {each for each in FILES if each.split("/")[0] != name.split("/")[0]}
    assert others <= set(machine.files())


@posix
def test_a_directory_that_is_a_link_to_itself_is_told(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    circle(machine.home / ".codex")
    assert machine.connect("--yes") == 1
    assert f"{machine.home / '.codex' / 'config.toml'}: cannot be read: too many levels" in capsys.readouterr().err


@pytest.mark.parametrize("error", [TypeError(KEY), RecursionError(KEY), OSError(5, "Input/output error", "/x/y")])
def test_a_bug_at_one_client_does_not_stop_the_next_one(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def fail(self: object, text: str) -> None:
        raise error

    monkeypatch.setattr("clipal.connect.formats.toml_text.TomlText.read", fail)
    assert machine.connect("--yes", "codex", "gemini") == 1
    said = capsys.readouterr().err
    assert said.startswith("clipal: ")
    assert said.endswith("; Codex CLI is left as it was\n")
    assert KEY not in said
    assert set(machine.files()) == {".gemini/.env", ".gemini/settings.json"}
