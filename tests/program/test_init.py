"""`clipal init`: what it writes, what it leaves alone, and what it says."""

from __future__ import annotations

import os
import shlex
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from clipal.__main__ import main
from clipal.commands import init
from clipal.config.loader import load_configuration
from clipal.dialects.registry import DIALECTS
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.process import PYTHON
from tests.world import World

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ("config.yaml", "claude-code.yaml", "codex.yaml", "gemini.yaml")

posix = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")


def run(directory: Path) -> int:
    return main(["init", "--config-dir", str(directory)])


def test_init_writes_the_examples_and_they_load(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = tmp_path / "new" / "clipal"
    assert run(directory) == 0
    assert {path.name: path.read_text() for path in directory.iterdir()} == {
        name: (EXAMPLES / name).read_text() for name in NAMES
    }
    configuration = load_configuration(directory, {each.prefix: each.config_file for each in DIALECTS})
    of_keys = [each for each in configuration.warnings if "the key is still the template's" in each]
    of_clients = [each for each in configuration.warnings if "none of them can be asked" in each]
    assert (len(of_keys), len(of_clients), len(configuration.warnings)) == (6, 3, 9)
    said = capsys.readouterr()
    assert [line for line in said.out.splitlines() if line.startswith("wrote")] == [
        f"wrote {directory / name}" for name in NAMES
    ]
    assert f"Run `clipal --config-dir {directory}`." in said.out
    assert said.err == ""


@posix
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_only_the_owner_can_read_them(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        assert run(tmp_path / "clipal") == 0
    finally:
        os.umask(before)
    assert (tmp_path / "clipal").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "clipal").iterdir()} == {0o600}


def test_init_keeps_what_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "codex.yaml"
    mine.write_text("providers: []\n")
    mine.chmod(0o640)
    mode = tmp_path.stat().st_mode
    assert run(tmp_path) == 0
    assert mine.read_text() == "providers: []\n"
    assert mine.stat().st_mode & 0o777 == 0o640 or os.name != "posix"
    assert tmp_path.stat().st_mode == mode
    said = capsys.readouterr().out
    assert f"kept {mine} (it exists)" in said
    assert f"wrote {tmp_path / 'gemini.yaml'}" in said


def test_init_puts_no_template_beside_a_file_of_a_later_version(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """clipal would serve the template's keys, and the user would think that it is their own file."""
    for name in ("claude.yaml", "openai.yaml", "gemini.yml"):
        (tmp_path / name).write_text("providers: []\n")
    assert run(tmp_path) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["claude.yaml", "openai.yaml", "gemini.yml", "config.yaml"]
    )
    said = capsys.readouterr().out
    for other, name in (
        ("claude.yaml", "claude-code.yaml"),
        ("openai.yaml", "codex.yaml"),
        ("gemini.yml", "gemini.yaml"),
    ):
        assert f"left out {tmp_path / name}: {other} is there" in said
        assert f"rename it to {name}" in said


def test_a_second_time_it_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}
    capsys.readouterr()
    assert run(tmp_path) == 0
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()} == before
    assert "wrote" not in capsys.readouterr().out


@posix
def test_init_does_not_write_through_a_link(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "gemini.yaml").symlink_to(tmp_path / "elsewhere")
    assert run(tmp_path) == 0
    assert not (tmp_path / "elsewhere").exists()
    assert f"kept {tmp_path / 'gemini.yaml'}" in capsys.readouterr().out


def test_of_many_at_once_one_writes(tmp_path: Path) -> None:
    made: list[bool] = []
    ready = threading.Barrier(8)

    def write(content: bytes) -> None:
        ready.wait()
        if init.write_new(tmp_path / "config.yaml", content):
            made.append((tmp_path / "config.yaml").read_bytes() == content)

    threads = [threading.Thread(target=write, args=(b"%d" % number * 4096,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [True]


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_in_the_directorys_place_is_an_error(
    below: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    assert run(file / below) == 1
    said = capsys.readouterr()
    assert said.err == f"clipal: cannot write to {file / below}: it, or a part of its path, is no directory\n"
    assert "Next" not in said.out
    assert file.read_text() == "mine"


def test_no_permission_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*arguments: object) -> int:
        raise PermissionError(13, "Permission denied")  # root, who may run these tests, has every permission

    monkeypatch.setattr("clipal.commands.init.os.open", refuse)
    assert run(tmp_path) == 1
    assert capsys.readouterr().err == f"clipal: cannot write to {tmp_path}: permission denied\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_leaves_no_half_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = os.open

    def fill(path: Path, flags: int, mode: int) -> int:
        os.close(real(path, flags, mode))
        return real("/dev/full", os.O_WRONLY)

    monkeypatch.setattr("clipal.commands.init.os.open", fill)
    assert run(tmp_path) == 1
    assert capsys.readouterr().err == f"clipal: cannot write to {tmp_path}: no space left on device\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [(("--help",), 0, "--config-dir"), (("--version",), 0, "clipal 0."), (("--force",), 2, "option --force")],
)
@ensure_deferred
async def test_its_command_line(words: tuple[str, ...], status: int, says: str, world: World, tmp_path: Path) -> None:
    program = world.program(PYTHON, "-m", "clipal", "init", *words, env={"CLIPAL_CONFIG_DIR": str(tmp_path / "x")})
    assert (await program.ended()).code == status
    assert says in (program.stdout + program.stderr).decode()
    assert not (tmp_path / "x").exists()


@ensure_deferred
async def test_the_environment_names_the_directory(world: World, tmp_path: Path) -> None:
    program = world.program(PYTHON, "-m", "clipal", "init", env={"CLIPAL_CONFIG_DIR": str(tmp_path / "x")})
    assert (await program.ended()).code == 0
    assert {path.name for path in (tmp_path / "x").iterdir()} == set(NAMES)
    assert b"Run `clipal`." in program.stdout


@posix
@pytest.mark.parametrize("found", [True, False])
def test_the_next_command_is_one_that_the_shell_finds(
    found: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A virtual environment that is not activated has it at its path only."""
    script = tmp_path / "my env" / "clipal"
    script.parent.mkdir()
    script.touch(0o755)
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.setenv("PATH", str(script.parent if found else tmp_path))
    assert main(["init", "--yes", "--offline", "--client", "codex", "-c", str(tmp_path / "c")]) == 0
    words = "clipal" if found else shlex.quote(str(script))
    assert f"Next: run `{words} --config-dir {tmp_path / 'c'}`." in capsys.readouterr().out


def test_the_next_command_of_the_one_file_program_is_that_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "clipal.pyz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("__main__.py", "")
    monkeypatch.setattr(sys, "argv", [str(path)])
    assert main(["init", "-c", str(tmp_path / "c")]) == 0
    assert f"Run `python3 {path} --config-dir {tmp_path / 'c'}`." in capsys.readouterr().out
