"""Each YAML block of the documentation that is a configuration file, or a part of one, loads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from clipal.config.loader import check_configuration
from clipal.config.problems import Severity
from clipal.dialects.registry import DIALECTS

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("README*.md"), *(each for each in (ROOT / "docs").glob("*.md") if each.stem != "providers")]
"""docs/providers.md has a test of its own."""
CLIENTS = {dialect.prefix: dialect.config_file for dialect in DIALECTS}
FOREIGN = ("scrape_configs", "rule_files")
"""Keys of Prometheus's configuration."""


ELIDED = ("    …\n", "    base_url: https://main.example\n    api_key: k\n")
"""What a page leaves out, and what stands for it here."""


def shown(page: Path) -> list[str]:
    text = page.read_text("utf-8").replace(*ELIDED)
    blocks = re.findall(r"^ *```yaml\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    return [each for each in blocks if yaml.safe_load(each).keys().isdisjoint(FOREIGN)]


BLOCKS = [(f"{page.name}-{number}", text) for page in sorted(PAGES) for number, text in enumerate(shown(page), 1)]


def test_there_are_many() -> None:
    assert len(BLOCKS) > 8


@pytest.mark.parametrize("text", [text for _, text in BLOCKS], ids=[name for name, _ in BLOCKS])
def test_it_loads(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in re.findall(r"\$\{(\w+)\}", text):
        monkeypatch.setenv(variable, "k1")
    name = "claude-code.yaml" if "providers:" in text else "config.yaml"
    (tmp_path / name).write_text(text.replace("/etc/clipal/", f"{tmp_path}/"), "utf-8")
    for file in re.findall(r"/etc/clipal/([\w.]+)", text):
        (tmp_path / file).touch()
    problems = check_configuration(tmp_path, CLIENTS)[1]
    assert [str(each) for each in problems if each.severity is Severity.ERROR] == []
