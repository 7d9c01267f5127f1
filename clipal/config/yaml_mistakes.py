"""What is wrong with a text that is not YAML, in words, and the line where the mistake began.

A parser says where it could not go on, which may be far below: behind a quote that is not closed, it takes the next
quote for the end. Its message may hold a piece of the file; what is said here holds none.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

_WORDS: Final = (
    (r"control characters|special characters", "a control character; remove it"),
    (r"expected ':'|document start", "expected ':' and a space behind a key"),
    (r"mapping values", "a ':' where none can stand; put a value that has one into quotes, or mend the indentation"),
    (r"tab character|'\\t'", "a tab; indent with spaces"),
    (r"cannot start any token", "a character that cannot begin a value; put the value into quotes"),
    (r"escape|hexdecimal|hexadecimal", "a backslash in double quotes; put the value into single quotes"),
    (r"expected ',' or|node content", "a comma, a bracket or a value that is missing or in the wrong place"),
    (r"alphabetic or numeric", "a value that begins with * or &; put it into quotes"),
    (r"comment or line break|chomping", "a value that begins with | or >; put it into quotes"),
    (r"directive|%", "a line that begins with %; put a value that does into quotes"),
    (r"'-' indicator", "expected '-': the indentation is that of no item above"),
    (r"expected key|block end", "expected a key: the indentation is that of no line above"),
)
"""What to say where the parser's message is like the pattern, in the order in which they are tried."""
_UNPRINTABLE: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BREAK: Final = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_BEGINNINGS: Final = re.compile(r"flow (sequence|mapping)")
_HAS_COLON: Final = re.compile(r":(\s|$)")


def describe(text: str, error: yaml.YAMLError, loader: Any) -> tuple[int | None, str]:
    """The line where the mistake began, if that is known, and what it is.

    Parameters:
        error: what `loader` raised when it parsed `text`.
    """
    if not isinstance(error, yaml.MarkedYAMLError):
        found = _UNPRINTABLE.search(text)
        return (None if found is None else _line_at(text, found.start())), _words(str(error))
    mark = error.problem_mark or error.context_mark
    opened = _open_quote(text, error, loader)
    if opened is not None:
        return opened, f"the quote opened in line {opened} is not closed"
    if mark is None:
        return None, _words(error.problem or "")
    context = _BEGINNINGS.search(error.context or "")
    if context and error.context_mark is not None and "expected" in (error.problem or ""):
        line, bracket = error.context_mark.line + 1, "[" if context[1] == "sequence" else "{"
        return line, f"the {bracket} opened in line {line} is not closed, or a comma is missing behind it"
    return _at_mark(text, error, mark)


def _at_mark(text: str, error: yaml.MarkedYAMLError, mark: yaml.Mark) -> tuple[int, str]:
    lines = _BREAK.split(text)
    number, problem = mark.line, error.problem or ""
    here = lines[number] if number < len(lines) else ""
    if here[mark.column : mark.column + 1] == "\t" and "cannot start" in problem:
        return number + 1, _words("tab character")
    if "expected ':'" in problem and error.context_mark is not None:
        return error.context_mark.line + 1, _words(problem)
    if "mapping values" in problem or "document start" in problem:
        before = _without_colon(lines, number)
        if before is not None:
            return before + 1, _words("expected ':'")
    if re.search("expected key|block end", problem) and here[: mark.column].strip():
        return number + 1, "something behind the end of a value; put the whole value into quotes"
    return number + 1, _words(problem)


def _without_colon(lines: list[str], number: int) -> int | None:
    """The first of the lines just above, indented as line `number` is, that have no key: YAML goes on with them."""
    found = None
    indentation = _indentation(lines[number]) if number < len(lines) else None
    for above in range(number - 1, -1, -1):
        line = lines[above]
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if _indentation(line) != indentation or _HAS_COLON.search(line):
            break
        found = above
    return found


def _indentation(line: str) -> int:
    """How far a line, or what its first dash begins, is indented."""
    return len(line) - len(line.lstrip(" -"))


def _open_quote(text: str, error: yaml.MarkedYAMLError, loader: Any) -> int | None:
    """The line in which a quote was opened that is not closed there, before the error."""
    try:
        for token in yaml.scan(text, Loader=loader):
            over_lines = token.start_mark.line != token.end_mark.line
            if over_lines and isinstance(token, yaml.ScalarToken) and token.style in ("'", '"'):
                return int(token.start_mark.line) + 1
            if error.problem_mark is not None and token.start_mark.line > error.problem_mark.line:
                break
    except yaml.YAMLError:
        pass
    if "quoted" in (error.context or "") and "end of stream" in (error.problem or ""):
        return None if error.context_mark is None else error.context_mark.line + 1
    return None


def _line_at(text: str, index: int) -> int:
    return len(_BREAK.findall(text, 0, index)) + 1


def _words(problem: str) -> str:
    return next((words for pattern, words in _WORDS if re.search(pattern, problem)), "it cannot be read")
