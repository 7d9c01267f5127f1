"""Words of the command line: options anywhere, help, suggestions, and the exit status of what is wrong."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from clipal.__main__ import main
from clipal.commands.options import COMMANDS
from tests.machine import FILES, Machine
from tests.wirekit.process import PYTHON


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "clipal").mkdir(exist_ok=True)
    monkeypatch.setenv("CLIPAL_CONFIG_DIR", str(tmp_path / "clipal"))


def ended(*words: str) -> int | str | None:
    """The exit status of `clipal` with these words."""
    try:
        return main(words)
    except SystemExit as error:
        return error.code


@pytest.mark.parametrize(
    "words",
    [
        ("init", "--config-dir", "D"),
        ("--config-dir", "D", "init"),
        ("--config-dir=D", "init"),
        ("-c", "D", "init"),
        ("-cD", "init"),
        ("--config", "D", "init"),
    ],
)
def test_an_option_stands_before_or_behind_the_command(words: tuple[str, ...], tmp_path: Path) -> None:
    directory = str(tmp_path / "there")
    assert ended(*(word.replace("D", directory) for word in words)) == 0
    assert (tmp_path / "there" / "codex.yaml").is_file()


def test_a_value_that_is_called_as_a_command_is_a_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert ended("-c", "demo", "init") == 0
    assert (tmp_path / "demo" / "codex.yaml").is_file()


@pytest.mark.parametrize(
    "words",
    [("connect", "codex", "--print"), ("--print", "connect", "codex"), ("connect", "--print", "codex")],
)
def test_options_stand_before_or_behind_names(
    words: tuple[str, ...], machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(*words, "--home", str(machine.home)) == 0
    assert '+model_provider = "clipal"' in capsys.readouterr().out
    assert machine.files() == {}
    assert ended("connect", "codex", "--home", str(machine.home), "--port", "3333", "-y") == 0
    assert machine.files() == {".codex/config.toml": FILES[".codex/config.toml"]}


@pytest.mark.parametrize("words", [("help",), ("-h",), ("--help",), ("help", "help")])
def test_help_lists_the_commands_one_a_line(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(*words) == 0
    said = capsys.readouterr().out
    lines = [line.split(maxsplit=1) for line in said.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()]
    assert lines == [list(each) for each in COMMANDS.items()]
    assert "--config-dir" in said
    assert max(map(len, said.splitlines())) <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_its_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for words in (("help", name), (name, "-h"), (name, "--help"), ("-h", name)):
        assert ended(*words) == 0
        said.append(capsys.readouterr().out)
    assert len(set(said)) == 1
    assert said[0].startswith(f"Usage: clipal {name}")


@pytest.mark.parametrize("words", [("-V",), ("--version",), ("demo", "-V")])
def test_the_version_is_that_of_clipal(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(*words) == 0
    assert capsys.readouterr().out.startswith("clipal 0.")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("conect",), "there is no command 'conect'; did you mean 'connect'?"),
        (("conect", "--yes"), "there is no command 'conect'; did you mean 'connect'?"),
        (("xyzzy",), "there is no command 'xyzzy'; the commands are init, connect"),
        (("help", "conect"), "did you mean 'connect'?"),
        (("help", "init", "demo"), "help takes the name of one command"),
        (("init", "demo"), "'demo' is one word too many: this command takes options only"),
        (("check", "extra"), "'extra' is one word too many: this command takes options only"),
        (("connect", "claude"), "there is no client 'claude'; did you mean 'claudecode'?"),
        (("disconnect", "cursor"), "there is no client 'cursor'; the clients are claudecode, codex, gemini"),
        (("--prot", "1"), "there is no option --prot; did you mean --port?"),
        (("connect", "--pirnt"), "there is no option --pirnt; did you mean --print?"),
        (("connect", "--pirnt=sk-s3cret"), "there is no option --pirnt; did you mean --print?"),
        (("-x",), "there is no option -x"),
        (("--port",), "requires argument"),
        (("demo", "--once=1"), "must not have an argument"),
        (("-p", "abc"), "--port: must be a whole number"),
        (("-p", "70000"), "--port: must be a whole number"),
        (("-p", ""), "--port: must be a whole number"),
        (("--listen-addr", "somewhere"), "--listen-addr: must be an IP address"),
        (("-l", "loud"), "--log-level: must be one of"),
        (("connect", "-p", "abc", "codex"), "--port: must be a whole number"),
        (("connect", "-p", "0", "codex"), "it cannot be 0"),
    ],
)
def test_a_wrong_command_line_ends_with_2(
    words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(*words) == 2
    said = capsys.readouterr()
    assert says in said.err
    assert "Try `clipal help" in said.err
    assert said.out == ""
    assert "s3cret" not in said.err


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("status",), 3),
        (("use", "codex", "one"), 2),
        (("reset",), 2),
        (("disconnect", "codex"), 2),
    ],
)
def test_a_directory_that_is_named_and_is_none_is_an_error(
    words: tuple[str, ...], status: int, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    assert ended(*words, "--config-dir", str(tmp_path / "none")) == status
    assert "none: there is no such directory; run `clipal init` with the same --config-dir" in capsys.readouterr().err
    assert ended(*words, "--config-dir", str(tmp_path / "file")) == status
    assert "file: cannot be read: not a directory" in capsys.readouterr().err


def test_nothing_is_connected_by_a_directory_that_is_not_there(
    machine: Machine, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ("connect", "--yes", "codex", "--home", str(machine.home), "--config-dir", str(tmp_path / "none"))
    assert "run `clipal init`" in str(ended(*words))
    assert not (tmp_path / "none").exists()
    assert machine.files() == {}


def test_a_reader_that_has_seen_enough_gets_no_traceback(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    codex = tmp_path / "clipal" / "codex.yaml"
    codex.write_text("providers: [{name: one, base_url: 'http://127.0.0.1:1', auth: none}]\n")
    command = [PYTHON, "-m", "clipal", "connect", "--print", "--home", str(tmp_path), "codex"]
    ran = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=60, cwd=tmp_path)
    os.close(writing)
    assert (ran.returncode, ran.stderr) == (1, b"")
