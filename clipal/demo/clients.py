"""The three clients as `clipal demo` plays them, and the lines that point the real ones at it.

Paths, fields and the shape of bodies were recorded from Claude Code 2.1.330, Codex CLI 0.169.0 and Gemini CLI 0.61.0 in
November 2026. Identifiers, telemetry and tools are left out, because they mean nothing to a proxy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from attrs import frozen

from clipal.dialects.anthropic import ANTHROPIC
from clipal.dialects.dialect import Dialect, compact_json
from clipal.dialects.gemini import GEMINI
from clipal.dialects.openai import OPENAI

QUESTION: Final = "Which upstream are you, and why are you not the other one?"


@frozen
class DemoClient:
    """One client.

    Attributes:
        target: the request's target, with prefix and query.
        fields: the request's fields, without Host and the body's framing.
        body: the request's body.
        version: the end of its upstreams' base URLs.
        text: returns the piece of text in an event's JSON; raises LookupError or TypeError where there is none.
        setup: the lines to paste, with `{base}` in place of clipal's URL.
    """

    dialect: Dialect
    target: str
    fields: tuple[tuple[str, str], ...]
    body: bytes
    version: str
    text: Callable[[Any], str]
    setup: str


CLAUDE_CODE: Final = DemoClient(
    ANTHROPIC,
    "/claudecode/v1/messages?beta=true",
    (
        ("Accept", "application/json"),
        ("Authorization", "Bearer any-value"),
        ("Content-Type", "application/json"),
        ("User-Agent", "claude-cli/2.1.330 (external, cli)"),
        ("X-Stainless-Lang", "js"),
        ("anthropic-beta", "claude-code-20250219,interleaved-thinking-2025-05-14"),
        ("anthropic-dangerous-direct-browser-access", "true"),
        ("anthropic-version", "2023-06-01"),
        ("x-app", "cli"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ),
    compact_json(
        {
            "model": "claude-sonnet-4-5",
            "messages": [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}],
            "max_tokens": 1024,
            "stream": True,
        }
    ),
    "",
    lambda event: event["delta"]["text"],
    """\
Claude Code: ~/.claude/settings.json
{
  "env": {
    "ANTHROPIC_BASE_URL": "{base}/claudecode",
    "ANTHROPIC_AUTH_TOKEN": "any-value"
  }
}
""",
)

CODEX: Final = DemoClient(
    OPENAI,
    "/codex/v1/responses",
    (
        ("content-type", "application/json"),
        ("originator", "codex_exec"),
        ("user-agent", "codex_exec/0.169.0"),
        ("accept", "text/event-stream"),
    ),
    compact_json(
        {
            "model": "gpt-5-codex",
            "instructions": "Answer in one sentence.",
            "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": QUESTION}]}],
            "tools": [],
            "store": False,
            "stream": True,
        }
    ),
    "/v1",
    lambda event: {"response.output_text.delta": event["delta"]}[event["type"]],
    """\
Codex CLI: ~/.codex/config.toml
model_provider = "clipal"

[model_providers.clipal]
name = "clipal"
base_url = "{base}/codex/v1"
wire_api = "responses"
""",
)

GEMINI_CLI: Final = DemoClient(
    GEMINI,
    "/gemini/v1beta/models/gemini-3.1-pro-preview:streamGenerateContent?alt=sse",
    (
        ("User-Agent", "GeminiCLI-tui/0.61.0/gemini-3.1-pro-preview (linux; x64; terminal)"),
        ("x-goog-api-client", "google-genai-sdk/1.30.0 gl-node/v20"),
        ("x-goog-api-key", "any-value"),
        ("content-type", "application/json"),
        ("accept", "*/*"),
        ("accept-language", "*"),
        ("sec-fetch-mode", "cors"),
        ("accept-encoding", "gzip, deflate"),
    ),
    compact_json({"contents": [{"role": "user", "parts": [{"text": QUESTION}]}], "generationConfig": {"topP": 0.95}}),
    "",
    lambda event: event["candidates"][0]["content"]["parts"][0]["text"],
    """\
Gemini CLI: ~/.gemini/.env
GOOGLE_GEMINI_BASE_URL={base}/gemini
GEMINI_API_KEY=any-value

and ~/.gemini/settings.json:
{"security": {"auth": {"selectedType": "gemini-api-key"}}}
""",
)

CLIENTS: Final = (CLAUDE_CODE, CODEX, GEMINI_CLI)
