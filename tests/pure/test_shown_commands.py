"""Each `clipal` command line that the documentation shows is one that clipal takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from clipal.commands import serve
from clipal.commands.options import COMMANDS, chosen, parse_command

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("README*.md"), *(ROOT / "docs").glob("*.md")])


def shown(page: Path) -> list[list[str]]:
    """The words of each command line in a page's blocks for a shell, and in its sentences."""
    text = page.read_text("utf-8")
    inline = re.findall(r"`clipal( [a-z][^`]*)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    found = [shlex.split(each) for each in inline if not re.search(r"[A-Z|\[<…]", each)]
    for block in re.findall(r"^```(?:bash|sh|console)?\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        for line in block.replace("\\\n", " ").splitlines():
            matched = re.match(r"(?:\$ )?(?:\S*/bin/|python -m |twistd .*)?clipal(?= |$)(.*)", line)
            if matched and not re.match(r"clipal (?:now |\d)|.*──", line) and "twistd" not in line:
                words = shlex.split(matched[1], comments=True)
                end = next((number for number, word in enumerate(words) if re.match(r"[|>&;]|2>", word)), len(words))
                found.append(words[:end])
    return found


LINES = [(page.name, words) for page in PAGES for words in shown(page)]


def test_there_are_many() -> None:
    assert len(LINES) > 60


@pytest.mark.parametrize(("page", "words"), LINES, ids=lambda each: each if isinstance(each, str) else " ".join(each))
def test_clipal_takes_it(page: str, words: list[str]) -> None:
    if words[:1] == ["help"] or words in ([each] for each in COMMANDS) or words == ["token", "new"]:
        return  # a command that is named, and not shown with what it takes
    name = chosen(words)
    if name is None:
        serve.Options().parseOptions(words)
    else:
        parse_command(name, words)
