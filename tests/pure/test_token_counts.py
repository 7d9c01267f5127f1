"""What an answer says that it cost, found at its ends."""

from __future__ import annotations

import json
from typing import Any

import pytest

from clipal.dialects.anthropic import ANTHROPIC
from clipal.dialects.dialect import Dialect
from clipal.dialects.gemini import GEMINI
from clipal.dialects.openai import OPENAI
from clipal.dialects.token_counts import BEGINNING, LARGEST, TAIL, TokenCounts, UsageKey, count

CLAUDE = {"input_tokens": 34, "cache_creation_input_tokens": 800, "cache_read_input_tokens": 11200, "output_tokens": 1}
RESPONSES = {
    "input_tokens": 12034,
    "input_tokens_details": {"cached_tokens": 11200},
    "output_tokens": 512,
    "output_tokens_details": {"reasoning_tokens": 100},
    "total_tokens": 12546,
}
GOOGLE = {
    "promptTokenCount": 12000,
    "cachedContentTokenCount": 11200,
    "candidatesTokenCount": 400,
    "thoughtsTokenCount": 112,
    "toolUsePromptTokenCount": 34,
    "totalTokenCount": 12546,
}
COUNTED = TokenCounts(12034, 11200, 512)


def event(document: Any, name: str = "") -> bytes:
    data = document if isinstance(document, str) else json.dumps(document)
    return (f"event: {name}\n" if name else "").encode() + f"data: {data}\n\n".encode()


def claude_stream(start: Any, delta: Any, text: str = "Hello") -> bytes:
    events = (
        {"type": "message_start", "message": {"id": "m", "content": [], "usage": start}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": delta},
        {"type": "message_stop"},
    )
    return b"".join(event(each, str(each["type"])) for each in events)


def tokens(dialect: Dialect, body: bytes, path: bytes = b"/v1/x") -> TokenCounts | None:
    """As clipal knows a body that is longer: its beginning and its end."""
    return dialect.tokens(body[:BEGINNING], body[-TAIL:], path)


def completed(usage: Any, output: Any = ()) -> bytes:
    response = {"id": "resp_1", "output": list(output), "usage": usage, "user": None, "metadata": {}}
    return event({"type": "response.completed", "response": response, "sequence_number": 9}, "response.completed")


def chunks(usage: Any) -> bytes:
    text = {"choices": [{"delta": {"content": "Hi"}}], "usage": None}
    return event(text) * 3 + event({"choices": [], "usage": usage}) + event("[DONE]")


CHAT = {
    "prompt_tokens": 12034,
    "completion_tokens": 512,
    "total_tokens": 12546,
    "prompt_tokens_details": {"cached_tokens": 11200},
}

ANSWERS = {
    "anthropic": (ANTHROPIC, claude_stream(CLAUDE, {"output_tokens": 512})),
    "anthropic whole": (ANTHROPIC, json.dumps({"content": [], "usage": {**CLAUDE, "output_tokens": 512}}).encode()),
    "anthropic, told at the end": (
        ANTHROPIC,
        claude_stream({"input_tokens": 0, "output_tokens": 0}, {**CLAUDE, "output_tokens": 512}),
    ),
    "anthropic, input repeated without the cache": (
        ANTHROPIC,
        claude_stream(CLAUDE, {"input_tokens": 34, "output_tokens": 512}),
    ),
    "responses": (OPENAI, event({"type": "response.created", "response": {"usage": None}}) + completed(RESPONSES)),
    "responses whole": (OPENAI, json.dumps({"output": [], "usage": RESPONSES, "metadata": {}}, indent=2).encode()),
    "chat": (OPENAI, chunks(CHAT)),
    "chat, told with the last text": (OPENAI, event({"choices": [{"delta": {"content": "x"}}], "usage": CHAT})),
    "deepseek": (
        OPENAI,
        chunks({"prompt_tokens": 12034, "completion_tokens": 512, "prompt_cache_hit_tokens": 11200}),
    ),
    "reasoning counted apart": (
        OPENAI,
        chunks({**CHAT, "completion_tokens": 412, "completion_tokens_details": {"reasoning_tokens": 100}}),
    ),
    "gemini": (
        GEMINI,
        event({"candidates": [], "usageMetadata": {"promptTokenCount": 5}}).replace(b"\n", b"\r\n")
        + event({"candidates": [], "usageMetadata": GOOGLE, "modelVersion": "m"}).replace(b"\n", b"\r\n"),
    ),
    "gemini list": (GEMINI, json.dumps([{"candidates": [1]}, {"usageMetadata": GOOGLE, "modelVersion": "m"}]).encode()),
    "gemini whole": (GEMINI, json.dumps({"candidates": [{}], "usageMetadata": GOOGLE}, indent=2).encode()),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_counts_of_each_api(name: str) -> None:
    assert tokens(*ANSWERS[name]) == COUNTED


def test_google_s_openai_endpoints_count_as_openai() -> None:
    assert tokens(GEMINI, chunks(CHAT), b"/v1beta/openai/chat/completions") == COUNTED


def test_other_fields_of_an_event_may_stand_behind_its_data() -> None:
    pretty = json.dumps({"usage": CHAT}, indent=1).replace("\n", "\ndata: ")
    assert tokens(OPENAI, f": hi\n\ndata: {pretty}\nid: 5\nevent: x\n\n".encode()) == COUNTED


def test_a_last_event_of_megabytes_is_not_needed_whole() -> None:
    assert tokens(OPENAI, completed(RESPONSES, ["x" * 3_000_000])) == COUNTED
    whole = json.dumps({"content": ["x" * 3_000_000], "usage": {**CLAUDE, "output_tokens": 512}}).encode()
    assert tokens(ANTHROPIC, whole) == COUNTED


def test_a_text_that_quotes_an_event_counts_nothing() -> None:
    quoted = 'event: message_delta\ndata: {"type": "message_delta", "usage": {"output_tokens": 9999}}\n\n'
    assert tokens(ANTHROPIC, claude_stream(CLAUDE, None, quoted)) == TokenCounts(12034, 11200, 0)
    document = {"choices": [{"message": {"content": '"usage": {"prompt_tokens": 7}'}}]}
    assert tokens(OPENAI, json.dumps(document).encode()) is None


def test_a_key_within_a_tool_s_arguments_counts_nothing() -> None:
    block = {"type": "tool_use", "input": {"usage": {"input_tokens": 7, "output_tokens": 7}}}
    assert tokens(ANTHROPIC, json.dumps({"content": [block]}).encode()) is None
    assert tokens(ANTHROPIC, json.dumps({"usage": CLAUDE, "content": [block]}).encode()) == TokenCounts(12034, 11200, 1)


@pytest.mark.parametrize("usage", [None, {}, [], 5, "x", {"input_tokens": "5"}, {"output_tokens": None}])
def test_an_answer_that_says_nothing_counts_nothing(usage: object) -> None:
    for body in (claude_stream(usage, usage), json.dumps({"content": [], "usage": usage}).encode()):
        assert tokens(ANTHROPIC, body) is None
    assert tokens(OPENAI, completed(usage)) is None
    assert tokens(OPENAI, chunks(usage)) is None


@pytest.mark.parametrize("absurd", [-1, LARGEST + 1, 10**40, 1.5, True, float("inf")])
def test_a_number_that_is_none_counts_nothing(absurd: float) -> None:
    usage = {"prompt_tokens": absurd, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": absurd}}
    assert tokens(OPENAI, chunks(usage)) == TokenCounts(0, 0, 5)


def test_nothing_is_a_count_too() -> None:
    assert tokens(OPENAI, chunks({"prompt_tokens": 0, "completion_tokens": 0})) == TokenCounts(0, 0, 0)


def test_the_end_of_an_answer_may_begin_with_the_key() -> None:
    assert UsageKey("usage", "output_tokens").last(b'"usage": {"output_tokens": 5}}', events=False) == {
        "output_tokens": 5
    }


def test_no_more_comes_from_a_cache_than_there_was() -> None:
    assert tokens(OPENAI, chunks({"prompt_tokens": 5, "cached_tokens": 9})) == TokenCounts(5, 5, 0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x1f\x8b" + bytes(range(256)) * 40,
        b'"usage":{' * 2000,
        b'data: {"usage":{"prompt_tokens":1',
        b'{"usage":' + b"[" * 100_000,
        b'{"usage":{"prompt_tokens":' + b"9" * 5000 + b"}}",
        b'"usage": {"prompt_tokens": 1}',
    ],
)
@pytest.mark.parametrize("dialect", [ANTHROPIC, OPENAI, GEMINI])
def test_what_is_no_answer_counts_nothing(dialect: Dialect, body: bytes) -> None:
    assert tokens(dialect, body) is None


def test_a_stream_that_broke_off_counts_what_it_had_said() -> None:
    whole = claude_stream(CLAUDE, {"output_tokens": 512})
    assert tokens(ANTHROPIC, whole[: whole.index(b"event: content_block_stop")]) == TokenCounts(12034, 11200, 0)


def test_counts_as_a_person_reads_them() -> None:
    assert str(COUNTED) == "12034 in (11200 cached), 512 out"
    assert str(TokenCounts(5, 0, 7)) == "5 in, 7 out"


def test_a_count_of_nothing_is_a_count() -> None:
    assert count({"prompt_cache_hit_tokens": 0, "cached_tokens": 5}, "prompt_cache_hit_tokens", "cached_tokens") == 0
    assert count({"prompt_cache_hit_tokens": -1, "cached_tokens": 5}, "prompt_cache_hit_tokens", "cached_tokens") == 5
