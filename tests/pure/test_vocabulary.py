"""One word for one thing: the vocabulary of docs/architecture.md, held in names, comments and docstrings."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "clipal"
MODULES = sorted(ROOT.rglob("*.py"))

TWICE = {"Options", "run"}
"""Every command has these two."""

PRIVATE = r"wants? money|nobody cares|last roads?|the sketch|go original|wire contract"
EVERYWHERE = rf"managers?|helpers?|engines?|utils?|processors?|doors?|house|{PRIVATE}"
"""Words that fit everything, and private ones."""
FORBIDDEN = re.compile(rf"\b(?:{EVERYWHERE})\b|\bissue \d+|\d ?[uµ]s\b", re.IGNORECASE)
UNEXPLAINED = re.compile(rf"\b(?:{PRIVATE})\b|\bissue \d+", re.IGNORECASE)
TEXTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "examples/*", "tests/**/*.py", "acceptance/*.py", "soak/*.py", "fuzz/*.py")
    for path in ROOT.parent.glob(pattern)
    if path.name not in ("CHANGELOG.md", Path(__file__).name) and path.is_file()
)
IN_PLACES = {
    "member": ("connect/formats/", "dialects/", "wire/coding.py"),  # JSON, TOML and gzip have members
    "handler": ("process/",),  # Python's word for what a signal calls
    "probe": ("dialects/", "providers/selection.py"),  # a client's HEAD
}
"""Words that have a meaning of their own, and where."""
_WORDS = re.compile(r"[A-Za-z][a-z]*|[A-Z]+")


def top_level(path: Path) -> Iterator[str]:
    """The public names that a module defines."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        names: list[str] = []
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names = [node.target.id]
        yield from (name for name in names if not name.startswith("_"))


def said(path: Path) -> Iterator[tuple[int, str]]:
    """The comments, the names and the texts of docstrings, each with its line."""
    source = path.read_text(encoding="utf-8")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.COMMENT, tokenize.NAME):
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield from enumerate(node.value.value.splitlines(), node.lineno)


def apart(text: str) -> str:
    """`text` with the words of its names apart."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text.replace("_", " "))


def words(text: str) -> set[str]:
    """The words of a text, those in names too, in the singular."""
    return {word.lower().removesuffix("s") for word in _WORDS.findall(text.replace("_", " "))}


def test_no_public_name_is_there_twice() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in MODULES:
        for name in set(top_level(path)):
            places[name].append(path.relative_to(ROOT).as_posix())
    assert {name: found for name, found in places.items() if len(found) > 1 and name not in TWICE} == {}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_word_is_a_private_one(path: Path) -> None:
    found = [f"{number}: {text}" for number, text in said(path) if FORBIDDEN.search(apart(text))]
    assert [each for each in found if not each.endswith(": utils")] == []  # the standard library's email.utils


def test_no_text_beside_the_package_says_what_a_stranger_cannot_know() -> None:
    found = [
        f"{path.relative_to(ROOT.parent)}:{number}: {line}"
        for path in TEXTS
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if UNEXPLAINED.search(line)
    ]
    assert len(TEXTS) > 100
    assert found == []


@pytest.mark.parametrize("word", IN_PLACES)
def test_a_word_with_one_meaning_stays_where_it_has_it(word: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {text}"
        for path in MODULES
        if not path.relative_to(ROOT).as_posix().startswith(IN_PLACES[word])
        for number, text in said(path)
        if word in words(text)
    ]
    assert found == []


def test_a_forbidden_word_is_found() -> None:
    """Else the tests above would hold whatever is written."""
    for text in ("class KeyManager", "# at the door", "costs 8 µs", "see issue 11", "key_helper"):
        assert FORBIDDEN.search(apart(text)), text
    for text in ("As the wire contract has it", "of issue 6"):
        assert UNEXPLAINED.search(text), text
