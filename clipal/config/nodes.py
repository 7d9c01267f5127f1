"""One YAML file as a tree of nodes with line numbers. A file is untrusted input.

PyYAML's events are checked first: anchors, aliases, tags, several documents and deep nesting are refused. Only then a
tree is composed, because the composer of PyYAML before 6.0.4 recurses, and crashes at 200 000 nested brackets. PyYAML
6.0.4 refuses 1000 levels by itself, perhaps before it tells of the first; that is the same error here. Keys that are
there twice or are no strings are refused too. An error names file, line and key in our own words: a parser's message
quotes the file, and there may be a key of a provider just there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import yaml
from attrs import field, frozen

from clipal.config.problems import ConfigurationError, Problems
from clipal.config.yaml_mistakes import describe

LARGEST_CONFIGURATION_FILE: Final = 256 * 1024
"""Bytes of a file."""
_DEEPEST_YAML: Final = 8
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


def read_document(path: Path, problems: Problems | None = None) -> Mapping | None:
    """The mapping that the file at `path` holds; None if there is no such file.

    Parameters:
        problems: takes keys that cannot stand where they do, which are then left out; without it, they are an error.

    Raises:
        ConfigurationError: it cannot be read, is empty, or is no such file as described above.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise ConfigurationError(path, None, None, "cannot be read: not a file")  # a pipe would block for ever
        with path.open("rb") as file:
            data = file.read(LARGEST_CONFIGURATION_FILE + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(path, None, None, f"cannot be read: {(error.strerror or 'error').lower()}") from None
    if len(data) > LARGEST_CONFIGURATION_FILE:
        raise ConfigurationError(path, None, None, f"larger than {LARGEST_CONFIGURATION_FILE // 1024} KiB")
    return parse_document(path, data, problems)


def parse_document(path: Path, data: bytes, problems: Problems | None = None) -> Mapping:
    """The mapping in `data`, which came from the file at `path`. Parameters and errors are those of `read_document`."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(path, line, None, "not UTF-8 text") from None
    _check_width(path, text)
    try:
        _check_events(path, yaml.parse(text, Loader=_LOADER))
        root = yaml.compose(text, Loader=_LOADER)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _not_yaml(path, text, error) from None
    if root is None or (isinstance(root, yaml.ScalarNode) and _scalar(root).value is None):
        raise ConfigurationError(path, None, None, "empty; delete the file if it is meant to be")
    if not isinstance(root, yaml.MappingNode):
        raise ConfigurationError(path, _line(root), None, "must be a mapping of keys to values")
    found = Problems() if problems is None else problems
    mapping = _mapping(root, path, found)
    if problems is None and found.found:
        raise ConfigurationError.from_problems(found.found)
    return mapping


def _not_yaml(path: Path, text: str, error: Exception) -> ConfigurationError:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem == _TOO_DEEP:
        mark = error.problem_mark or error.context_mark
        return ConfigurationError(path, None if mark is None else mark.line + 1, None, "nested too deep")
    if not isinstance(error, yaml.YAMLError):
        return ConfigurationError(path, None, None, "not valid YAML")
    line, words = describe(text, error, _LOADER)
    return ConfigurationError(path, line, None, f"not valid YAML: {words}")


def _check_width(path: Path, text: str) -> None:
    """Refuses long lines before any parsing: YAML's parsers take quadratic time for deep nesting in one line."""
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > 8192:
            raise ConfigurationError(path, number, None, "a line of more than 8192 characters")


def _check_events(path: Path, events: Iterable[Any]) -> None:
    """Refuses what YAML can do beyond plain values, and nesting, before a tree is composed."""
    depth = documents = 0
    for event in events:
        refused = ""
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            refused = "more than one YAML document" if documents > 1 else ""
        elif isinstance(event, yaml.AliasEvent):
            refused = "YAML aliases are not allowed"
        elif isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            refused = "YAML anchors are not allowed"
        elif isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
            refused = "YAML tags are not allowed"
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            refused = "nested too deep" if depth > _DEEPEST_YAML else ""
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if refused:
            raise ConfigurationError(path, event.start_mark.line + 1, None, refused)


# The tree, from PyYAML's


def _node(node: yaml.Node, path: Path, problems: Problems) -> Node:
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, problems)
    if isinstance(node, yaml.SequenceNode):
        return Sequence(_line(node), [_node(item, path, problems) for item in node.value])
    return _scalar(node)


def _scalar(node: yaml.Node) -> Scalar:
    return Scalar(_line(node), node.value, node.tag)


def _mapping(node: yaml.MappingNode, path: Path, problems: Problems) -> Mapping:
    """A mapping without keys that are no text, and with the first value of a key that is there twice."""
    items: dict[str, Node] = {}
    lines: dict[str, int] = {}
    for key, value in node.value:
        line = _line(key)
        if key.tag != _STRING:
            problems.error(path, line, None, "a key must be a word")
        elif key.value in items:
            problems.error(path, line, shown(key.value), f"already set in line {lines[key.value]}")
        else:
            items[key.value], lines[key.value] = _node(value, path, problems), line
    return Mapping(_line(node), items, lines)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def shown(key: str) -> str:
    """`key`, if it looks like one; else it may be a secret in the wrong place."""
    return key if _NAME.fullmatch(key) else "a key"


_STRING: Final = "tag:yaml.org,2002:str"
_CONSTRUCTOR: Final = yaml.SafeLoader("")


def _construct(tag: str, text: str) -> object:
    """By the constructor of one type; `construct_object` would keep each node for ever."""
    if len(text) > 64 or ":" in text or not tag.endswith((":int", ":bool", ":null", ":float")):
        return text  # with a colon, YAML 1.1 takes 12:30 for a number in base 60
    value: object = yaml.SafeLoader.yaml_constructors[tag](_CONSTRUCTOR, yaml.ScalarNode(tag, text))
    return value
