"""Puts settings into a text, and takes them out again, also when other parts of the text have changed since.

Pure: text in, text out. Each result is parsed again. If anything else than the settings has changed, the text is
refused. A byte order mark stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Final

from attrs import frozen

from clipal.connect.formats.dotenv_text import DotenvText
from clipal.connect.formats.json_text import JsonText
from clipal.connect.formats.syntax import MISSING, Path, Syntax, Tree, UnreadableFile, lookup
from clipal.connect.formats.toml_text import TomlText

JSON: Final = JsonText("json", comments=False)
JSON_WITH_COMMENTS: Final = JsonText("jsonc", comments=True)
TOML: Final = TomlText()
DOTENV: Final = DotenvText()
SYNTAXES: Final[dict[str, Syntax]] = {each.name: each for each in (JSON, JSON_WITH_COMMENTS, TOML, DOTENV)}

_MARK: Final = "\ufeff"

ANY_VALUE: Final = "any-value"
"""The key that a client gets where it must have one and clipal asks for none."""


@frozen
class Setting:
    """A setting that a client needs: the text at `path`.

    Attributes:
        unless: the setting is left out where one of these paths holds a text. A client needs some key, which clipal
            replaces: an existing key will do, and then no backup has to hold it.
    """

    path: Path
    value: str
    unless: tuple[Path, ...] = ()

    @classmethod
    def credential(cls, path: Path, token: str | None, *others: Path) -> Setting:
        """The key at `path`: the token; without a token, an existing key there or in one of `others` will do."""
        return cls(path, ANY_VALUE, (path, *others)) if token is None else cls(path, token)


@frozen
class Edit:
    """A change at `path`: the raw value before (None for none), and the text after."""

    path: Path
    old: str | None
    new: str


@frozen
class Edited:
    """A text with its edits, and the tables that were made for them, outer tables first."""

    text: str
    edits: tuple[Edit, ...]
    made: tuple[Path, ...]


class Changed(Exception):
    """An edit cannot be undone, because its value has been changed since."""

    def __init__(self, edit: Edit) -> None:
        super().__init__(".".join(edit.path))
        self.edit = edit


def edited(syntax: Syntax, text: str, settings: Sequence[Setting]) -> Edited:
    """`text` with all of `settings`; the same text and no edits where it has all of them already.

    Raises:
        UnreadableFile: the text is broken, or another value stands where a setting or its table must be.
    """
    mark, body = _split(text)
    if not body.strip():
        body = syntax.blank + (body or ("\n" if syntax.blank else ""))
    before = syntax.read(body)
    wanted = [each for each in settings if _is_wanted(before, each)]
    if not wanted:
        return Edited(text, (), ())
    edits = tuple(Edit(each.path, _old(syntax, body, before, each.path), each.value) for each in wanted)
    made: list[Path] = []
    for each in edits:
        if each.old is None:
            made += syntax.made(body, each.path)
            body = syntax.insert(body, each.path, each.new)
        else:
            body = syntax.replace(body, each.path, syntax.literal(each.new))
    _check(before, syntax.read(body), edits)
    return Edited(mark + body, edits, tuple(made))


def undone(syntax: Syntax, text: str, done: Edited, *, leave_changed: bool = False) -> str:
    """`text` without the edits of `done`; other changes stay.

    Parameters:
        leave_changed: leave a value as it is where it has been changed since.

    Raises:
        Changed: a value has been changed since, and `leave_changed` is not given.
        UnreadableFile: the text is broken.
    """
    mark, body = _split(text)
    if not body.strip():
        return text
    before = syntax.read(body)
    for each in reversed(done.edits):
        raw = syntax.raw(body, each.path) if _has_tables(before, each.path) else None
        if raw == each.old:
            continue
        if lookup(before, each.path) == each.new:
            body = syntax.remove(body, each.path) if each.old is None else syntax.replace(body, each.path, each.old)
        elif not leave_changed:
            raise Changed(each)
    for path in reversed(done.made):
        body = syntax.remove_empty(body, path)
    _check(before, syntax.read(body), done.edits)
    return mark + body


def _split(text: str) -> tuple[str, str]:
    """A byte order mark, if there is one, and the rest."""
    return (_MARK, text[1:]) if text.startswith(_MARK) else ("", text)


def _is_wanted(tree: Tree, setting: Setting) -> bool:
    if lookup(tree, setting.path) == setting.value:
        return False
    others = (lookup(tree, path) for path in setting.unless)
    return not any(isinstance(other, str) and other.strip() for other in others)


def _old(syntax: Syntax, text: str, tree: Tree, path: Path) -> str | None:
    """The raw value at `path`; raises UnreadableFile where a table or a list stands there."""
    for length in range(1, len(path)):
        if not isinstance(found := lookup(tree, path[:length]), dict) and found is not MISSING:
            raise UnreadableFile(None, f"{'.'.join(path[:length])} holds a value, where a table must be")
    if isinstance(lookup(tree, path), (dict, list)):
        raise UnreadableFile(None, f"{'.'.join(path)} holds several values, where a text must be")
    return syntax.raw(text, path) if _has_tables(tree, path) else None


def _has_tables(tree: Tree, path: Path) -> bool:
    """Whether the tables that lead to `path` are there."""
    return isinstance(lookup(tree, path[:-1]), dict)


def _check(before: Tree, after: Tree, edits: Sequence[Edit]) -> None:
    """Raises UnreadableFile if anything but the edits differs, also if only the order differs."""
    try:
        same = repr(_rest(before, edits)) == repr(_rest(after, edits))
    except (RecursionError, ValueError):  # deeply nested tables, or a number of thousands of digits
        raise UnreadableFile(None, "holds a value that cannot be read") from None
    if not same:
        raise UnreadableFile(None, "cannot be edited without changing something else")


def _rest(tree: Tree, edits: Sequence[Edit]) -> Tree:
    """`tree` without the edited values, and without tables that are then empty."""
    rest = deepcopy(tree)
    for path in (each.path for each in edits):
        if isinstance(table := lookup(rest, path[:-1]), dict):
            table.pop(path[-1], None)
        for length in range(len(path) - 1, 0, -1):
            if lookup(rest, path[:length]) == {}:
                del lookup(rest, path[: length - 1])[path[length - 1]]
    return rest
