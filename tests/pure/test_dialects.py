"""What all dialects share, and what each must be to be one of them."""

from __future__ import annotations

import json
import sys
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipal.config.model import Carrier
from clipal.dialects.dialect import UNKNOWN, Dialect, EventKind, EventMeaning, whole_seconds
from clipal.dialects.error_events import PARSED, parse_object
from clipal.dialects.registry import DIALECTS
from tests.meanings import stands_for

EVERY_DIALECT = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.prefix)
ANY_DIALECT = st.sampled_from(DIALECTS)  # pytest-twisted cannot have both @given and a table
PATHS = (
    b"/v1/messages",
    b"/v1/responses",
    b"/v1/chat/completions",
    b"/v1beta/models/m:streamGenerateContent",
)
NAMES = (b"", b"error", b"response.failed", b"content_block_start", b"response.created", b"message")
KEYS = st.sampled_from(
    [
        "error",
        "response",
        "type",
        "code",
        "status",
        "choices",
        "delta",
        "candidates",
        "content_block",
        "message",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def test_the_clients_are_these() -> None:
    assert [(each.prefix, each.config_file, each.title, each.carrier) for each in DIALECTS] == [
        ("claudecode", "claude-code.yaml", "Claude Code", Carrier.X_API_KEY),
        ("codex", "codex.yaml", "Codex CLI", Carrier.BEARER),
        ("gemini", "gemini.yaml", "Gemini CLI", Carrier.X_GOOG_API_KEY),
    ]
    assert [each.key_in_query for each in DIALECTS] == [False, False, True]
    for agent, limits in ((b"python-httpx/0.28", (120, 600)), (b"GeminiCLI-tui/0.61.0/gemini-3 (linux)", None)):
        for dialect in DIALECTS:
            found = dialect.time_limits({b"user-agent": agent})
            assert (found.stream, found.whole) == (limits or ((40, 50) if dialect.prefix == "gemini" else (120, 600)))


@EVERY_DIALECT
@pytest.mark.parametrize("refused", HTTPStatus)
def test_an_error_of_ours_is_ascii_json_whatever_the_message(dialect: Dialect, refused: HTTPStatus) -> None:
    message = 'Zürich "says"\r\n\x00\x1b[31m \U0001f600 \ud800 </script>'
    body = dialect.error_body(refused, message, "r-1")
    assert body.isascii()
    assert json.loads(body)["error"]["message"] == message


@given(
    ANY_DIALECT,
    st.sampled_from(NAMES) | st.binary(max_size=20),
    st.binary(max_size=60),
    st.sampled_from(PATHS),
)
def test_any_bytes_have_a_meaning(dialect: Dialect, event: bytes, data: bytes, path: bytes) -> None:
    assert isinstance(dialect.meaning(event, data, path), EventMeaning)


@given(ANY_DIALECT, st.sampled_from(NAMES), JSON, st.sampled_from(PATHS))
def test_any_json_has_a_meaning(dialect: Dialect, event: bytes, value: object, path: bytes) -> None:
    meaning = dialect.meaning(event, json.dumps(value).encode(), path)
    if meaning.kind is EventKind.ERROR:
        assert 400 <= stands_for(meaning) <= 599
    else:
        assert meaning.error is None


HOSTILE = {
    "nested": b'{"error":' + b"[" * 100_000,
    "nested and whole": b'{"error":{"code":429,"x":' + b"[" * 60_000 + b"]" * 60_000 + b"}}",
    "a number of many digits": b'{"error":{"code":' + b"9" * 50_000 + b"}}",
    "too long": b'{"error":{"code":429,"message":"' + b"x" * PARSED + b'"}}',
    "cut": b'{"error":{"code":429',
    "no object": b'"error"',
}


@EVERY_DIALECT
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("data", HOSTILE.values(), ids=list(HOSTILE))
def test_a_hostile_error_is_not_understood(dialect: Dialect, path: bytes, data: bytes) -> None:
    assert dialect.meaning(b"error", data, path) == UNKNOWN


@EVERY_DIALECT
def test_nesting_about_as_deep_as_can_be_read_never_raises(dialect: Dialect) -> None:
    kinds = set()
    for depth in range(0, sys.getrecursionlimit() + 50, 7):
        data = b'{"error":{"code":429,"x":' + b"[" * depth + b"]" * depth + b"}}"
        kinds.add(dialect.meaning(b"", data, b"/v1/chat/completions").kind)
    assert EventKind.ERROR in kinds


@EVERY_DIALECT
def test_an_error_with_bytes_that_are_no_utf8_is_still_an_error(dialect: Dialect) -> None:
    error = dialect.meaning(b"", b'{"error":{"code":429,"message":"\xff"}}', b"/v1/x")
    assert (stands_for(error), error.error) == (429, {"code": 429, "message": "\ufffd"})


@EVERY_DIALECT
def test_what_a_provider_says_never_shows_in_a_repr(dialect: Dialect) -> None:
    error = dialect.meaning(b"", b'{"error":{"code":401,"message":"bad key sk-secret"}}', b"/v1/x")
    assert "sk-secret" in str(error.error)
    assert "sk-secret" not in repr(error)


def test_the_longest_event_that_is_read_is_as_long_as_the_gate_holds() -> None:
    at_most = b'{"x":"' + b"y" * (PARSED - 8) + b'"}'
    assert parse_object(at_most) == {"x": "y" * (PARSED - 8)}
    assert parse_object(at_most + b" ") is None


JSON_ACCEPT = (b"Accept", b"application/json")


@pytest.mark.parametrize("dialect", DIALECTS[:2], ids=lambda dialect: dialect.prefix)
@pytest.mark.parametrize(
    ("fields", "body", "streams"),
    [
        ([JSON_ACCEPT], b'{"model":"m","stream":true}', True),
        ([JSON_ACCEPT], b'{"stream" \t:\r\n true}', True),
        ([JSON_ACCEPT], b'{"stream":false}', False),
        ([JSON_ACCEPT], b'{"stream_options":true}', False),
        ([JSON_ACCEPT], b'{"messages":"\\"stream\\": true"}', False),
        ([JSON_ACCEPT], b"", False),
        ([], b'{"x":"' + b"y" * 100_000 + b'","stream":true}', True),
        ([(b"accept", b"text/event-stream")], b"", True),
        ([JSON_ACCEPT, (b"ACCEPT", b"*/*, Text/Event-Stream;q=0.5")], b"", True),
        ([(b"x-accept", b"text/event-stream")], b"", False),
        ([(b"content-encoding", b"zstd")], b'"stream":true', False),
        ([(b"content-encoding", b"zstd"), (b"accept", b"text/event-stream")], b"\x28\xb5", True),
        ([(b"Content-Encoding", b"Identity")], b'"stream":true', True),
        ([(b"Content-Encoding", b"")], b'"stream":true', True),
    ],
)
def test_whether_a_stream_is_asked_for_is_seen_without_a_parse(
    dialect: Dialect, fields: list[tuple[bytes, bytes]], body: bytes, streams: bool
) -> None:
    assert dialect.asks_for_stream(b"/v1/x", b"", {name.lower(): value for name, value in fields}, body) is streams


@pytest.mark.parametrize("dialect", [DIALECTS[0], DIALECTS[2]], ids=lambda dialect: dialect.prefix)
def test_only_codex_has_paths_and_answers_of_its_own(dialect: Dialect) -> None:
    assert dialect.upstream_path(b"/v1/responses", b"/v1") == b"/v1/responses"
    assert dialect.upstream_path(b"/models", b"") == b"/models"
    assert not dialect.builds_on_answers
    assert dialect.previous_answer(b'{"previous_response_id":"resp_a"}') is None
    assert dialect.made_answer(b'{"id":"resp_a"}') is None


def test_gemini_cli_names_no_session() -> None:
    assert DIALECTS[2].session({b"session-id": b"s", b"x-claude-code-session-id": b"s"}) is None


@EVERY_DIALECT
def test_other_programs_name_a_session_whichever_api_they_speak(dialect: Dialect) -> None:
    assert dialect.session({b"x-session-id": b"ses_1"}) == b"ses_1"
    assert dialect.session({b"x-session-id": b"x" * 257}) is None


def test_a_clients_own_session_goes_before_that_of_other_programs() -> None:
    other = {b"x-session-id": b"other"}
    assert DIALECTS[0].session({b"x-claude-code-session-id": b"own", **other}) == b"own"
    assert DIALECTS[1].session({b"session-id": b"own", **other}) == b"own"
    assert DIALECTS[1].session({b"thread-id": b"own", **other}) == b"own"


@pytest.mark.parametrize(("wait", "seconds"), [(None, None), (0.0, 1), (0.2, 1), (1.0, 1), (36.1, 37), (3600.0, 3600)])
def test_a_wait_is_rounded_up_to_whole_seconds(wait: float | None, seconds: int | None) -> None:
    assert whole_seconds(wait) == seconds
