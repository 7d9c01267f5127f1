"""The acceptance run without the real programs: what it says where something is missing, and what its checks refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve

from acceptance import checks
from acceptance.__main__ import main
from acceptance.answers import failing_compressed, text_of
from acceptance.clients import PROGRAMS
from acceptance.isolation import Isolation
from acceptance.processes import Ended
from acceptance.programs import MissingError, installed
from acceptance.report import Report, Row
from acceptance.stage import Seen, key_of
from tests.wirekit.steps import Send
from tests.wirekit.upstream import RecordedRequest

CLAUDE_CODE = PROGRAMS[0]
FIRST = text_of("first")
WHOLE = "t INFO [x] claudecode POST /v1/messages → 200 via first in 2 ms, 9 bytes, attempts: 1 [a-1]"
CUT = "t WARN [x] claudecode POST /v1/messages → 200 via first, provider broke off in the body in 2 ms, 9 bytes"


def program(directory: Path, name: str, script: str) -> None:
    directory.mkdir(exist_ok=True)
    file = directory / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o700)


def request(key: str = key_of("first"), *further: tuple[bytes, bytes]) -> RecordedRequest:
    fields = ((b"Authorization", b"Bearer " + key.encode()), *further)
    head = b"".join(b"%s: %s\r\n" % field for field in fields)
    return RecordedRequest(head, b"POST", CLAUDE_CODE.target, fields, b"the question", 0)


def seen(stdout: str, *log: str, status: int = 0) -> Seen:
    """A row in which each line of the log stands for a request that arrived at the first provider."""
    requests = {"first": [request() for _ in log], "second": []}
    return Seen(CLAUDE_CODE, "the question", "note", Ended(status, stdout, "", 1.0), requests, list(log))


def test_without_node_it_says_so_and_ends_with_2(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert main(["--only", "codex"]) == 2
    assert capsys.readouterr().err.startswith("acceptance: there is no node on this machine")


def test_without_npm_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program(tmp_path / "bin", "node", "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(MissingError, match="there is no npm on this machine"):
        installed(tmp_path / "cache", ["codex"])


def test_what_npm_says_when_it_fails_is_passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program(tmp_path / "bin", "node", "exit 0")
    program(tmp_path / "bin", "npm", "echo no network >&2; exit 1")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(MissingError, match=r"not installed\. It said:\nno network"):
        installed(tmp_path / "cache", ["codex"])


def test_a_whole_answer_after_one_request_is_plain() -> None:
    assert "whole" in checks.plain(seen(FIRST, WHOLE))


@pytest.mark.parametrize(
    "row",
    [
        seen(FIRST[:-1], WHOLE),
        seen(FIRST + text_of("second"), WHOLE),
        seen(FIRST, WHOLE, status=1),
        seen(FIRST, WHOLE, WHOLE),
    ],
    ids=["a part", "two answers", "an error", "two requests"],
)
def test_anything_else_is_not(row: Seen) -> None:
    with pytest.raises(checks.FailedError):
        checks.plain(row)


@pytest.mark.parametrize(
    "leaking",
    [request(key_of("second")), request("any-value"), request(key_of("first"), (b"x-api-key", b"any-value"))],
    ids=["another provider's", "the client's own", "the client's own beside it"],
)
def test_a_wrong_key_at_a_provider_is_a_failure(leaking: RecordedRequest) -> None:
    row = evolve(seen(FIRST, WHOLE), requests={"first": [leaking], "second": []})
    with pytest.raises(checks.FailedError, match="key"):
        checks.plain(row)


def test_a_part_of_an_answer_with_status_0_is_a_cut_that_went_unnoticed() -> None:
    with pytest.raises(checks.FailedError, match="without a whole answer"):
        checks.noticed_cut(seen(FIRST[:20], CUT, CUT))
    with pytest.raises(checks.FailedError, match="it ended with 0"):
        checks.never_whole(seen(FIRST[:20], CUT, CUT))


def test_a_run_that_was_broken_off_has_not_passed(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(Isolation.PROXIES)
    report.add(Row("client", "1", "scenario", "a | b\n\x1b[31mc", True, 1.0))
    assert not report.passed
    assert "a \\| b c | pass" in capsys.readouterr().out
    report.end()
    assert report.passed


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", b"zstd"),
        ("zstd,gzip", b"zstd"),
        ("gzip, deflate, br", b"br"),
        ("gzip, deflate", b"gzip"),
    ],
)
def test_a_compressed_error_event_is_in_a_coding_that_the_client_accepts(accepted: str, coding: bytes) -> None:
    script = failing_compressed(CLAUDE_CODE.api, "first")
    assert callable(script)
    asked = request(key_of("first"), (b"Accept-Encoding", accepted.encode()))
    asked = evolve(asked, body=b'{"model": "claude-sonnet-4-5", "stream": true}')
    sent = b"".join(step.data for step in script(asked) if isinstance(step, Send))
    assert b"Content-Encoding: %s\r\n" % coding in sent
    assert b"overloaded_error" not in sent


def test_a_client_that_accepts_no_coding_is_refused() -> None:
    script = failing_compressed(CLAUDE_CODE.api, "first")
    assert callable(script)
    (step,) = script(request())
    assert isinstance(step, Send)
    assert step.data.startswith(b"HTTP/1.1 400 ")
