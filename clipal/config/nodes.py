"""One YAML file as a tree of nodes with line numbers. A file is untrusted input.

Only the parser's events are used, and the tree grows by hand, within bounds: the loader of PyYAML before 6.0.4
recurses, and crashes at 200 000 nested brackets. PyYAML 6.0.4 refuses 1000 levels by itself, perhaps before it tells of
the first; that is the same error here. Anchors, aliases, tags, duplicate keys, several documents and keys that are no
strings are refused. An error names file, line and key in our own words: a parser's message quotes the file, and there
may be a key of a provider just there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml
from attrs import field, frozen

from clipal.config.problems import ConfigurationError

SIZE: Final = 256 * 1024
"""Bytes of a file."""
DEPTH: Final = 8
"""Levels of nesting; a sensible file has three."""

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TOO_DEEP: Final = "exceeded maximum nesting depth"
"""What PyYAML 6.0.4 says of 1000 levels and more; it reads ahead, so that it may say so before it gives any event."""
_NAME = re.compile(r"[A-Za-z_]{1,40}")


@frozen
class Scalar:
    """A plain value: what YAML takes it for (text, integer, truth value, None …), and whether it stood in quotes."""

    line: int
    text: str = field(repr=False)
    tag: str

    @property
    def value(self) -> object:
        """As YAML's safe types have it; a number or date beyond all measure stays text."""
        try:
            return _construct(self.tag, self.text)
        except (ValueError, OverflowError):
            return self.text


@frozen
class Sequence:
    """A list of nodes."""

    line: int
    items: list[Node] = field(repr=False)


@frozen
class Mapping:
    """Nodes by key, in the file's order; `lines` has each key's line."""

    line: int
    items: dict[str, Node] = field(repr=False)
    lines: dict[str, int] = field(repr=False)


Node = Scalar | Sequence | Mapping


def read_document(path: Path) -> Mapping | None:
    """The mapping that the file at `path` holds; None if there is no such file.

    Raises:
        ConfigurationError: it cannot be read, is empty, or is no such file as described above.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise ConfigurationError(path, None, None, "cannot be read: not a file")  # a pipe would block for ever
        with path.open("rb") as file:
            data = file.read(SIZE + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(path, None, None, f"cannot be read: {(error.strerror or 'error').lower()}") from None
    if len(data) > SIZE:
        raise ConfigurationError(path, None, None, f"larger than {SIZE // 1024} KiB")
    return parse_document(path, data)


def parse_document(path: Path, data: bytes) -> Mapping:
    """The mapping in `data`, which came from the file at `path`. Raises as `read_document`."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(path, line, None, "not UTF-8 text") from None
    _check_width(path, text)
    try:
        return _Tree(path).grow(yaml.parse(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = "nested too deep" if error.problem == _TOO_DEEP else "not valid YAML"
        raise ConfigurationError(path, None if mark is None else mark.line + 1, None, problem) from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise ConfigurationError(path, None, None, "not valid YAML") from None


def _check_width(path: Path, text: str) -> None:
    """Refuses, before any parsing, lines that nest without end; YAML's parsers take time squared for them."""
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > 8192:
            raise ConfigurationError(path, number, None, "a line of more than 8192 characters")


class _Tree:
    """Builds nodes from a parser's events, with the open collections on a stack of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: list[tuple[Sequence | Mapping, list[str]]] = []
        self._root: Node | None = None

    def grow(self, events: Iterator[Any]) -> Mapping:
        """The whole tree."""
        documents = 0
        for event in events:
            line = event.start_mark.line + 1
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._error(line, "more than one YAML document")
            elif isinstance(event, yaml.AliasEvent):
                raise self._error(line, "YAML aliases are not allowed")
            elif isinstance(event, yaml.NodeEvent):
                self._node(event, line)
            elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
                self._open.pop()
        if self._root is None or (isinstance(self._root, Scalar) and self._root.value is None):
            raise ConfigurationError(self._path, None, None, "empty; delete the file if it is meant to be")
        if not isinstance(self._root, Mapping):
            raise self._error(self._root.line, "must be a mapping of keys to values")
        return self._root

    def _node(self, event: Any, line: int) -> None:
        if event.anchor is not None:
            raise self._error(line, "YAML anchors are not allowed")
        if event.tag is not None:
            raise self._error(line, "YAML tags are not allowed")
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = Scalar(line, event.value, _tag_of(event))
        elif isinstance(event, yaml.SequenceStartEvent):
            node = Sequence(line, [])
        else:
            node = Mapping(line, {}, {})
        self._attach(node, line)
        if not isinstance(node, Scalar):
            self._open.append((node, []))
            if len(self._open) > DEPTH:
                raise self._error(line, "nested too deep")

    def _attach(self, node: Node, line: int) -> None:
        if not self._open:
            self._root = node
            return
        parent, pending = self._open[-1]
        if isinstance(parent, Sequence):
            parent.items.append(node)
        elif pending:
            parent.items[pending.pop()] = node
        else:
            pending.append(self._key(parent, node, line))

    def _key(self, parent: Mapping, node: Node, line: int) -> str:
        if not isinstance(node, Scalar) or node.tag != _STRING:
            raise self._error(line, "a key must be a word")
        if node.text in parent.lines:
            raise ConfigurationError(
                self._path, line, shown(node.text), f"already set in line {parent.lines[node.text]}"
            )
        parent.lines[node.text] = line
        return node.text

    def _error(self, line: int, problem: str) -> ConfigurationError:
        return ConfigurationError(self._path, line, None, problem)


def shown(key: str) -> str:
    """`key`, if it looks like one; else it may be a secret in the wrong place."""
    return key if _NAME.fullmatch(key) else "a key"


_STRING: Final = "tag:yaml.org,2002:str"
_CONSTRUCTOR: Final = yaml.SafeLoader("")


def _tag_of(event: Any) -> str:
    """The tag of a scalar: text if it stood in quotes, else what YAML 1.1 takes it for."""
    tag: str = _CONSTRUCTOR.resolve(yaml.ScalarNode, event.value, event.implicit)
    return tag


def _construct(tag: str, text: str) -> object:
    """By the constructor of one type; `construct_object` would keep each node for ever."""
    if len(text) > 64 or ":" in text or not tag.endswith((":int", ":bool", ":null", ":float")):
        return text  # with a colon, YAML 1.1 takes 12:30 for a number in base 60
    value: object = yaml.SafeLoader.yaml_constructors[tag](_CONSTRUCTOR, yaml.ScalarNode(tag, text))
    return value
