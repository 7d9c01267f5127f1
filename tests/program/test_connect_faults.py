"""`clipal connect` and `clipal disconnect` with files that are broken, change or cannot be written."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from clipal.connect import files as apply
from clipal.connect.registry import CLIENTS
from tests.machine import FILES, KEY, Machine, Typed


@pytest.mark.parametrize(
    ("client", "name", "content", "place"),
    [
        ("claudecode", ".claude/settings.json", b'{\n  "apiKey": "sk-s3cret"\n  "x": 1}', ":3: not valid JSON"),
        ("claudecode", ".claude/settings.json", b"{\n  // sk-s3cret\n}", ":2: not valid JSON: a comment"),
        ("codex", ".codex/config.toml", b'x = 1\nkey = "sk-s3cret\n', ":2: not valid TOML"),
        ("gemini", ".gemini/.env", b"A=1\nB=\xff sk-s3cret\n", ":2: is not UTF-8 text"),
        ("gemini", ".gemini/settings.json", b"[]", ":1: must be an object"),
        ("codex", ".codex/config.toml", b"#" * (apply.SIZE + 1), ": is larger than 4096 KiB"),
    ],
)
def test_a_broken_file_is_left_alone_and_the_other_clients_are_done(
    machine: Machine, capsys: pytest.CaptureFixture[str], client: str, name: str, content: bytes, place: str
) -> None:
    path = machine.put(name, "")
    path.write_bytes(content)
    assert machine.connect("--yes", *CLIENTS) == 1
    assert path.read_bytes() == content
    said = capsys.readouterr()
    assert f"clipal: {path}{place}" in said.err
    assert f"{CLIENTS[client].title} is left as it was" in said.err
    assert KEY not in said.out + said.err
    own = set(FILES) - {name} - ({".gemini/.env", ".gemini/settings.json"} if client == "gemini" else set())
    assert {each for each in machine.files() if each != name} == own


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
    assert not machine.config.exists()


def test_what_a_client_writes_while_the_question_is_open_is_not_lost(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = machine.put(".codex/config.toml", "x = 1\n")
    monkeypatch.setattr(sys, "stdin", Typed("y\n", lambda: path.write_text("x = 2\n")))
    assert machine.connect("codex") == 1
    assert path.read_text() == "x = 2\n"
    assert f"{path}: was changed in the meantime; nothing is written" in capsys.readouterr().err
    assert not machine.config.exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"version": 2, "files": []}', '{"version": 1, "files": [{}]}'])
def test_a_record_that_is_none_is_refused(machine: Machine, capsys: pytest.CaptureFixture[str], content: str) -> None:
    record = machine.config / "connected" / "codex.json"
    record.parent.mkdir(parents=True)
    record.write_text(content)
    assert machine.disconnect("codex") == 1
    assert f"{record}: is not a record of `clipal connect`" in capsys.readouterr().err


def test_who_is_not_connected_need_not_be_disconnected(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert machine.disconnect("codex") == 0
    assert capsys.readouterr().out == "Codex CLI is not connected\n"
