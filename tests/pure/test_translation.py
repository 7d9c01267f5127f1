"""README.zh-CN.md says what README.md says, as far as a test can see: sections, tables, commands, names and links."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENGLISH = (ROOT / "README.md").read_text("utf-8")
CHINESE = (ROOT / "README.zh-CN.md").read_text("utf-8")


def blocks(text: str) -> list[list[str]]:
    """The blocks of commands and settings, without their comments and the width of their gaps."""
    found = re.findall(r"^```(?:bash|yaml|ini)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [[re.sub(r"\s+#.*", "", line).rstrip() for line in block.splitlines()] for block in found]


def prose(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def tables(text: str) -> list[list[tuple[int, list[str], list[str]]]]:
    """Of each row of each table: how many cells it has, its names and its statuses."""
    found = re.findall(r"(?:^\|.*\n)+", prose(text), re.MULTILINE)
    return [
        [
            (line.count("|"), sorted(re.findall(r"`[^`]+`", line)), re.findall(r"\b\d{3}\b", line))
            for line in table.splitlines()
        ]
        for table in found
    ]


def names(text: str) -> Counter[str]:
    return Counter(re.findall(r"`[^`]+`", prose(text)))


def links(text: str) -> Counter[str]:
    return Counter(re.findall(r"\]\(([^)]+)\)", prose(text)))


def test_it_has_the_same_commands_and_settings() -> None:
    assert blocks(ENGLISH)
    assert blocks(CHINESE) == blocks(ENGLISH)


def test_it_has_the_same_tables() -> None:
    assert len(tables(ENGLISH)) > 2
    assert tables(CHINESE) == tables(ENGLISH)


def test_it_has_the_same_sections_and_rules() -> None:
    for kind in (r"^## ", r"^\d\. ", r"^- "):
        assert len(re.findall(kind, CHINESE, re.MULTILINE)) == len(re.findall(kind, ENGLISH, re.MULTILINE))


def test_it_names_the_same_settings_commands_and_files() -> None:
    assert names(CHINESE) == names(ENGLISH)


def test_it_links_to_the_same_pages_and_each_to_the_other() -> None:
    other = Counter(["README.md", "README.zh-CN.md"])
    assert links(CHINESE) + Counter(["README.zh-CN.md"]) == links(ENGLISH) + Counter(["README.md"])
    assert other <= links(CHINESE) + links(ENGLISH)
