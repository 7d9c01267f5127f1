"""`clipal service`: the unit and the agent that it writes, and what it tells systemd and launchd."""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from attrs import frozen

from clipal.__main__ import main
from clipal.commands.supervisor import running_program
from tests.machine import posix
from tests.wirekit.process import PYTHON

pytestmark = posix

_FAKE = """#!/bin/sh
echo "${0##*/} $*" >> "$FAKE_LOG"
test -z "$FAKE_FAILS" || { echo "Failed to connect to bus" >&2; exit 1; }
case "$*" in *is-enabled*) echo enabled;; *is-active*) echo active;; print*) echo "state = running";; esac
"""


@frozen
class _Home:
    """A home directory, with a systemctl and a launchctl that write down what they are told."""

    directory: Path

    @property
    def unit(self) -> Path:
        return self.directory / ".config/systemd/user/clipal.service"

    @property
    def socket(self) -> Path:
        return self.unit.with_name("clipal.socket")

    @property
    def agent(self) -> Path:
        return self.directory / "Library/LaunchAgents/local.clipal.plist"

    def configure(self, text: str) -> None:
        (self.directory / ".clipal").mkdir(exist_ok=True)
        (self.directory / ".clipal/config.yaml").write_text(text)

    def told(self) -> list[str]:
        """What the two were told since the last call, without the question whether anybody is there."""
        log = self.directory.with_name("log")
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [line for line in lines if not line.endswith(("show-environment", " version"))]

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.directory)) for path in self.directory.rglob("*"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _Home:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("systemctl", "launchctl"):
        (programs / name).write_text(_FAKE)
        (programs / name).chmod(0o755)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FAKE_LOG", str(tmp_path / "log"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("CLIPAL_CONFIG_DIR", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    return _Home(tmp_path / "home")


def test_it_is_installed_once_and_leaves_nothing_behind(home: _Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["service", "install"]) == 0
    assert home.told() == [
        "systemctl --user daemon-reload",
        "systemctl --user enable clipal.service",
        "systemctl --user restart clipal.service",
    ]
    unit = home.unit.read_text()
    assert main(["service", "install"]) == 0
    assert home.told() == ["systemctl --user enable clipal.service", "systemctl --user start clipal.service"]
    assert home.unit.read_text() == unit
    capsys.readouterr()
    assert main(["service", "status"]) == 0
    assert capsys.readouterr().out == f"{home.unit}: as installed\nclipal: enabled, active\n"
    home.told()
    assert main(["service", "uninstall"]) == 0
    assert home.told()[:2] == ["systemctl --user disable --now clipal.service", "systemctl --user daemon-reload"]
    assert home.files() == []
    assert main(["service", "uninstall"]) == 0
    assert main(["service", "status"]) == 1
    assert home.told() == []
    assert "is not installed" in capsys.readouterr().out


def test_a_dry_run_shows_the_file_and_the_commands_and_changes_nothing(
    home: _Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["service", "install", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"# {home.unit}\n")
    assert "\nType=notify\n" in shown
    assert shown.endswith("\nsystemctl --user enable clipal.service\nsystemctl --user restart clipal.service\n")
    assert (home.files(), home.told()) == ([], [])
    main(["service", "install"])
    home.told()
    capsys.readouterr()
    assert main(["service", "--dry-run", "uninstall"]) == 0
    assert f"rm -f {home.unit}\n" in capsys.readouterr().out
    assert (home.unit.exists(), home.told()) == (True, [])


def test_another_drain_timeout_is_another_unit(home: _Home) -> None:
    main(["service", "install"])
    assert "\nTimeoutStopSec=660\n" in home.unit.read_text()
    home.configure("drain_timeout: 20m\n")
    home.told()
    main(["service", "install"])
    assert "\nTimeoutStopSec=1260\n" in home.unit.read_text()
    assert home.told()[-1] == "systemctl --user restart clipal.service"


def test_a_socket_of_systemds_has_its_unit(home: _Home) -> None:
    home.configure("listen: ['systemd:domain=INET:name=clipal']\n")
    assert main(["service", "install"]) == 0
    assert "\nListenStream=127.0.0.1:3333\nFileDescriptorName=clipal\n" in home.socket.read_text()
    assert "\nRequires=clipal.socket\n" in home.unit.read_text()
    assert home.told() == [
        "systemctl --user daemon-reload",
        "systemctl --user enable clipal.service clipal.socket",
        "systemctl --user stop clipal.service",
        "systemctl --user restart clipal.socket",
        "systemctl --user restart clipal.service",
    ]
    home.configure("")
    assert main(["service", "install"]) == 0
    assert not home.socket.exists()
    assert home.told()[0] == "systemctl --user disable --now clipal.socket"
    assert "clipal.socket" not in home.unit.read_text()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not there")
@pytest.mark.parametrize("name", [".clipal", 'a "b" c', "50% $HOME \\t"])
def test_systemd_finds_nothing_wrong_with_the_units(home: _Home, name: str) -> None:
    directory = home.directory / name
    directory.mkdir()
    (directory / "config.yaml").write_text("listen: ['systemd:domain=INET:name=clipal']\n")
    assert main(["service", "install", "--config-dir", str(directory)]) == 0
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(home.directory), "SYSTEMD_LOG_LEVEL": "notice"}
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", str(home.unit), str(home.socket)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")


@pytest.mark.parametrize("path", [".config/systemd/user/clipal.service", ".config/systemd/user/clipal.socket"])
def test_a_unit_of_somebody_else_is_left_alone(home: _Home, path: str, capsys: pytest.CaptureFixture[str]) -> None:
    home.configure("listen: ['systemd:domain=INET:name=clipal']\n")
    theirs = home.directory / path
    theirs.parent.mkdir(parents=True)
    theirs.write_text("[Unit]\n")
    for word in ("install", "uninstall", "status"):
        assert main(["service", word]) == 1
        assert f"{theirs}: was not written by `clipal service install`" in capsys.readouterr().err
    assert theirs.read_text() == "[Unit]\n"
    assert home.told() == []


def test_where_systemctl_does_not_work_it_says_what_to_do(
    home: _Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAKE_FAILS", "1")
    assert main(["service", "install"]) == 1
    said = capsys.readouterr().err
    assert "systemctl --user does not work here: Failed to connect to bus\n" in said
    assert "XDG_RUNTIME_DIR=" in said
    assert "nohup " in said
    monkeypatch.setenv("PATH", str(home.directory))
    assert main(["service", "install"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("clipal: systemctl is not there.\nWithout systemd: nohup ")
    assert home.files() == []


def test_a_command_that_fails_is_told_with_what_it_said(
    home: _Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bin/systemctl").write_text('#!/bin/sh\ncase "$*" in *restart*) echo no port >&2; exit 7;; esac\n')
    assert main(["service", "install"]) == 1
    assert capsys.readouterr().err == "clipal: systemctl --user restart clipal.service ended with 7: no port\n"


def test_a_configuration_with_errors_is_told_at_once(home: _Home, capsys: pytest.CaptureFixture[str]) -> None:
    home.configure("prot: 1\n")
    assert main(["service", "install"]) == 0
    said = capsys.readouterr().err
    assert "has errors, with which clipal does not start\nRun `clipal check` to see them.\n" in said


@pytest.mark.parametrize("written", ["CLIPAL_TEST_KEY=k1", "# keys\nCLIPAL_TEST_KEY= 'k1' \n"])
def test_a_variable_that_only_the_unit_has_is_no_error(
    written: str, home: _Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.configure("port: 3456\n")
    provider = "{name: a, base_url: 'https://a.example', api_key: '${CLIPAL_TEST_KEY}'}"
    (home.directory / ".clipal/codex.yaml").write_text(f"providers: [{provider}]\n")
    (home.directory / ".clipal/environment").write_text(written)
    assert main(["service", "install"]) == 0
    assert "errors" not in capsys.readouterr().err
    assert "CLIPAL_TEST_KEY" not in os.environ


def test_launchd_gets_an_agent_and_loses_it_again(
    home: _Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    domain = f"gui/{os.getuid()}"
    home.configure("drain_timeout: 10m\n")
    assert main(["service", "install"]) == 0
    agent = plistlib.loads(home.agent.read_bytes())
    assert agent["ProgramArguments"] == [*running_program(), "--config-dir", str(home.directory / ".clipal")]
    assert agent["ExitTimeOut"] == 610
    assert home.told() == [f"launchctl enable {domain}/local.clipal", f"launchctl bootstrap {domain} {home.agent}"]
    assert main(["service", "install"]) == 0
    assert home.told() == [f"launchctl bootstrap {domain} {home.agent}", f"launchctl kickstart {domain}/local.clipal"]
    capsys.readouterr()
    assert main(["service", "status"]) == 0
    assert capsys.readouterr().out == f"{home.agent}: as installed\nclipal: running\n"
    home.told()
    assert main(["service", "uninstall"]) == 0
    assert home.told() == [f"launchctl bootout {domain}/local.clipal"]
    assert home.files() == [".clipal", ".clipal/config.yaml"]


def test_on_other_systems_it_says_where_to_look(
    home: _Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert main(["service", "install"]) == 1
    assert "docs/windows.md" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "service takes one word: install, uninstall, status"),
        (("instal",), "service cannot 'instal'; did you mean 'install'?"),
        (("install", "status"), "service takes one word"),
    ],
)
def test_a_wrong_word_ends_with_2(words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["service", *words]) == 2
    assert says in capsys.readouterr().err


def test_the_program_is_the_one_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "clipal"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    link = tmp_path / "links" / "clipal"
    link.parent.mkdir()
    link.symlink_to(script)
    archive = tmp_path / "any.pyz"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("__main__.py", "")
    monkeypatch.chdir(tmp_path)
    found = []
    for started_as in ("links/clipal", str(archive), "/x/clipal/__main__.py"):
        monkeypatch.setattr(sys, "argv", [started_as])
        found.append(running_program())
    assert found == [(str(link),), (sys.executable, str(archive)), (sys.executable, "-m", "clipal")]


def test_the_unit_names_the_program_that_wrote_it(home: _Home) -> None:
    shown = subprocess.run(
        [PYTHON, "-m", "clipal", "service", "install", "--dry-run"], capture_output=True, text=True, check=True
    ).stdout
    assert f"\nExecStart={PYTHON} -m clipal --config-dir {home.directory / '.clipal'}\n" in shown
