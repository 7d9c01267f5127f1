"""Shells' completion and the man page: all of it is what the commands themselves say."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from clipal.__main__ import main
from clipal.commands.completion import SCRIPTS
from clipal.commands.described import commands, program
from clipal.commands.man import page
from clipal.commands.options import COMMANDS

SHARE = Path(__file__).parents[2] / "share"
FILES = {
    "bash": SHARE / "bash-completion" / "completions" / "clipal",
    "zsh": SHARE / "zsh" / "site-functions" / "_clipal",
    "fish": SHARE / "fish" / "vendor_completions.d" / "clipal.fish",
}


@pytest.mark.parametrize("shell", FILES)
def test_the_script_that_is_installed_is_the_one_that_is_printed(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`make share` writes them."""
    assert main(["completion", shell]) == 0
    assert capsys.readouterr().out == FILES[shell].read_text("utf-8")


def test_the_man_page_that_is_installed_is_the_one_that_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["man"]) == 0
    assert capsys.readouterr().out == (SHARE / "man" / "man1" / "clipal.1").read_text("utf-8")


@pytest.mark.parametrize(
    "words", [("completion",), ("completion", "tcsh"), ("completion", "bash", "zsh"), ("man", "x")]
)
def test_what_is_no_shell_is_a_wrong_command_line(words: tuple[str, ...]) -> None:
    assert main(words) == 2


def test_every_command_and_option_is_in_each() -> None:
    texts = [*(script() for script in SCRIPTS.values()), page().replace("\\-", "-")]
    assert [each.name for each in commands()] == list(COMMANDS)
    for each in [program(), *commands()]:
        assert {"help", "version"} <= {option.long for option in each.options}
        for text in texts:
            assert each.name in text
            assert [option.long for option in each.options if option.long not in text] == []


def completed(*words: str) -> set[str]:
    """What bash offers for the last of the words."""
    listed = " ".join(f"'{word}'" for word in ("clipal", *words))
    text = (
        f"source '{FILES['bash']}'; COMP_WORDS=({listed}); COMP_CWORD={len(words)}; "
        '_clipal; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    ran = subprocess.run(["bash", "--norc", "-c", text], capture_output=True, text=True, timeout=30)
    assert ran.stderr == ""
    return set(ran.stdout.split())


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("in",), {"init"}),
        (("",), {*COMMANDS, "help", *(word for option in program().options for word in option.words)}),
        (("connect", "co"), {"codex"}),
        (("connect", "--print", "ge"), {"gemini"}),
        (("disconnect", "--al"), {"--all"}),
        (("use", "a"), {"auto"}),
        (("help", "disc"), {"disconnect"}),
        (("completion", "z"), {"zsh"}),
        (("status", "--port", ""), set()),
    ],
)
def test_bash_completes(words: tuple[str, ...], offered: set[str]) -> None:
    assert completed(*words) == offered


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_directories(tmp_path: Path) -> None:
    (tmp_path / "clipal").mkdir()
    (tmp_path / "clips.txt").touch()
    assert completed("init", "-c", str(tmp_path / "cl")) == {str(tmp_path / "clipal")}


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_shell_takes_the_script(shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"needs {shell}")
    ran = subprocess.run([program, "-n", str(FILES[shell])], capture_output=True, text=True, timeout=30)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("groff") is None, reason="needs groff")
def test_groff_has_nothing_against_the_man_page() -> None:
    command = ["groff", "-man", "-ww", "-Tascii", "-P-c", "-P-b", "-P-u"]
    ran = subprocess.run(command, input=page().encode(), capture_output=True, timeout=30)
    assert (ran.returncode, ran.stderr.decode()) == (0, "")
    assert b"clipal disconnect" in ran.stdout
