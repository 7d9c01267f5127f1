"""The clients under test: how each is started headless, its settings, and the requests that it should send.

`clipal connect` sets up the three programs. `acceptance.sdk` sets up each SDK as docs/setup.md says, in a process of
its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from attrs import field, frozen

from acceptance.programs import PACKAGES, SDKS, sdk_version
from acceptance.tool_calls import ToolCall
from clipal.demo.answers import APIS, Api

NOTE: Final = "note.txt"
"""A file in the working directory, which the tool call reads."""

_ANTHROPIC, _OPENAI, _GOOGLE = APIS


@frozen
class Place:
    """Where a client runs.

    Attributes:
        programs: the directory of the installed programs.
        home: the home directory.
        work: the working directory.
        base: clipal's URL without a path.
    """

    programs: Path
    home: Path
    work: Path
    base: str


@frozen
class Client:
    """One client.

    Attributes:
        name: the client's name for `--only`.
        version: the installed version.
        command: makes the command line that asks a prompt.
        carrier: the field that carries the key, and the text before the key.
        target: the request's path and query at a provider.
        before: files below the home directory that exist before `clipal connect`, with the user's settings.
        settings: the files that `clipal connect` changes or makes.
        tool: makes the call of a tool that reads NOTE in the working directory.
        impatient: arguments with which the client tries only once or twice.
        impatient_variables: variables with which the client tries only once or twice.
        streams: whether the client asks for streams.
    """

    name: str
    title: str
    version: str
    api: Api
    command: Callable[[Place, str], list[str]] = field(repr=False)
    carrier: tuple[bytes, bytes]
    target: bytes
    before: Mapping[str, str] = field(factory=dict, repr=False)
    settings: tuple[str, ...] = ()
    tool: Callable[[Place], ToolCall] | None = None
    impatient: tuple[str, ...] = ()
    impatient_variables: Mapping[str, str] = field(factory=dict)
    streams: bool = True

    @property
    def connects(self) -> bool:
        """Whether `clipal connect` sets the client up; an SDK gets clipal's URL from its program."""
        return bool(self.settings)

    @property
    def prefix(self) -> str:
        """Its prefix at clipal."""
        return self.api.dialect.prefix


def _claude_command(place: Place, prompt: str) -> list[str]:
    return [str(place.programs / "claude"), "-p", prompt, "--allowedTools", "Read"]


def _codex_command(place: Place, prompt: str) -> list[str]:
    safe = "--dangerously-bypass-approvals-and-sandbox"  # its sandbox would need a namespace within that of the run
    return [str(place.programs / "codex"), "exec", "--skip-git-repo-check", safe, prompt]


def _gemini_command(place: Place, prompt: str) -> list[str]:
    # With a named model, Gemini CLI sends no first request to choose one.
    return [str(place.programs / "gemini"), "--skip-trust", "-m", "gemini-3.1-pro-preview", "-p", prompt]


_CLAUDE_SETTINGS: Final = """\
{
  "env": {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"},
  "includeCoAuthoredBy": false
}
"""
_CODEX_SETTINGS: Final = """\
# the user's own
check_for_update_on_startup = false

[analytics]
enabled = false

[features]
plugins = false
apps = false
"""
# With its default of ten attempts Gemini CLI would ask for minutes; no option and no variable changes that.
_GEMINI_SETTINGS: Final = """\
{
  // the user's own
  "privacy": {"usageStatisticsEnabled": false},
  "telemetry": {"enabled": false},
  "general": {"maxAttempts": 2, "enableAutoUpdate": false, "enableAutoUpdateNotification": false}
}
"""

PROGRAMS: Final = (
    Client(
        "claudecode",
        "Claude Code",
        PACKAGES["claude"][1],
        _ANTHROPIC,
        _claude_command,
        (b"authorization", b"Bearer "),
        b"/v1/messages?beta=true",
        {".claude/settings.json": _CLAUDE_SETTINGS},
        (".claude/settings.json",),
        lambda place: ToolCall("Read", {"file_path": str(place.work / NOTE)}),
        (),
        {"CLAUDE_CODE_MAX_RETRIES": "1"},
    ),
    Client(
        "codex",
        "Codex CLI",
        PACKAGES["codex"][1],
        _OPENAI,
        _codex_command,
        (b"authorization", b"Bearer "),
        b"/v1/responses",
        {".codex/config.toml": _CODEX_SETTINGS},
        (".codex/config.toml",),
        lambda place: ToolCall("exec_command", {"cmd": f"cat {place.work / NOTE}"}),
        ("-c", "model_providers.clipal.request_max_retries=1", "-c", "model_providers.clipal.stream_max_retries=0"),
    ),
    Client(
        "gemini",
        "Gemini CLI",
        PACKAGES["gemini"][1],
        _GOOGLE,
        _gemini_command,
        (b"x-goog-api-key", b""),
        b"/v1beta/models/gemini-3.1-pro-preview:streamGenerateContent?alt=sse",
        {".gemini/settings.json": _GEMINI_SETTINGS},
        (".gemini/settings.json", ".gemini/.env"),
        lambda place: ToolCall("read_file", {"file_path": str(place.work / NOTE)}),
    ),
)


def sdks() -> tuple[Client, ...]:
    """The Python SDKs, each streaming and not.

    Raises:
        MissingError: one is not installed.
    """
    return tuple(_sdk(name, streaming=streaming) for name in SDKS for streaming in (True, False))


def _sdk(name: str, *, streaming: bool) -> Client:
    api, carrier, target = _WIRE[name, streaming]
    mode = "streaming" if streaming else "whole"

    def command(place: Place, prompt: str) -> list[str]:
        return [sys.executable, str(_SDK), name, mode, f"{place.base}/{api.dialect.prefix}", prompt]

    return Client(name, f"{name} SDK, {mode}", sdk_version(name), api, command, carrier, target, streams=streaming)


_SDK: Final = Path(__file__).with_name("sdk.py")
_BEARER: Final = (b"authorization", b"Bearer ")
_GOOGLES: Final = (b"x-goog-api-key", b"")
_WIRE: Final = {
    ("anthropic", True): (_ANTHROPIC, _BEARER, b"/v1/messages"),
    ("anthropic", False): (_ANTHROPIC, _BEARER, b"/v1/messages"),
    ("openai", True): (_OPENAI, _BEARER, b"/v1/responses"),
    ("openai", False): (_OPENAI, _BEARER, b"/v1/responses"),
    ("google-genai", True): (_GOOGLE, _GOOGLES, b"/v1/models/gemini-3.1-pro:streamGenerateContent?alt=sse"),
    ("google-genai", False): (_GOOGLE, _GOOGLES, b"/v1/models/gemini-3.1-pro:generateContent"),
}
"""For each SDK, streaming or not: its API, and where it sends its key and its request."""
