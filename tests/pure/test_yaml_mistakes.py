"""What is said of a file that is no YAML: words, and the line where the mistake began; never a piece of the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from clipal.config.nodes import parse_document
from clipal.config.problems import ConfigurationError
from clipal.config.yaml_mistakes import describe

SECRET = "sk-ant-Secret"
COLON = "expected ':' and a space"
TAB = "a tab; indent with spaces"
INDENTATION = "the indentation is that of no"
QUOTES = "into quotes"

MISTAKES = [
    (f"a:\n\t{SECRET}: 1\n", 2, TAB),
    (f"a:\n  - x\n\t- {SECRET}\n", 3, TAB),
    (f"a: {SECRET}\n\tb: 2\n", 2, TAB),
    (f"a: 1\nb {SECRET}\nc: 3\n", 2, COLON),
    (f"a: 1\n{SECRET}\n", 2, COLON),
    (f"a:{SECRET}\nb: 2\n", 1, COLON),
    (f"a = {SECRET}\n\n# a comment\nb: 2\n", 1, COLON),
    (f'p:\n  - name: x\n    api_key "{SECRET}"\n    priority: 1\n', 3, COLON),
    (f'p:\n  - name "{SECRET}"\n    api_key: x\n', 2, COLON),
    (f'a: 1\nb: "{SECRET}\nc: d\nd: e\n', 2, "the quote opened in line 2 is not closed"),
    (f"a: 1\nb: '{SECRET}\nc: d\nd: e\n", 2, "the quote opened in line 2 is not closed"),
    (f'p:\n  - name: "a\n    url: "http://x"\n    key: "{SECRET}"\n', 2, "the quote opened in line 2 is not closed"),
    (f"p:\n  - name: 'a'\n    url: 'http://x\n    key: '{SECRET}'\n", 3, "the quote opened in line 3 is not closed"),
    (f"a: [1,\n  {SECRET}\nb: 3\n", 1, "the [ opened in line 1 is not closed"),
    (f"b: 1\na: {{x: {SECRET}\nc: 3\n", 2, "the { opened in line 2 is not closed"),
    (f"a: ['{SECRET}' 'b']\n", 1, "or a comma is missing"),
    ("a: ]\n", 1, "a bracket"),
    (f'a: "x" {SECRET}\n', 1, "something behind the end of a value"),
    (f"a:\n  b: 1\n c: {SECRET}\n", 3, INDENTATION),
    (f"p:\n  - a: 1\n    b: 2\n   c: {SECRET}\n", 4, INDENTATION),
    (f"p:\n  - a: 1\n- b: {SECRET}\n", 3, INDENTATION),
    (f"a: 1\n  b: {SECRET}\n", 2, "mend the indentation"),
    (f"a: b: {SECRET}\n", 1, QUOTES),
    (f"a: @{SECRET}\n", 1, QUOTES),
    (f"a: `{SECRET}\n", 1, QUOTES),
    (f"a: %{SECRET}\n", 1, QUOTES),
    ("a: *\n", 1, QUOTES),
    (f"a: |{SECRET}\n", 1, QUOTES),
    (f'a: "C:\\{SECRET}"\n', 1, "a backslash in double quotes"),
    (f'a: "{SECRET}\\u12"\n', 1, "a backslash in double quotes"),
    (f'a: 1\nb: "{SECRET}\x01"\n', 2, "a control character"),
]


@pytest.mark.parametrize("loader", [getattr(yaml, "CSafeLoader", yaml.SafeLoader), yaml.SafeLoader])
@pytest.mark.parametrize(("text", "line", "words"), MISTAKES)
def test_a_mistake_is_told_in_words_with_the_line_where_it_began(text: str, line: int, words: str, loader: Any) -> None:
    """Whichever of PyYAML's two parsers read it."""
    with pytest.raises(yaml.YAMLError) as raised:
        list(yaml.parse(text, Loader=loader))
    found, said = describe(text, raised.value, loader)
    assert (found, words in said) == (line, True), said
    assert "ecret" not in said


def test_the_error_of_a_file_says_so() -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse_document(Path("codex.yaml"), b'a: 1\nb: "x\nc: 2\n')
    assert str(raised.value) == "codex.yaml:2: not valid YAML: the quote opened in line 2 is not closed"
