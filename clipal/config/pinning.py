"""A client's file with another `mode` and `pinned_provider`, and every other byte as it was.

Pure: bytes in, bytes out. Where a key is there, its value is replaced in place; where it is missing, a line is put in,
with a mark by which it is found and taken out again. PyYAML says where things stand; the result is read again, and
refused where anything else has changed.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import yaml
from attrs import frozen

from clipal.config.model import Mode
from clipal.config.nodes import Mapping, Node, Scalar, parse_document
from clipal.config.problems import ConfigurationError

_MODE: Final = "mode"
_PINNED: Final = "pinned_provider"
_MARK: Final = "# by clipal use"
_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_BYTE_ORDER_MARK: Final = "\ufeff"


@frozen
class _Pair:
    """A key of the outermost mapping: its place in the text, and its value's."""

    key: yaml.Node
    value: yaml.Node


def with_pin(path: Path, data: bytes, provider: str | None) -> bytes:
    """`data`, the content of the client's file at `path`, with `provider` pinned; for None, with none.

    Raises:
        ConfigurationError: it cannot be read, or not be changed without changing something else.
    """
    before = parse_document(path, data)
    mark, text = _split(data.decode("utf-8"))
    try:
        after = _pinned(text, provider) if provider is not None else _unpinned(text)
        changed = (mark + after).encode("utf-8")
        found = parse_document(path, changed)
    except (ConfigurationError, yaml.YAMLError):
        raise _refusal(path) from None
    if _rest(before) != _rest(found) or not _says(found, provider):
        raise _refusal(path)
    return changed


def _refusal(path: Path) -> ConfigurationError:
    return ConfigurationError(path, None, None, "cannot be edited without changing something else; edit it by hand")


def _split(text: str) -> tuple[str, str]:
    """A byte order mark, if there is one, and the rest."""
    return (_BYTE_ORDER_MARK, text[1:]) if text.startswith(_BYTE_ORDER_MARK) else ("", text)


def _pinned(text: str, provider: str) -> str:
    pairs = _pairs(text)
    if _PINNED in pairs:
        text = _replaced(text, pairs[_PINNED].value, provider)
    else:
        text = _inserted(text, pairs.get(_MODE), _PINNED, provider)
    pairs = _pairs(text)
    if _MODE in pairs:
        return _replaced(text, pairs[_MODE].value, Mode.MANUAL.value)
    return _inserted(text, None, _MODE, Mode.MANUAL.value)


def _unpinned(text: str) -> str:
    for key in (_PINNED, _MODE):
        text = _without_marked_line(text, key)
    pairs = _pairs(text)
    return _replaced(text, pairs[_MODE].value, Mode.AUTO.value) if _MODE in pairs else text


def _root(text: str) -> yaml.MappingNode:
    root = yaml.compose(text, Loader=yaml.SafeLoader)  # in Python: it counts characters, as `text` does
    assert isinstance(root, yaml.MappingNode)
    return root


def _pairs(text: str) -> dict[str, _Pair]:
    return {key.value: _Pair(key, value) for key, value in _root(text).value}


def _replaced(text: str, node: yaml.Node, value: str) -> str:
    """`text` with another value at `node`, in the quotes that are there."""
    start, end = node.start_mark.index, node.end_mark.index
    if getattr(node, "value", None) == value and start != end:
        return text
    gap = " " if start == end and text[start - 1 : start] == ":" else ""  # there was no value at all
    return text[:start] + gap + _literal(value, getattr(node, "style", None)) + text[end:]


def _literal(value: str, style: str | None = None) -> str:
    if style == "'":
        return "'" + value.replace("'", "''") + "'"
    if style != '"' and _PLAIN.fullmatch(value) and _is_text(value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _is_text(value: str) -> bool:
    """Whether YAML takes the plain `value` for text."""
    tag = yaml.SafeLoader("").resolve(yaml.ScalarNode, value, (True, False))
    return bool(tag == "tag:yaml.org,2002:str")


def _inserted(text: str, behind: _Pair | None, key: str, value: str) -> str:
    """`text` with one more key: behind the pair `behind`, else before all others."""
    root = _root(text)
    if root.flow_style:
        return _inserted_in_flow(text, root, f"{key}: {_literal(value)}")
    first: Any = root.value[0][0]
    end = "\r\n" if "\r\n" in text else "\n"
    line = f"{' ' * first.start_mark.column}{key}: {_literal(value)} {_MARK}"
    if behind is None:
        at = first.start_mark.index - first.start_mark.column
        return f"{text[:at]}{line}{end}{text[at:]}"
    at = text.find("\n", behind.value.end_mark.index) + 1
    return f"{text[:at]}{line}{end}{text[at:]}" if at else f"{text}{end}{line}"


def _inserted_in_flow(text: str, root: yaml.MappingNode, item: str) -> str:
    at = root.start_mark.index + 1
    return f"{text[:at]}{item}{', ' if root.value else ''}{text[at:]}"


def _without_marked_line(text: str, key: str) -> str:
    """`text` without the line of `key`, if `_inserted` has put it there."""
    pair = _pairs(text).get(key)
    if pair is None:
        return text
    start = text.rfind("\n", 0, pair.key.start_mark.index) + 1
    end = text.find("\n", start) + 1 or len(text)
    if text[pair.value.end_mark.index : end].strip() != _MARK:
        return text
    if end == len(text) and not text.endswith("\n"):  # it was put after a last line without a line break
        return text[:start].removesuffix("\n").removesuffix("\r")
    return text[:start] + text[end:]


# What was read again


def _says(document: Mapping, provider: str | None) -> bool:
    mode, pinned = document.items.get(_MODE), document.items.get(_PINNED)
    if provider is None:
        return mode is None or (isinstance(mode, Scalar) and mode.text.lower() == Mode.AUTO.value)
    is_manual = isinstance(mode, Scalar) and mode.text == Mode.MANUAL.value
    return is_manual and isinstance(pinned, Scalar) and pinned.value == provider


def _rest(document: Mapping) -> object:
    """All of `document` but the pin, without line numbers."""
    return [(key, _plain(node)) for key, node in document.items.items() if key not in (_MODE, _PINNED)]


def _plain(node: Node) -> object:
    if isinstance(node, Scalar):
        return node.tag, node.text
    if isinstance(node, Mapping):
        return [(key, _plain(value)) for key, value in node.items.items()]
    return [_plain(item) for item in node.items]
