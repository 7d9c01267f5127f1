"""What the tests of the configuration's files load, and what they expect to be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipal.config.loader import load_configuration
from clipal.config.model import Configuration
from clipal.config.overrides import Overrides
from clipal.config.problems import ConfigurationError, Problem

CLIENTS = {"claudecode": "claude-code.yaml", "codex": "codex.yaml"}
SECRET = "sk-ant-api03-Secret"
WHOLE = "must be a whole number"
PROVIDERS = "providers:\n  - name: one\n    base_url: https://one.example\n    api_key: k1\n"


def load(directory: Path, config: str | None = None, client: str | None = None, **overrides: str) -> Configuration:
    """Writes the files and reads them."""
    for name, text in (("config.yaml", config), ("claude-code.yaml", client)):
        if text is not None:
            (directory / name).write_text(text)
            (directory / name).chmod(0o600)
    return load_configuration(directory, CLIENTS, Overrides(**overrides))


def failing_all(directory: Path, config: str | None = None, client: str | None = None) -> list[str]:
    """Every mistake, without the directory's name."""
    with pytest.raises(ConfigurationError) as raised:
        load(directory, config, client)
    assert "ecret" not in str(raised.value)
    return [line.replace(f"{directory}/", "") for line in str(raised.value).splitlines()]


def failing(directory: Path, config: str | None = None, client: str | None = None, **overrides: str) -> Problem:
    """The only mistake."""
    with pytest.raises(ConfigurationError) as raised:
        load(directory, config, client, **overrides)
    assert "ecret" not in str(raised.value)
    (problem,) = raised.value.problems
    assert str(problem) == str(raised.value)
    return problem
