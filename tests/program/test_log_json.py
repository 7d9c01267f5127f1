"""`log_format: json`: one object a line, with the same fields in each, whatever the line is about."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from twisted.logger import LogLevel, globalLogPublisher
from twisted.python.failure import Failure

from clipal.config.settings import LogFormat, Settings
from clipal.logs.observer import Logs, open_logs
from tests.asking import FAILED, ask, ranked
from tests.pure.test_token_counts import CLAUDE, claude_stream
from tests.seen import get
from tests.wirekit.client import request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import answer, event_stream
from tests.world import World

FIELDS = [
    "time", "level", "event", "request_id", "client", "method", "path", "status", "provider", "attempts", "trail", "ms",
    "first_byte_ms", "bytes_in", "bytes_out", "tokens", "token_name", "peer",
]  # fmt: skip
Seen: TypeAlias = Callable[[], list[dict[str, Any]]]
MOMENT = 1795442706.123


def written(*secrets: str, log_level: LogLevel = LogLevel.info, **event: object) -> dict[str, Any]:
    """The line of one event."""
    stdout = io.StringIO()
    logs = open_logs(Settings(log_dir=Path("/nonexistent/none"), log_format=LogFormat.JSON), secrets, stdout)
    logs({"log_level": log_level, "log_namespace": "clipal.x", "log_time": MOMENT, **event})
    logs.close()
    (line, *_) = stdout.getvalue().splitlines()
    found: dict[str, Any] = json.loads(line)
    assert list(found) == FIELDS
    return found


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Seen]:
    """What the log has of all that a test runs."""
    logs = open_logs(Settings(log_dir=tmp_path / "seen", log_stdout=False, log_format=LogFormat.JSON), ())
    globalLogPublisher.addObserver(logs)

    def lines() -> list[dict[str, Any]]:
        (path,) = (tmp_path / "seen").iterdir()
        return [json.loads(line) for line in path.read_text().splitlines()]

    yield lines
    globalLogPublisher.removeObserver(logs)
    logs.close()


def test_a_line_of_any_event_has_all_fields() -> None:
    found = written(log_level=LogLevel.warn, log_format="{client}: {provider} rests", client="codex", provider="one")
    assert (found["level"], found["event"]) == ("warn", "codex: one rests")
    assert (found["client"], found["provider"], found["status"], found["trail"]) == ("codex", "one", None, None)
    assert found["time"][:4] == "2026"
    assert found["time"][-3] == ":"


def test_control_characters_are_escaped() -> None:
    text = 'a\nb\x1b[31m\x7f\u2028\u202e\ud800"\\é→'
    found = written(log_format="{text}", text=text, path=text)
    assert (found["event"], found["path"]) == (text, text)
    stdout = io.StringIO()
    logs = open_logs(Settings(log_dir=Path("/nonexistent/none"), log_format=LogFormat.JSON), (), stdout)
    logs({"log_level": LogLevel.info, "log_time": MOMENT, "log_format": "{text}", "text": text})
    logs.close()
    first = stdout.getvalue().split("\n")[0]
    assert "é→" in first
    assert not [each for each in first if ord(each) < 32 or each in "\x7f\u2028\u202e\ud800"]


@pytest.mark.parametrize("secret", ["sk-ant-api03-hush/hush+hush", 'quo"ted\\key', "status", "null", "200"])
def test_secrets_are_taken_out_and_it_stays_json(secret: str) -> None:
    found = written(secret, log_format="saw {path}", path=f"/x {secret} y", status=200, steps=[{"reason": secret}])
    assert found["path"] == "/x [redacted] y"
    assert found["event"] == "saw /x [redacted] y"
    assert found["trail"] == [{"reason": "[redacted]"}]
    assert found["status"] == 200


def test_a_traceback_is_in_the_event() -> None:
    try:
        raise ValueError("oh")
    except ValueError:
        found = written(log_level=LogLevel.critical, log_format="Bug", log_failure=Failure())
    assert found["level"] == "error"
    assert found["event"].startswith("Bug\nTraceback")


def test_the_format_follows_the_configuration(tmp_path: Path) -> None:
    stdout = io.StringIO()
    logs: Logs = open_logs(Settings(log_dir=tmp_path), (), stdout)
    for log_format in (LogFormat.JSON, LogFormat.TEXT):
        logs.set_format(log_format)
        logs({"log_level": LogLevel.info, "log_time": MOMENT, "log_format": "hello"})
    logs.close()
    as_json, as_text = stdout.getvalue().splitlines()
    assert json.loads(as_json)["event"] == "hello"
    assert as_text.endswith("INFO  [-] hello")


@ensure_deferred
async def test_the_line_of_a_request(world: World, log: Seen) -> None:
    stream = event_stream(claude_stream(CLAUDE, {"output_tokens": 512}))
    up = world.upstream(stream)
    proxy = ranked(world.proxy, world.upstream(FAILED), up)
    body = await ask(await world.connect(proxy.port), fields=((b"X-Request-Id", b"mine"),))
    await proxy.logged(" → ")
    await proxy.stop()
    (found,) = [line for line in log() if line["method"]]
    assert list(found) == FIELDS
    assert found["event"].startswith("claudecode POST /v1/messages → 200 via two in ")
    numbers = {name: found.pop(name) for name in ("ms", "first_byte_ms")}
    assert all(0 <= number < 10_000 for number in numbers.values())
    failed = {"provider": "one", "asked": True, "status": 500, "reason": "server error"}
    failed |= {"rests_seconds": None, "until": None}
    assert {name: found[name] for name in FIELDS[3:] if name in found} == {
        "request_id": "mine", "client": "claudecode", "method": "POST", "path": "/v1/messages", "status": 200,
        "provider": "two", "attempts": 2, "trail": [failed], "bytes_in": 2, "bytes_out": len(body),
        "tokens": {"input": 12034, "cached_input": 11200, "output": 512}, "token_name": None, "peer": "127.0.0.1",
    }  # fmt: skip


@ensure_deferred
async def test_lines_of_refusals(world: World, log: Seen) -> None:
    proxy = world.proxy({"codex": []})
    for path, method, fields in (
        (b"/nowhere?key=hush", b"GET", ((b"Host", b"127.0.0.1"),)),
        (b"/health", b"POST", ((b"Host", b"127.0.0.1"),)),
        (b"/status/x", b"GET", ((b"Host", b"127.0.0.1"),)),
        (b"/metrics", b"GET", ((b"Host", b"127.0.0.1"), (b"Via", b"1.1 x"))),
        (b"/codex/v1/models", b"GET", ((b"Host", b"elsewhere.example"),)),
    ):
        await get(proxy.port, path, fields, method)
    await proxy.stop()
    found = [line for line in log() if line["status"]]
    assert [(line["status"], line["method"], line["path"], line["client"]) for line in found] == [
        (404, "GET", "/nowhere", None),
        (405, "POST", "/health", None),
        (404, "GET", "/status/x", None),
        (403, "GET", "/metrics", None),
        (403, "GET", "/codex/v1/models", "codex"),
    ]
    assert {line["peer"] for line in found} == {"127.0.0.1"}
    assert all(line["request_id"] for line in found)


@ensure_deferred
async def test_every_line_of_a_run_is_json(world: World, log: Seen) -> None:
    proxy = ranked(world.proxy, world.upstream(answer(401, b"{}")), world.upstream(FAILED))
    client = await world.connect(proxy.port)
    await ask(client)
    client.send(request(b"POST", b"/claudecode/v1/messages\x1b[31m", ((b"Host", b"127.0.0.1"),), b"{}"))
    await client.read_response()
    await proxy.stop()
    found = log()
    assert all(list(line) == FIELDS for line in found)
    assert {"Listening", "claudecode:", "refused"} <= {line["event"].split()[0] for line in found}


@ensure_deferred
async def test_the_trail_has_the_end_of_the_cooldown_of_a_provider_passed_over(world: World, log: Seen) -> None:
    limited = answer(429, b"", ((b"Retry-After", b"600"),))
    proxy = ranked(world.proxy, world.upstream(limited), world.upstream(answer(200, b"x"), answer(200, b"x")))
    client = await world.connect(proxy.port)
    begun = time.time()
    for _ in range(2):
        await ask(client)
    await proxy.logged(" → ", 2)
    (asked,), (passed,) = [line["trail"] for line in log() if line["method"]]
    assert (asked["asked"], asked["status"], passed["asked"], passed["status"]) == (True, 429, False, None)
    assert passed["reason"] == "rate limit"
    for step in (asked, passed):
        assert 590 < step["rests_seconds"] <= 600
        assert -1 < datetime.fromisoformat(step["until"]).timestamp() - begun - 600 < 30
