"""Standard output that nobody reads stops nobody: lines are dropped, counted, and told of when somebody reads again."""

from __future__ import annotations

import fcntl
import http.client
import os
import re
import select
import socket
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from twisted.logger import LogLevel

from clipal.config.settings import Settings
from clipal.logs import stream
from clipal.logs.observer import Logs, open_logs
from tests.wirekit.process import PYTHON, free_port

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pipes and terminals as POSIX has them")

TEXT = "x" * 300


def pipe() -> tuple[int, int]:
    return os.pipe()


def pair() -> tuple[int, int]:
    ours, theirs = socket.socketpair()
    return ours.detach(), theirs.detach()


def terminal() -> tuple[int, int]:
    return os.openpty()


def terminal_on_hold() -> tuple[int, int]:
    reader, writer = os.openpty()
    termios.tcflow(writer, termios.TCOOFF)
    return reader, writer


@pytest.fixture(params=["opened again", "asked"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "asked":
        monkeypatch.setattr(stream, "opened_again", lambda descriptor: None)
    return str(request.param)


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[Callable[[int], Logs]]:
    opened: list[Logs] = []

    def with_output(descriptor: int) -> Logs:
        stdout = open(descriptor, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 (as long as the process has it)
        opened.append(open_logs(Settings(log_dir=tmp_path), (), stdout))
        return opened[-1]

    yield with_output
    for each in opened:
        each.close()


def say(logs: Logs, text: str) -> None:
    logs({"log_format": "{text}", "text": text, "log_level": LogLevel.info, "log_namespace": "x"})


def read_all(descriptor: int) -> str:
    """What there is to read; a terminal hands on what it holds some time after it was asked."""
    data = b""
    while select.select([descriptor], [], [], 0.2)[0]:
        data += os.read(descriptor, 65536)
    return data.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("make", [pipe, pair, terminal, terminal_on_hold])
def test_a_reader_that_falls_behind_loses_lines_and_is_told_how_many(
    make: Callable[[], tuple[int, int]], way: str, logs: Callable[[int], Logs], tmp_path: Path
) -> None:
    reader, writer = make()
    log = logs(writer)
    if way == "asked" and make is terminal:
        pytest.skip("a terminal takes less than a piece and says that it takes more")
    for _ in range(2000):
        say(log, TEXT)
    assert log.dropped > 0
    assert not fcntl.fcntl(writer, fcntl.F_GETFL) & os.O_NONBLOCK, "others share it"
    lost = log.dropped
    if make is terminal_on_hold:
        termios.tcflow(writer, termios.TCOON)
    seen = read_all(reader)
    for _ in range(50):  # a busy machine's terminal may be full for a while after it was read
        say(log, "somebody reads again")
        seen += read_all(reader)
        if "somebody reads again" in seen:
            break
    lines = seen.splitlines()
    assert lines[-1].endswith("] somebody reads again")
    told = [int(number) for number in re.findall(r"\] (\d+) lines are missing here: nobody read them\n", seen)]
    assert told, "a terminal makes room by itself now and then, so there may be several"
    assert sum(told) == log.dropped
    assert len([line for line in lines if line.endswith(f"[x] {TEXT}")]) == 2000 - lost, "each line is whole"
    (file,) = tmp_path.glob("clipal-*.log")
    assert file.read_text().count(TEXT) == 2000
    os.close(reader)
    os.close(writer)


@contextmanager
def serving(directory: Path) -> Iterator[tuple[subprocess.Popen[bytes], http.client.HTTPConnection]]:
    """A clipal whose output nobody reads once it listens, and a connection to it."""
    port = free_port()
    command = [PYTHON, "-m", "clipal", "--config-dir", str(directory), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        try:
            while b"Listening" not in process.stdout.readline():
                assert process.poll() is None
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            yield process, client
            client.close()
        finally:
            process.kill()


def test_a_program_serves_though_its_output_is_not_read(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, client):
        for _ in range(600):
            client.request("GET", f"/claudecode/{TEXT}")
            client.getresponse().read()
        client.close()
        process.terminate()
        assert process.wait(20) == 0
    (file,) = (tmp_path / "logs").glob("clipal-*.log")
    lines = [line for line in file.read_text().splitlines() if "GET /" in line]
    assert len(lines) == 600
    path = lines[0].partition("GET ")[2].partition(" ")[0]
    assert path == "/" + TEXT[:199] + "…"


def test_a_refused_file_is_one_error_on_standard_error(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    for day in (time.time(), time.time() + 86400):
        os.mkfifo(tmp_path / "logs" / time.strftime("clipal-%Y-%m-%d.log", time.localtime(day)))
    with serving(tmp_path) as (process, client):
        client.request("GET", "/health")
        assert client.getresponse().status == 200
        client.close()
        process.terminate()
        _, errors = process.communicate(timeout=20)
    assert errors.count(b"\n") == 1
    assert b"ERROR" in errors
    assert b"it is no regular file" in errors


def test_errors_go_to_standard_error_once_the_days_bytes_are_used_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = open_logs(Settings(log_dir=tmp_path, log_max_bytes=4096), ())
    for _ in range(100):
        say(log, TEXT)
    log({"log_format": "it broke", "log_level": LogLevel.error, "log_namespace": "x"})
    log.close()
    out, err = capsys.readouterr()
    (file,) = tmp_path.glob("clipal-*.log")
    assert file.stat().st_size <= 4096
    assert file.read_text().count("log_max_bytes") == out.count("log_max_bytes") == 1
    assert out.count(TEXT) == file.read_text().count(TEXT) + 1, "the first that found no room in the file"
    assert err.endswith("] it broke\n")
    assert err.count("\n") == 1
