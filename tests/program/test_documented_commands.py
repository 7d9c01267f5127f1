"""Each command line in the documentation's blocks is run by bash, in a temporary home directory, or it is said why not.

One clipal serves for all of them, with two providers that are not there. Where a page shows a port or a path of its
reader's machine, the one of this world stands in its place. `make` only says what it would do. A new command line is
to match RUN, or NOT_RUN with a reason.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from attrs import frozen

from tests.wirekit.process import free_port

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/*.md", "docs/adr/*.md", "benchmarks/*.md", "examples/*.md")
    for page in ROOT.glob(pattern)
    if page.name != "CHANGELOG.md"
)
DAEMON = "twistd --reactor=clipal --pidfile ~/.clipal/clipal.pid clipal"
BACKGROUND = "nohup clipal >/dev/null 2>&1 &"
SERVING = "clipal"
"""The world's own clipal is started by it."""
AT_ONCE = (
    DAEMON,
    f"{DAEMON} --config-dir ~/.clipal",
    BACKGROUND,
    *(f'kill {each}"$(cat ~/.clipal/clipal.pid)"' for each in ("", "-HUP ")),
)
"""They start and end a clipal of their own."""
RUN = r"(mkdir -p ~/\S+ && )?clipal (?!service|upgrade).+|make \w+|jq .*|curl .*http://(127\.0\.0\.1:3333|localhost)/.*"
NOT_RUN = {
    r"(\S*/bin/)?pip install .*|pipx .*|(/usr/bin/)?python3 -m venv .*": "asks an index; see test_packages.py",
    r"~/.local/share/clipal/bin/clipal init": "the clipal that pip puts there; `clipal init` is run",
    r"\S*/bin/clipal service install": "changes this session's services; see test_service.py",
    r"(sudo|systemctl|journalctl) .*": "changes the machine",
    r"launchctl .*": "macOS has it",
    r"docker .*": "needs docker; docs/scaling.md says how the image was tried",
    r"tail -f .*": "does not end",
    r"\S*python -m pytest .*": "runs tests",
    r"\S*python -m acceptance .*": "runs the real clients, which come from npm",
    r".* https://clipal\.example\S*": "asks a machine that is not there",
}


def blocks(page: Path) -> Iterator[list[str]]:
    """The command lines of each of a page's blocks for a shell: those behind a prompt, if there are any."""
    for language, text in re.findall(r"^ *```(\w*)\n(.*?)^ *```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE):
        lines = re.sub(r" *\\\n *", " ", text).splitlines()
        if language in ("", "console"):
            yield [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        elif language in ("bash", "sh"):
            yield lines


def shown() -> dict[str, str]:
    """Each command line without its comment, and the first page that has it."""
    found: dict[str, str] = {}
    for page in PAGES:
        for line in (line for block in blocks(page) for line in block):
            found.setdefault(re.sub(r"(^|\s)#\s.*", "", line).strip(), page.name)
    return {command: page for command, page in found.items() if command}


SHOWN = shown()
COMMANDS = [each for each in SHOWN if re.fullmatch(RUN, each)]


@frozen
class _World:
    """A home directory with a configuration, and the clipal that serves with it, if one does."""

    home: Path
    port: int

    @classmethod
    def made(cls, directory: Path) -> _World:
        world = cls(directory, free_port())
        configuration = directory / ".clipal"
        configuration.mkdir(parents=True)
        dead = f"http://127.0.0.1:{free_port()}"
        providers = [{"name": name, "base_url": dead, "api_key": "k"} for name in ("anthropic", "relay")]
        files = {
            "config.yaml": {"port": world.port, "log_format": "json", "status_listen": f"unix:{directory}/status.sock"},
            **{f"{name}.yaml": {"providers": providers} for name in ("claude-code", "codex", "gemini")},
        }
        for name, content in files.items():
            (configuration / name).write_text(json.dumps(content))
            (configuration / name).chmod(0o600)
        for each in (".claude", ".codex", ".gemini"):
            (directory / each).mkdir()
        return world

    @property
    def environment(self) -> dict[str, str]:
        """One in which nothing leads away from this machine."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        dead = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"), f"http://127.0.0.1:{free_port()}")
        return {"HOME": str(self.home), "PATH": path, "MANPAGER": "cat", "NO_PROXY": "127.0.0.1,localhost", **dead}

    def start(self, command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["bash", "-c", command], env=self.environment, stdout=subprocess.DEVNULL, start_new_session=True
        )

    def run(self, command: str, typed: int | None = None) -> subprocess.CompletedProcess[str]:
        here = command.replace("3333", str(self.port)).replace(
            "/run/user/1000/clipal-status.sock", f"{self.home}/status.sock"
        )
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", here.replace("clp_…", "clp_" + 43 * "x")],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL if typed is None else typed,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def health(self) -> int | None:
        """The status of `/health`; None where nobody listens."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status
        except OSError:
            return None
        finally:
            connection.close()

    def wait(self, health: int | None) -> None:
        ends = time.monotonic() + 30
        while self.health() != health:
            assert time.monotonic() < ends
            time.sleep(0.05)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_World]:
    """With a clipal that serves."""
    world = _World.made(tmp_path_factory.mktemp("served"))
    program = world.start(f"exec {SERVING}")
    try:
        world.wait(200)
        yield world
    finally:
        program.send_signal(signal.SIGINT)
        assert program.wait(30) == 0


@pytest.fixture
def terminal() -> Iterator[int]:
    """A terminal at which `y` has been typed."""
    ours, theirs = os.openpty()
    os.write(ours, b"y\n" * 5)
    yield theirs
    os.close(ours)
    os.close(theirs)


def test_each_is_run_or_has_a_reason() -> None:
    assert len(COMMANDS) > 15
    assert {SERVING, *AT_ONCE} <= SHOWN.keys()
    others = [each for each in SHOWN if each not in (SERVING, *AT_ONCE, *COMMANDS)]
    assert [f"{SHOWN[each]}: {each}" for each in others if not any(re.fullmatch(no, each) for no in NOT_RUN)] == []
    assert [no for no in NOT_RUN if not any(re.fullmatch(no, each) for each in others)] == []


@pytest.mark.skipif(sys.platform == "win32", reason="bash and terminals")
@pytest.mark.parametrize("command", COMMANDS)
def test_it_runs(command: str, served: _World, terminal: int, tmp_path: Path) -> None:
    for name in ("curl", "jq", "man", "make"):
        if re.search(rf"(^|\| ){name} ", command) and shutil.which(name) is None:
            pytest.skip(f"needs {name}")
    if command.startswith("make "):
        command += " --dry-run"  # what it does needs an index
    world = _World(tmp_path, served.port) if re.search("clipal (init|completion)|mkdir", command) else served
    ran = world.run(command, terminal)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="twistd stays in its window")
@pytest.mark.parametrize("command", AT_ONCE[:3])
def test_it_serves_in_the_background_until_it_is_ended(command: str, tmp_path: Path) -> None:
    world = _World.made(tmp_path)
    program = world.start(f"{command} wait" if command == BACKGROUND else command)
    try:
        world.wait(200)
        if command == BACKGROUND:
            os.killpg(program.pid, signal.SIGTERM)
        else:
            assert program.wait(30) == 0
            for each in reversed(AT_ONCE[3:]):
                assert world.run(each).returncode == 0
        world.wait(None)
    finally:
        if program.poll() is None:
            os.killpg(program.pid, signal.SIGKILL)
        program.wait(30)
