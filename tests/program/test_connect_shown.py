"""What `clipal connect` and `clipal disconnect` show and ask: names of settings, never a value that may be a key."""

from __future__ import annotations

import sys

import pytest

from clipal.connect.registry import PROGRAMS
from tests.machine import FILES, KEY, Machine, Typed


def test_keys_are_neither_touched_nor_shown_nor_kept_in_the_open(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.put(".claude/settings.json", f'{{"env": {{"ANTHROPIC_API_KEY": "{KEY}"}}}}')
    machine.put(".codex/config.toml", f"# {KEY}\n[mcp_servers.x.env]\nNAME = '{KEY}'\n")
    machine.put(".gemini/.env", f"#GEMINI_API_KEY={KEY}\nGEMINI_API_KEY={KEY}\n")
    before = machine.files()
    assert machine.connect("--yes", *PROGRAMS) == 0
    assert {name: text.count(KEY) for name, text in machine.files().items() if KEY in text} == {
        ".claude/settings.json": 1,
        ".codex/config.toml": 2,
        ".gemini/.env": 2,
    }
    assert "any-value" not in "".join(machine.files().values())
    assert KEY not in "".join(path.read_text() for path in (machine.config / "connected").glob("*.json"))
    assert machine.disconnect("--print") == 0
    assert machine.disconnect() == 0
    assert machine.files() == before
    said = capsys.readouterr()
    assert KEY not in said.out + said.err


def test_the_difference_is_shown(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    path = machine.put(".codex/config.toml", "model_provider = 'azure'\nx\t= '\u202e' # c\n\"na\u202eme\" = 1\n")
    assert machine.connect("--print", "codex", "claudecode") == 0
    assert (
        capsys.readouterr().out
        == f"""\
--- {path}
+++ {path}
@@ -1,3 +1,8 @@
-model_provider = 'azure'
+model_provider = "clipal"
 x    = "..." # ...
 "na?me" = 1
+
+[model_providers.clipal]
+name = "clipal"
+base_url = "http://127.0.0.1:3333/codex/v1"
+wire_api = "responses"
--- /dev/null
+++ {machine.home / ".claude" / "settings.json"}
@@ -0,0 +1,6 @@
"""
        + "".join(f"+{line}\n" for line in FILES[".claude/settings.json"].splitlines())
    )
    assert list(machine.files()) == [".codex/config.toml"]
    assert list(machine.config.iterdir()) == []


def test_a_terminal_without_a_character_gets_another(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.put(".codex/config.toml", '"日本" = 1\n')
    monkeypatch.setattr(type(sys.stdout), "encoding", "ascii", raising=False)
    assert machine.connect("--print", "codex") == 0
    assert ' "??" = 1' in capsys.readouterr().out


def test_disconnect_shows_too(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert machine.connect("--yes", "gemini") == 0
    capsys.readouterr()
    assert machine.disconnect("--print", "gemini") == 0
    said = capsys.readouterr().out
    assert f"--- {machine.home / '.gemini' / '.env'}\n+++ /dev/null\n" in said
    assert "-GEMINI_API_KEY=any-value\n" in said
    assert len(machine.files()) == 2


@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), (" YES \n", 0), ("n\n", 1), ("\n", 1), ("", 1)])
def test_connect_asks_before_it_writes(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: str,
    status: int,
) -> None:
    monkeypatch.setattr(sys, "stdin", Typed(answer))
    assert machine.connect("codex") == status
    assert bool(machine.files()) == (status == 0)
    said = capsys.readouterr().out
    assert "Write this for Codex CLI?" in said
    assert ("left as it was" in said) == (status == 1)


def test_without_a_terminal_it_refuses_to_write(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert machine.connect("codex") == 1
    assert "no terminal to ask on; use --yes" in capsys.readouterr().err
    assert machine.files() == {}


@pytest.mark.parametrize(
    ("client", "name", "text", "login"),
    [
        ("claudecode", ".claude/.credentials.json", "{}", "the login at claude.ai"),
        ("codex", ".codex/auth.json", "{}", "the login with ChatGPT or an API key of OpenAI"),
        ("gemini", ".gemini/oauth_creds.json", "{}", "the login with Google"),
        (
            "gemini",
            ".gemini/settings.json",
            '{"security": {"auth": {"selectedType": "oauth-personal"}}}',
            "the login with Google",
        ),
        ("gemini", ".gemini/settings.json", '{"security": {"auth": {"selectedType": "vertex-ai"}}}', None),
        ("gemini", ".gemini/settings.json", '{"security": {"auth": {"selectedType": "gemini-api-key"}}}', None),
        ("codex", ".codex/other.json", "{}", None),
    ],
)
def test_it_says_which_login_is_not_used_any_more(
    machine: Machine, capsys: pytest.CaptureFixture[str], client: str, name: str, text: str, login: str | None
) -> None:
    machine.put(name, text)
    assert machine.connect("--print", client) == 0
    said = capsys.readouterr().out
    sentence = f"While {PROGRAMS[client].title} is connected, {login} is not used"
    assert (sentence in said) == (login is not None)
    assert ("is not used" in said) == (login is not None)
