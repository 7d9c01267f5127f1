"""A configuration file is untrusted input: whatever is in it, it is refused soon, and the refusal does not quote it."""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from clipal.config.nodes import (
    LARGEST_CONFIGURATION_FILE,
    Mapping,
    Scalar,
    Sequence,
    parse_document,
    read_document,
    shown,
)
from clipal.config.problems import ConfigurationError

SECRET = b"sk-ant-api03-Secret"
FILE = Path("some.yaml")


def scalar(node: object) -> object:
    assert isinstance(node, Scalar)
    return node.value


def test_a_file_becomes_nodes_with_their_lines() -> None:
    document = parse_document(FILE, b"# first\na: 1\nb:\n  - x\n  - y: 2\n'on': \"yes\"\n")
    assert list(document.items) == ["a", "b", "on"]
    assert document.lines == {"a": 2, "b": 3, "on": 6}
    assert scalar(document.items["a"]) == 1
    assert scalar(document.items["on"]) == "yes"
    items = document.items["b"]
    assert isinstance(items, Sequence)
    assert [item.line for item in items.items] == [4, 5]
    assert isinstance(items.items[1], Mapping)
    assert scalar(items.items[1].items["y"]) == 2


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("'1'", "1"),
        ("true", True),
        ("off", False),
        ("'off'", "off"),
        ("~", None),
        ("", None),
        ("''", ""),
        ("1.5", 1.5),
        ("text", "text"),
        ("2024-01-01", "2024-01-01"),
        ("0b_", "0b_"),
        ("12:30", "12:30"),
        ("12:30.5", "12:30.5"),
        ("._", "._"),
        ("9" * 65, "9" * 65),
        ("|\n  a\n  b", "a\nb\n"),
    ],
)
def test_a_value_is_what_yamls_safe_types_have_it_for(text: str, value: object) -> None:
    assert scalar(parse_document(FILE, f"a: {text}\n".encode()).items["a"]) == value


@given(st.text("+-0123456789abxeE_.:~", max_size=70))
def test_whatever_looks_like_a_number_is_one_or_text(text: str) -> None:
    try:
        items = parse_document(FILE, f"a:\n- {text}\n".encode()).items["a"]
    except ConfigurationError:
        return
    assert isinstance(items, Sequence)
    (node,) = items.items
    assert not isinstance(node, Scalar) or node.value is None or isinstance(node.value, (str, int, float))


@pytest.mark.parametrize("data", [b"a: b\n", b"\xef\xbb\xbfa: b\n", b"--- \na: b\n...\n", b"a: b\r\n", b'{"a": "b"}'])
def test_usual_spellings_are_read(data: bytes) -> None:
    assert scalar(parse_document(FILE, data).items["a"]) == "b"


LONG = b"x" * 8000
HOSTILE = {
    "anchor": (b"a: &x " + SECRET, 1, "anchors"),
    "anchor on a list": (b"a: &x [1]", 1, "anchors"),
    "alias": (b"b: 1\na: *" + SECRET.replace(b"-", b""), 2, "aliases"),
    "billion laughs": (b"a: &a [x]\nb: &b [*a,*a]\nc: [*b,*b]", 1, "anchors"),
    "tag": (b"a: !!python/object/apply:os.system [" + SECRET + b"]", 1, "tags"),
    "own tag": (b"b: 1\na: !x " + SECRET, 2, "tags"),
    "str tag": (b"a: !!str 1", 1, "tags"),
    "duplicate key": (b"a: 1\nb: 2\na: " + SECRET, 3, "already set in line 1"),
    "duplicate key below": (b"a:\n  b: 1\n  b: 2", 3, "already set in line 2"),
    "duplicate key, quoted": (b"a: 1\n'a': 2", 2, "already set"),
    "two documents": (b"a: 1\n---\nb: " + SECRET, 2, "more than one YAML document"),
    "documents behind an end": (b"a: 1\n...\n---\nb: 1", 3, "more than one YAML document"),
    "a bad directive": (b"%TAG " + SECRET + b"\n---\na: 1", 1, "not valid YAML"),
    "another YAML": (b"%YAML 9.9\n---\na: 1", None, "not valid YAML"),
    "merge key": (b"<<: {a: 1}", 1, "a key must be a word"),
    "number as key": (b"1: " + SECRET, 1, "a key must be a word"),
    "truth value as key": (b"on: " + SECRET, 1, "a key must be a word"),
    "null as key": (b"~: 1", 1, "a key must be a word"),
    "list as key": (b"? [a]\n: 1", 1, "a key must be a word"),
    "mapping as key": (b"{{a: 1}: 1}", 1, "a key must be a word"),
    "empty": (b"", None, "empty"),
    "blank": (b" \n\n", None, "empty"),
    "only a comment": (b"# " + SECRET, None, "empty"),
    "only a document start": (b"---\n", None, "empty"),
    "null": (b"~", None, "empty"),
    "only a byte order mark": (b"\xef\xbb\xbf", None, "empty"),
    "a word": (SECRET, 1, "must be a mapping"),
    "a list": (b"# x\n- " + SECRET, 2, "must be a mapping"),
    "not UTF-8": (b"a: 1\nb: " + SECRET + b"\xff", 2, "not UTF-8"),
    "UTF-16": ("a: 1".encode("utf-16"), 1, "not UTF-8"),
    "Latin-1": (b"a: \xfc", 1, "not UTF-8"),
    "NUL": (b"a: " + SECRET + b"\0", None, "not valid YAML"),
    "control character": (b"a: " + SECRET + b"\x07", None, "not valid YAML"),
    "tab as indentation": (b"a:\n\t" + SECRET, 2, "not valid YAML"),
    "open quote": (b'a: 1\nb: "' + SECRET, None, "not valid YAML"),
    "open bracket": (b"a: [" + SECRET, None, "not valid YAML"),
    "stray bracket": (b"a: " + SECRET + b"]: [", None, "not valid YAML"),
    "colon in a value": (b"a: b\nkey: " + SECRET + b": x", 2, "not valid YAML"),
    "bad indentation": (b"a:\n    b: 1\n  c: " + SECRET, None, "not valid YAML"),
    "bad escape": (b'a: "\\q' + SECRET + b'"', 1, "not valid YAML"),
    "percent sign": (b"a: 1\n%" + SECRET, None, ""),
    "deep list": (b"a: " + b"[" * 20 + b"]" * 20, 1, "nested too deep"),
    "deep mapping": (b"".join(b" " * i + b"a:\n" for i in range(20)), 9, "nested too deep"),
    "a long line": (b"b: 1\na: " + SECRET + b"x" * 8200, 2, "more than 8192 characters"),
    "a long comment": (b"a: 1 #" + b"x" * 8200, 1, "more than 8192 characters"),
    "250 KB of brackets": (b"[" * 250_000, 1, "more than 8192 characters"),
    "250 KB of braces": (b"{" * 250_000, 1, "more than 8192 characters"),
    "250 KB of dashes": (b"- " * 125_000, 1, "more than 8192 characters"),
    "8 KB of brackets": (b"[" * 8192, 1, "nested too deep"),
    "8 KB of dashes": (b"- " * 4096, 1, "nested too deep"),
    "8 KB of question marks": (b"? " * 4096, 1, ""),
    "8 KB of colons": (b": " * 4096, 1, ""),
    "brackets, one a line": (b"[\n" * 125_000, 9, "nested too deep"),
    "braces, one a line": (b"{a:\n" * 60_000, 9, "nested too deep"),
    "lines of brackets": ((b"[" * 8000 + b"\n") * 31, 1, "nested too deep"),
    "brackets between form feeds": (b"[\x0c" * 125_000, None, ""),
    "brackets between line separators": ("[\u2028".encode() * 60_000, None, ""),
    "brackets between next lines": ("[\x85".encode() * 80_000, None, ""),
    "deep indentation": (b"".join(b" " * i + b"a:\n" for i in range(700)), 9, "nested too deep"),
    "indented dashes": (b"".join(b" " * i + b"-\n" for i in range(700)), 9, "nested too deep"),
    "closing brackets": (b"]\n" * 125_000, 1, "not valid YAML"),
    "anchors": (b"&a " * 2700, 1, ""),
    "many open quotes": ((b'"' + b"\n") * 125_000, None, ""),
    "many directives": (b"%YAML 1.1\n" * 25_000, None, "not valid YAML"),
    "many documents": (b"--- a\n" * 40_000, None, ""),
}


@pytest.mark.parametrize(("data", "line", "problem"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_is_refused_within_a_second_and_not_quoted(data: bytes, line: int | None, problem: str) -> None:
    assert len(data) <= LARGEST_CONFIGURATION_FILE
    began = time.process_time()
    with pytest.raises(ConfigurationError) as raised:
        parse_document(FILE, data)
    assert time.process_time() - began < 1
    (error,) = raised.value.problems
    assert problem in error.text
    assert error.file == FILE
    assert line is None or error.line == line
    assert str(error).startswith(f"{FILE}{'' if error.line is None else f':{error.line}'}: ")
    assert "ecret" not in str(error)
    assert len(str(error)) < 200
    assert raised.value.__suppress_context__ or raised.value.__context__ is None, "a traceback would quote the file"


LARGE = {
    "one key of many lines": b"? " + (b"  " + LONG + b"\n") * 30 + b": 1",
    "keys": b"".join(b"key_%d: value\n" % i for i in range(15_000)),
    "list": b"a:\n" + b"- x\n" * 60_000,
    "empty lists": b"a: [\n" + b"[],\n" * 60_000 + b"]",
    "flow mapping": b"{\n" + b"".join(b"k%d: v,\n" % i for i in range(20_000)) + b"}",
    "a long text": b'a: "' + (LONG + b"\n") * 31 + b'"',
    "a block": b"a: |\n" + (b"  " + LONG + b"\n") * 31,
    "comments": b"a: 1\n" + b"#\n" * 120_000,
    "empty lines": b"\n" * 200_000 + b"a: 1",
    "blanks": (b" " * 8000 + b"\n") * 31 + b"a: 1",
}


@pytest.mark.parametrize("data", LARGE.values(), ids=LARGE.keys())
def test_a_large_file_is_read_soon(data: bytes) -> None:
    began = time.process_time()
    assert parse_document(FILE, data).items
    assert time.process_time() - began < 3, "generous, for coverage traces each event"


def mostly_yaml() -> st.SearchStrategy[bytes]:
    words = b"a|b: |: |- |\n|  |[|]|{|}|,|'|\"|&a|*a|!|>|---\n|...|? |#|%|\t|\0|\xff|\xc2\x85|~|1|<<|@|`|\\"
    pieces = st.sampled_from([*words.split(b"|"), b"|"])
    return st.lists(pieces, max_size=30).map(b"".join)


@given(st.binary(max_size=60) | mostly_yaml())
def test_whatever_the_bytes_are_they_are_a_mapping_or_refused(data: bytes) -> None:
    try:
        document = parse_document(FILE, data)
    except ConfigurationError:
        return
    assert document.items.keys() == document.lines.keys()


def test_no_value_shows_in_a_repr() -> None:
    document = parse_document(FILE, b"a: " + SECRET + b"\nb: [" + SECRET + b"]")
    for node in (document, *document.items.values()):
        assert "ecret" not in repr(node)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("api_key", "api_key"),
        ("sk-ant-api03-x", "a key"),
        ("x" * 41, "a key"),
        ("a b", "a key"),
        ("", "a key"),
        ("a\n", "a key"),
    ],
)
def test_a_key_is_shown_only_if_it_looks_like_one(key: str, text: str) -> None:
    assert shown(key) == text


def test_a_secret_as_a_key_is_not_shown() -> None:
    with pytest.raises(ConfigurationError, match="a key: already set") as raised:
        parse_document(FILE, SECRET + b": 1\n" + SECRET + b": 1\n")
    assert "ecret" not in str(raised.value)


def test_reading_a_value_keeps_no_node() -> None:
    before = [each for each in gc.get_objects() if type(each) is yaml.ScalarNode]
    assert scalar(parse_document(FILE, b"a: 1").items["a"]) == 1
    after = [each for each in gc.get_objects() if type(each) is yaml.ScalarNode]
    assert len(after) <= len(before), "each reload would add some"


def test_a_missing_file_is_none(tmp_path: Path) -> None:
    assert read_document(tmp_path / "a.yaml") is None
    assert read_document(tmp_path / "none" / "a.yaml") is None


def test_a_file_may_be_as_large_as_the_limit_and_no_larger(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"a: 1\n" + b"#\n" * ((LARGEST_CONFIGURATION_FILE - 6) // 2) + b"\n")
    assert path.stat().st_size == LARGEST_CONFIGURATION_FILE
    assert read_document(path) is not None
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(ConfigurationError, match="larger than 256 KiB"):
        read_document(path)


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot be read: is a directory"):
        read_document(tmp_path)


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    with pytest.raises(ConfigurationError, match="cannot be read: not a file"):
        read_document(tmp_path / "a.yaml")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: 1")
    path.chmod(0)
    with pytest.raises(ConfigurationError, match="cannot be read: permission denied"):
        read_document(path)


def test_a_loop_of_links_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to("a.yaml")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_document(tmp_path / "a.yaml")
