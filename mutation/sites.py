"""The places in a file where a small change can be made, and the file with one of them made.

A change is a comparison that is turned, `and` for `or`, a whole number plus one, or a truth value that is turned.
Annotations and texts are left alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Final

from attrs import frozen

_AROUND: Final = 60
"""Characters of what a number or a truth value stands in."""
_TURNED: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}


@frozen
class Site:
    """One place.

    Attributes:
        file: below the directory of the sources.
        number: of the place within the file, in the order in which they are found.
        line: where it stands.
        scope: the names of the class and the function around it, or of the constant outside of both.
        change: the text that is there, and the one in its place; of a number or a truth value, what it stands in.
    """

    file: Path
    number: int
    line: int
    scope: str
    change: str

    @property
    def name(self) -> str:
        """What names it in the list of explained ones, whatever lines come before it."""
        return f"{self.file.as_posix()} {self.scope}: {self.change}"

    def __str__(self) -> str:
        return f"{self.file.as_posix()}:{self.line} {self.scope}: {self.change}"


def sites(root: Path, file: Path) -> list[Site]:
    """All places in `file`."""
    tree = ast.parse((root / file).read_text())
    return [
        Site(file, number, getattr(node, "lineno", 0), scope, _change(node, around))
        for number, (node, scope, around) in enumerate(_places(tree))
    ]


def changed(root: Path, site: Site) -> str:
    """The text of the file with the change made."""
    tree = ast.parse((root / site.file).read_text())
    for number, (node, _, _) in enumerate(_places(tree)):
        if number == site.number:
            _make(node)
            break
    return ast.unparse(tree)


def _places(tree: ast.AST, scope: str = "", around: str = "") -> Iterator[tuple[ast.AST, str, str]]:
    """Each node that can be changed, its scope, and the beginning of what it stands in."""
    if _can_be_made(tree):
        yield tree, scope or "module", around
    if isinstance(tree, ast.expr | ast.stmt | ast.keyword | ast.arguments):
        around = ast.unparse(tree).partition("\n")[0][:_AROUND]
    for field, value in ast.iter_fields(tree):
        if field in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _places(child, _scope(child, scope), around)


def _scope(node: ast.AST, around: str) -> str:
    """The scope of what is within `node`, which stands in the scope `around`."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return f"{around}.{node.name}" if around else node.name
    if not around and isinstance(node, ast.Assign | ast.AnnAssign):
        return ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
    return around


def _change(node: ast.AST, around: str) -> str:
    after = deepcopy(node)
    _make(after)
    place = f" in {around}" if isinstance(node, ast.Constant) else ""
    return f"{ast.unparse(node)} → {ast.unparse(after)}{place}"


def _can_be_made(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int)
    return isinstance(node, ast.BoolOp) or (isinstance(node, ast.Compare) and type(node.ops[0]) in _TURNED)


def _make(node: ast.AST) -> None:
    if isinstance(node, ast.Compare):
        node.ops[0] = _TURNED[type(node.ops[0])]()
    elif isinstance(node, ast.BoolOp):
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    elif isinstance(node, ast.Constant):
        assert isinstance(node.value, int)
        node.value = not node.value if isinstance(node.value, bool) else node.value + 1
