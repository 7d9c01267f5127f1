"""docs/providers.md: each YAML block of it is a client's file that loads, and is warned of nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clipal.config.loader import check_configuration
from tests.configuring import CLIENTS

PAGE = (Path(__file__).parents[2] / "docs" / "providers.md").read_text()
NAMES = (
    *("Anthropic", "OpenAI", "Google", "OpenRouter", "DeepSeek", "Kimi"),
    *("GLM", "MiniMax", "Azure", "LiteLLM", "new-api", "Ollama"),
)
RECIPES = re.findall(r"^## ([^\n]+)\n(?:(?!^## ).)*?^```yaml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_there_is_a_recipe_for_each() -> None:
    titles = " ".join(title for title, _ in RECIPES)
    assert PAGE.count("```yaml") == len(RECIPES)
    for name in NAMES:
        assert name in titles


@pytest.mark.parametrize(("title", "text"), RECIPES)
def test_each_recipe_loads(title: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in re.findall(r"\$\{(\w+)\}", text):
        monkeypatch.setenv(variable, "k1")
    path = tmp_path / "claude-code.yaml"
    path.write_text(text)
    path.chmod(0o600)
    configuration, problems = check_configuration(tmp_path, CLIENTS)
    assert problems == ()
    assert [each.is_asked for each in configuration.clients["claudecode"].providers] == [True]
