"""`clipal demo`: as a real program, its upstreams by themselves, and what it says when the second one fails too."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import socket
from collections.abc import AsyncIterator
from io import StringIO
from pathlib import Path
from typing import Any, cast

import pytest
from attrs import evolve
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.task import Clock

from clipal.__main__ import main
from clipal.commands.demo import Run
from clipal.demo.answers import ANSWER, APIS, Api
from clipal.demo.clients import CLIENTS, DemoClient
from clipal.demo.show import Demo, attempts
from clipal.demo.terminal import WIDTH, Terminal
from clipal.demo.upstreams import Answering, DemoUpstreams, Failing, send
from clipal.dialects.dialect import EventKind
from clipal.dialects.sse import Event, Scanner
from clipal.outcomes.classification import classify
from clipal.outcomes.outcome import Action
from tests.wirekit.client import request
from tests.wirekit.fixtures import RunProgram
from tests.wirekit.marks import async_fixture, ensure_deferred
from tests.wirekit.process import PYTHON, Program
from tests.wirekit.waiting import reactor as _reactor
from tests.world import World

reactor = cast("PosixReactorBase", _reactor)

DEMO = (PYTHON, "-m", "clipal", "demo")
TEXT = "".join(ANSWER)
FAILED = {"Claude Code": "529 overloaded", "Codex CLI": "401 auth, resting 1h", "Gemini CLI": "503 unavailable"}

posix = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")


def environment(directory: Path) -> dict[str, str]:
    """One in which whatever is left behind is found, and a configuration of the user's own does no harm."""
    return {"TMPDIR": str(directory), "CLIPAL_CONFIG_DIR": str(directory / "none"), "COLUMNS": "40"}


def printed(program: Program) -> str:
    return program.stdout.decode()


def parts(output: str) -> dict[str, str]:
    """What is said of each client, as one line."""
    titles = "|".join(FAILED)
    found = re.findall(rf"^({titles}): POST\s(.*?)\n\n", output + "\n", re.DOTALL | re.MULTILINE)
    return {title: " ".join(said.split()) for title, said in found}


# The program


@ensure_deferred
async def test_each_answer_came_from_the_second(world: World, tmp_path: Path) -> None:
    program = world.program(*DEMO, "--once", env=environment(tmp_path), cwd=tmp_path)
    ended = await program.ended()
    assert (ended.code, bytes(program.stderr)) == (0, b"")
    said = parts(printed(program))
    assert list(said) == list(FAILED)
    for title, failed in FAILED.items():
        assert (
            f" answer {TEXT} attempts 1. first: {failed} 2. second: 200, this answer in all status 200, " in said[title]
        )
        assert re.search(r"in all status 200, [0-9]+ ms, [0-9]{4} bytes$", said[title])
    assert "All three answers came from the second upstream" in printed(program)
    assert max(map(len, printed(program).splitlines())) <= WIDTH
    assert "demo-key" not in printed(program)
    assert list(tmp_path.iterdir()) == []


def test_without_a_place_for_its_files_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in a container that is read-only."""

    def none(prefix: str) -> None:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr("clipal.commands.demo.TemporaryDirectory", none)
    assert main(["demo", "--once"]) == 1
    said = "clipal: the demo needs a temporary directory: no usable temporary directory found in ['/tmp']\n"
    assert capsys.readouterr() == ("", said)


async def staying(run_program: RunProgram, directory: Path) -> tuple[Program, int]:
    """A demo that has shown everything, and its port."""
    program = run_program(*DEMO, env=environment(directory), cwd=directory)
    await program.wait_for_output('"gemini-api-key"')
    found = re.search(r"clipal serves on http://127\.0\.0\.1:([0-9]+)\.", printed(program))
    assert found is not None
    return program, int(found[1])


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda each: each.name)
@ensure_deferred
async def test_the_demo_stays_until_a_signal_and_leaves_nothing(
    number: signal.Signals, world: World, tmp_path: Path
) -> None:
    program, port = await staying(world.program, tmp_path)
    ports = set(map(int, re.findall(r"127\.0\.0\.1:([0-9]+)", printed(program))))
    assert port in ports
    assert len(ports) == 3
    (directory,) = tmp_path.iterdir()
    modes = {path.name: path.stat().st_mode & 0o777 for path in directory.glob("*.yaml")}
    names = ("config.yaml", "claude-code.yaml", "codex.yaml", "gemini.yaml")
    assert modes == dict.fromkeys(names, 0o600)
    program.signal(number)
    assert (await program.ended()).code == 0
    assert bytes(program.stderr) == b""
    assert list(tmp_path.iterdir()) == []
    for each in ports:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", each)) != 0


@ensure_deferred
async def test_real_clients_can_be_pointed_at_it(world: World, tmp_path: Path) -> None:
    program, port = await staying(world.program, tmp_path)
    base = f"http://127.0.0.1:{port}"
    for line in (
        f'"ANTHROPIC_BASE_URL": "{base}/claudecode"',
        f'base_url = "{base}/codex/v1"',
        f"GOOGLE_GEMINI_BASE_URL={base}/gemini",
        '{"security": {"auth": {"selectedType": "gemini-api-key"}}}',
    ):
        assert line in printed(program)
    assert "{base}" not in printed(program)
    assert max(map(len, printed(program).splitlines())) <= WIDTH
    client = await world.connect(port)
    client.send(request(b"POST", b"/codex/responses", body=b'{"model": "any", "stream": true}'))
    response = await client.read_response()
    assert (response.status, response.complete) == (200, True)
    await program.wait_for_output("POST /responses → 200 via second")


@posix
@ensure_deferred
async def test_the_demo_can_be_ended_in_the_middle(world: World, tmp_path: Path) -> None:
    program = world.program(*DEMO, env=environment(tmp_path), cwd=tmp_path)
    await program.wait_for_output("I am the second")
    program.signal(signal.SIGINT)
    assert (await program.ended()).code == 0
    assert bytes(program.stderr) == b""
    assert "All three" not in printed(program)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("words", "status", "says"), [(("--help",), 0, "--once"), (("--twice",), 2, "option --twice")])
@ensure_deferred
async def test_its_command_line(words: tuple[str, ...], status: int, says: str, world: World) -> None:
    program = world.program(*DEMO, *words)
    assert (await program.ended()).code == status
    assert says in (program.stdout + program.stderr).decode()


# In this process, with upstreams that are not as they should be


class Stage:
    """A demo that serves, and what it wrote."""

    def __init__(self, directory: Path) -> None:
        self.written = StringIO()
        self.demo = Demo(reactor, directory, Terminal(self.written))
        self.demo.start()


@async_fixture
async def stage(nothing_left: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    monkeypatch.setattr("clipal.demo.upstreams.PAUSE", 0)
    stage = Stage(tmp_path)
    yield stage
    await stage.demo.stop()


@ensure_deferred
async def test_the_demo_shows_each_client(stage: Stage) -> None:
    assert await stage.demo.show() is True
    assert list(parts(stage.written.getvalue())) == list(FAILED)
    stage.demo.show_setup()
    assert stage.written.getvalue().count(stage.demo.base) == 4


@ensure_deferred
async def test_the_demo_says_so_when_the_second_fails_too(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Answering, "answer", Failing.answer)
    assert await stage.demo.show() is False
    said = parts(stage.written.getvalue())
    for title, failed in FAILED.items():
        assert f" answer (none) attempts 1. first: {failed} 2. second: {failed} in all status 503, " in said[title]
    assert stage.written.getvalue().endswith("\nNot all answers came from the second upstream.\n")


@ensure_deferred
async def test_the_demo_says_so_when_the_first_answers(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Failing, "answer", lambda self, request, api, body, said: send(request, 200, api.whole(said)))
    assert await stage.demo.show() is False
    assert all("attempts 1. first: 200, this answer" in said for said in parts(stage.written.getvalue()).values())


def test_attempts_are_the_log_lines() -> None:
    trail = " (first: 529 overloaded; second: connection refused)"
    assert attempts({"trail": trail, "provider": None}) == ["first: 529 overloaded", "second: connection refused"]
    assert attempts({"trail": "", "provider": "second", "status": 200}) == ["second: 200, this answer"]


# The run


class OneRun(Clock):
    """A reactor that runs until somebody stops it."""

    def __init__(self) -> None:
        super().__init__()
        self.stopped = 0
        self.begin: Any = None
        self.end: Any = None

    def callWhenRunning(self, begin: Any) -> None:
        self.begin = begin

    def addSystemEventTrigger(self, phase: str, event: str, end: Any) -> None:
        assert (phase, event) == ("before", "shutdown")
        self.end = end

    def run(self) -> None:
        self.begin()
        if self.stopped:
            self.end()

    def stop(self) -> None:
        self.stopped += 1


class Played:
    """A demo that goes as a test wants it."""

    def __init__(self, came: bool | Exception) -> None:
        self.came = came
        self.done: list[str] = []

    def start(self) -> None:
        self.done.append("start")

    async def stop(self) -> None:
        self.done.append("stop")

    async def show(self) -> bool:
        self.done.append("show")
        if isinstance(self.came, Exception):
            raise self.came
        return self.came

    def show_setup(self) -> None:
        self.done.append("setup")


@pytest.mark.parametrize(
    ("came", "once", "status", "done", "says"),
    [
        (True, True, 0, ["start", "show", "stop"], ""),
        (False, True, 1, ["start", "show", "stop"], ""),
        (True, False, 0, ["start", "show", "setup"], ""),
        (False, False, 1, ["start", "show", "setup"], ""),
        (ValueError("why"), False, 1, ["start", "show", "stop"], "clipal: the demo failed: ValueError: why"),
    ],
)
def test_the_exit_status(
    came: bool | Exception,
    once: bool,
    status: int,
    done: list[str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delattr(signal, "SIGHUP", raising=False)
    demo, runs = Played(came), OneRun()
    assert Run(cast("PosixReactorBase", runs), cast("Demo", demo), once=once).run() == status
    assert demo.done == done
    assert runs.stopped == ("stop" in done)
    assert capsys.readouterr().err.strip() == says


# The upstreams


@async_fixture
async def upstreams(nothing_left: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[int, int]]:
    """Their ports."""
    monkeypatch.setattr("clipal.demo.upstreams.PAUSE", 0)
    started = DemoUpstreams.start(reactor)
    first, second = (int(url.rpartition(":")[2]) for url in started.base_urls)
    yield first, second
    await started.stop()


def asking(client: DemoClient, *, stream: bool = True) -> bytes:
    """The client's request as its provider gets it."""
    target = client.target.removeprefix(f"/{client.dialect.prefix}")
    body = client.body
    if not stream:
        target = target.replace(":streamGenerateContent", ":generateContent")
        body = body.replace(b'"stream":true', b'"stream":false')
    return request(b"POST", target.encode(), ((b"Host", b"127.0.0.1"), (b"Connection", b"close")), body)


@pytest.mark.parametrize(("client", "api"), list(zip(CLIENTS, APIS, strict=True)), ids=list(FAILED))
@ensure_deferred
async def test_the_first_fails_so_that_another_is_asked(
    client: DemoClient, api: Api, upstreams: tuple[int, int], world: World
) -> None:
    connection = await world.connect(upstreams[0])
    connection.send(asking(client))
    response = await connection.read_response()
    assert response.status == api.status
    outcome = classify(response.status, response.fields, response.body, 0)
    assert outcome.action is Action.NEXT
    assert FAILED[client.dialect.title].startswith(f"{api.status} {outcome.reason}")


@pytest.mark.parametrize("client", CLIENTS, ids=list(FAILED))
@ensure_deferred
async def test_the_second_streams(client: DemoClient, upstreams: tuple[int, int], world: World) -> None:
    connection = await world.connect(upstreams[1])
    connection.send(asking(client))
    response = await connection.read_response()
    assert (response.status, response.complete) == (200, True)
    assert response.values(b"content-type") == [b"text/event-stream; charset=utf-8"]
    events = Scanner().feed(response.body)
    assert len(response.chunks) == len(events), "one at a time"
    path = client.target.encode().partition(b"?")[0]
    kinds = [client.dialect.meaning(event.event, event.data, path).kind for event in events]
    assert EventKind.CONTENT in kinds
    assert not {EventKind.ERROR, EventKind.UNKNOWN} & set(kinds)
    assert "".join(said(client, event) for event in events) == TEXT


def said(client: DemoClient, event: Event) -> str:
    try:
        return client.text(json.loads(event.data))
    except LookupError:
        return ""


@ensure_deferred
async def test_its_streams_are_whole(upstreams: tuple[int, int], world: World) -> None:
    """What the real clients need: how each API's stream begins and ends."""
    ends = {}
    for client in CLIENTS:
        connection = await world.connect(upstreams[1])
        connection.send(asking(client))
        events = Scanner().feed((await connection.read_response()).body)
        ends[client.dialect.prefix] = (json.loads(events[0].data), json.loads(events[-1].data), events)
    first, last, _ = ends["claudecode"]
    assert (first["type"], first["message"]["content"], last) == ("message_start", [], {"type": "message_stop"})
    first, last, events = ends["codex"]
    assert (first["type"], last["type"]) == ("response.created", "response.completed")
    assert last["response"]["output"][0]["content"][0]["text"] == TEXT
    assert [json.loads(event.data)["sequence_number"] for event in events] == list(range(len(events)))
    assert [json.loads(event.data)["type"].encode() for event in events] == [event.event for event in events]
    first, last, _ = ends["gemini"]
    assert "finishReason" not in first["candidates"][0]
    assert last["candidates"][0]["finishReason"] == "STOP"
    assert last["modelVersion"] == "gemini-3.1-pro-preview"


@pytest.mark.parametrize("client", CLIENTS, ids=list(FAILED))
@ensure_deferred
async def test_the_second_answers_without_a_stream(
    client: DemoClient, upstreams: tuple[int, int], world: World
) -> None:
    client = evolve(client, fields=())
    connection = await world.connect(upstreams[1])
    connection.send(asking(client, stream=False))
    response = await connection.read_response()
    assert (response.status, response.values(b"content-type")) == (200, [b"application/json"])
    assert TEXT in json.dumps(json.loads(response.body))


@ensure_deferred
async def test_gemini_cli_is_told_which_model_to_use(upstreams: tuple[int, int], world: World) -> None:
    body = b'{"contents": [], "generationConfig": {"responseMimeType": "application/json"}}'
    connection = await world.connect(upstreams[1])
    connection.send(request(b"POST", b"/v1beta/models/gemini-3.5-flash-lite:generateContent", body=body))
    (candidate,) = json.loads((await connection.read_response()).body)["candidates"]
    assert json.loads(candidate["content"]["parts"][0]["text"])["complexity_score"] == 1
    connection.close()


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b"{}", b'{"model": 1}'])
@ensure_deferred
async def test_a_request_that_names_no_model_is_answered(body: bytes, upstreams: tuple[int, int], world: World) -> None:
    connection = await world.connect(upstreams[1])
    connection.send(request(b"POST", b"/v1/messages", body=body))
    assert json.loads((await connection.read_response()).body)["model"] == "demo"
    connection.close()


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize(
    ("method", "path"), [(b"GET", b"/v1/models"), (b"GET", b"/v1/messages"), (b"POST", b"/v1/messages/count_tokens")]
)
@ensure_deferred
async def test_there_is_nothing_else(
    method: bytes, path: bytes, number: int, upstreams: tuple[int, int], world: World
) -> None:
    connection = await world.connect(upstreams[number])
    connection.send(request(method, path, body=b""))
    response = await connection.read_response()
    assert (response.status, "error" in json.loads(response.body)) == (404, True)
    connection.close()


@ensure_deferred
async def test_a_client_that_leaves_ends_the_stream(
    upstreams: tuple[int, int], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipal.demo.upstreams.PAUSE", 3600)  # a timer that is left would be found
    connection = await world.connect(upstreams[1])
    connection.send(asking(CLIENTS[0]))
    await connection.wait_for(b"message_start")
    connection.abort()


# The terminal


def test_pieces_wrap_at_words() -> None:
    stream = StringIO()
    terminal = Terminal(stream)
    terminal.begin("answer")
    for _ in range(30):
        terminal.piece("some words, and ")
        terminal.piece("more")
        terminal.piece(" ")
    terminal.line()
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("  answer     some words, and more some words, and ")
    assert len(lines) > 4
    assert all(60 < len(line) <= WIDTH for line in lines[:-1])
    assert all(line.startswith(" " * 13) and line == line.rstrip() for line in lines[1:])
    assert " ".join(stream.getvalue().split()) == "answer" + " some words, and more" * 30
