"""`clipal init` with a choice of clients and providers: asked at a terminal, or named by options."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from clipal.__main__ import main
from clipal.commands import init
from clipal.commands.init_options import Options
from clipal.commands.recipes import RECIPES, Chosen, client_file, for_client
from clipal.config.loader import check_configuration
from clipal.dialects.registry import DIALECTS
from tests.machine import KEY, Typed
from tests.pure.test_recipes import RECIPES as BLOCKS
from tests.terminal import Terminal
from tests.wirekit.process import PYTHON

CLIENTS = {dialect.prefix: dialect.config_file for dialect in DIALECTS}
Ask = Callable[..., int]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Runs `clipal init --offline` at a terminal at which lines and keys are typed."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(Options, "asks", True)

    def ended(lines: str, *keys: str, words: tuple[str, ...] = ()) -> int:
        typed = iter(keys)
        monkeypatch.setattr("sys.stdin", Typed(lines))
        monkeypatch.setattr("clipal.commands.dialogue.getpass.getpass", lambda prompt: next(typed))
        status = main(["init", "--offline", "--config-dir", str(tmp_path / "c"), *words])
        assert list(typed) == []
        return status

    return ended


def written(directory: Path, name: str) -> list[dict[str, Any]]:
    providers = yaml.safe_load((directory / name).read_text())["providers"]
    assert isinstance(providers, list)
    return providers


@pytest.mark.parametrize("text", [text for _, text in BLOCKS], ids=[title for title, _ in BLOCKS])
def test_each_recipe_is_the_one_of_the_page(text: str) -> None:
    (shown,) = yaml.safe_load(text)["providers"]
    shown.pop("priority", None)
    recipe = RECIPES[shown["name"]]
    key = f"${{{recipe.variable}}}" if recipe.variable else ""
    assert shown in [Chosen(recipe, key).entry(client) for client in recipe.offers]


def test_the_page_has_each_recipe() -> None:
    assert {yaml.safe_load(text)["providers"][0]["name"] for _, text in BLOCKS} == set(RECIPES)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda each: each.prefix)
def test_a_file_with_all_providers_of_a_client_loads_without_a_warning(dialect: Any, tmp_path: Path) -> None:
    recipes = for_client(dialect.prefix)
    assert len(recipes) > 1
    path = tmp_path / dialect.config_file
    path.write_bytes(client_file(dialect, [Chosen(each, "k1" if each.variable else "") for each in recipes]))
    path.chmod(0o600)
    configuration, problems = check_configuration(tmp_path, CLIENTS)
    assert problems == ()
    found = configuration.clients[dialect.prefix].providers
    assert [(each.name, each.priority) for each in found] == [
        (each.name, number) for number, each in enumerate(recipes, 1)
    ]


def test_init_writes_what_was_answered(ask: Ask, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("1 codex\nopenrouter, 1\nopenrouter\nn\nn\n", KEY, "${ANTHROPIC_API_KEY}") == 0
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["claude-code.yaml", "codex.yaml", "config.yaml"]
    claude = written(tmp_path / "c", "claude-code.yaml")
    assert [(each["name"], each["api_key"], each["priority"]) for each in claude] == [
        ("openrouter", KEY, 1),
        ("anthropic", "${ANTHROPIC_API_KEY}", 2),
    ]
    (codex,) = written(tmp_path / "c", "codex.yaml")
    assert (codex["base_url"], codex["api_key"]) == ("https://openrouter.ai/api/v1", KEY)  # asked for once
    said = capsys.readouterr()
    assert f"Next: run `clipal --config-dir {tmp_path / 'c'}`." in said.out
    assert KEY not in said.out + said.err


@pytest.mark.parametrize(("key", "starts"), [(KEY, True), ("${CLIPAL_TEST_UNSET}", False)])
def test_init_says_whether_clipal_would_start(
    key: str, starts: bool, ask: Ask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask("codex\nopenrouter\nn\nn\n", key) == 0
    said = capsys.readouterr().out
    assert said.rstrip().endswith("`." if starts else "It does not start before the errors above are mended.")


def test_a_wrong_answer_is_asked_again(ask: Ask, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = "claude\n4\ngemini\nrelay\nnot a url\nhttps://relay.example.com/x\nn\n"
    assert ask(lines, "two words", "sk-$1") == 0
    (relay,) = written(tmp_path / "c", "gemini.yaml")
    assert (relay["base_url"], relay["api_key"]) == ("https://relay.example.com/x", "sk-$$1")
    said = capsys.readouterr().out
    assert "did you mean 'claudecode'?" in said
    assert said.count("That is not possible") == 2
    assert "two words" not in said


def test_enter_takes_what_is_proposed(ask: Ask, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "home" / ".codex").mkdir(parents=True)
    assert ask("\n\nn\n", "") == 0
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["codex.yaml", "config.yaml"]
    (openai,) = written(tmp_path / "c", "codex.yaml")
    assert openai["api_key"] == "${OPENAI_API_KEY}"
    assert "OPENAI_API_KEY is not set, so far" in capsys.readouterr().out


def test_a_client_that_has_its_file_is_not_asked_about(
    ask: Ask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "codex.yaml").write_text("providers: []\n")
    assert ask("gemini\n\nn\n", "k1") == 0
    assert "Codex" not in capsys.readouterr().out.partition("Which providers")[0]
    assert (tmp_path / "c" / "codex.yaml").read_text() == "providers: []\n"
    for name in CLIENTS.values():
        (tmp_path / "c" / name).touch()
    assert ask("") == 0
    assert "Each client has its file" in capsys.readouterr().out


def test_init_offers_to_connect_and_asks_for_that_once(
    ask: Ask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask("codex\n\ny\n", "k1") == 0
    assert 'model_provider = "clipal"' in (tmp_path / "home" / ".codex" / "config.toml").read_text()
    said = capsys.readouterr().out
    assert said.count("[y/N]") == 1
    assert "0 errors, 0 warnings" in said


@pytest.mark.parametrize("lines", ["", "codex\n", "codex\nrelay\n"])
def test_answers_that_end_too_early_write_nothing(
    lines: str, ask: Ask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(lines) == 1
    assert not (tmp_path / "c").exists()
    assert "nothing is written" in capsys.readouterr().err


def test_an_interrupt_while_it_writes_leaves_no_file(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = init.write_new
    made: list[Path] = []

    def write(path: Path, content: bytes) -> bool:
        if made:
            raise KeyboardInterrupt
        made.append(path)
        return real(path, content)

    monkeypatch.setattr(init, "write_new", write)
    assert ask("codex\n\n", "k1") == 130
    assert list((tmp_path / "c").iterdir()) == []


# By options


def scripted(tmp_path: Path, *words: str) -> int:
    return main(["init", "--yes", "--offline", "--config-dir", str(tmp_path / "c"), *words])


def test_options_say_it_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "key").write_text("k1\n")
    (tmp_path / "key").chmod(0o600)
    key = f"file:{tmp_path / 'key'}"
    words = ["--provider", "relay=https://r.example.com", "--provider", "claudecode:ollama", "--key", f"relay={key}"]
    assert scripted(tmp_path, *words, "--client", "claudecode", "--client", "codex", "--connect") == 0
    assert [each["name"] for each in written(tmp_path / "c", "claude-code.yaml")] == ["relay", "ollama"]
    (relay,) = written(tmp_path / "c", "codex.yaml")
    assert (relay["base_url"], relay["api_key"]) == ("https://r.example.com", key)
    assert (tmp_path / "home" / ".claude" / "settings.json").is_file()
    said = capsys.readouterr().out
    assert "0 errors, 0 warnings" in said
    assert "[y/N]" not in said


def test_a_client_alone_has_its_makers_provider(tmp_path: Path) -> None:
    assert scripted(tmp_path, "--client", "gemini") == 0
    (google,) = written(tmp_path / "c", "gemini.yaml")
    assert (google["name"], google["api_key"]) == ("google", "${GEMINI_API_KEY}")
    assert not (tmp_path / "c" / "codex.yaml").exists()


def test_yes_alone_writes_the_templates(tmp_path: Path) -> None:
    assert scripted(tmp_path) == 0
    assert (tmp_path / "c" / "codex.yaml").read_bytes() == init.template("codex.yaml")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--client", "claude"), "did you mean 'claudecode'?"),
        (("--provider", "opnai"), "did you mean 'openai'?"),
        (("--provider", "code:openai"), "there is no client 'code'"),
        (("--provider", "gemini:openai"), "openai does not speak the API of gemini"),
        (("--provider", "relay"), "relay needs its URL"),
        (("--provider", "relay=relay"), "not a URL"),
        (("--provider", "openai", "--key", "openai=sk-s3cret"), "takes where the key is"),
        (("--key", "sk-s3cret"), "no provider has that name"),
    ],
)
def test_a_wrong_option_ends_with_2(
    words: tuple[str, ...], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scripted(tmp_path, *words) == 2
    said = capsys.readouterr().err
    assert says in said
    assert "s3cret" not in said
    assert not (tmp_path / "c").exists()


# At a real terminal


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """With `clipal init` in it."""
    command = [PYTHON, "-m", "clipal", "init", "--offline", "-c", str(tmp_path / "c")]
    made = Terminal(command, {"HOME": str(tmp_path / "home")})
    yield made
    made.close()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX terminal")
def test_at_a_terminal_the_key_is_not_shown(terminal: Terminal, tmp_path: Path) -> None:
    terminal.until(b"]: ")
    terminal.type(b"codex\n")
    terminal.until(b"[openai]: ")
    terminal.type(b"\n")
    terminal.until(b"OPENAI_API_KEY}]: ")
    terminal.type(KEY.encode() + b"\n")
    terminal.until(b"[y/N] ")
    terminal.type(b"n\n")
    terminal.until(b"Next: run")
    assert terminal.program.wait(60) == 0
    assert KEY.encode() not in terminal.read
    assert written(tmp_path / "c", "codex.yaml")[0]["api_key"] == KEY


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX terminal")
@pytest.mark.parametrize("answered", range(4))
def test_ctrl_c_at_a_question_leaves_nothing(answered: int, terminal: Terminal, tmp_path: Path) -> None:
    questions = {
        b"[claudecode codex gemini]: ": b"codex\n",
        b"[openai]: ": b"relay\n",
        b"relay.example.org: ": b"http://x\n",
    }
    for question, answer in list(questions.items())[:answered]:
        terminal.until(question)
        terminal.type(answer)
    terminal.until([*questions, b"RELAY_KEY}]: "][answered])
    terminal.type(b"half-an-answer")
    assert terminal.interrupt() in (130, -signal.SIGINT)
    assert not (tmp_path / "c").exists()
