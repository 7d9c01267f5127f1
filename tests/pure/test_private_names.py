"""The private names of Twisted's that the transports stand on: they exist, and no others are used."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest
from twisted.python.reflect import namedAny

from clipal.transport.private_names import PRIVATE_NAMES, PrivateName

TRANSPORT = Path(__file__).parents[2] / "clipal" / "transport"


@pytest.mark.parametrize("private", PRIVATE_NAMES, ids=lambda private: private.name)
def test_each_private_name_exists(private: PrivateName) -> None:
    if "epoll" in private.where:
        pytest.importorskip("select", reason="no epoll").epoll  # noqa: B018
    where = namedAny(private.where)
    assert hasattr(where, private.name) or f"self.{private.name}" in inspect.getsource(where)


def test_no_other_one_is_used() -> None:
    """What a module calls with an underscore is the package's own, or in the table."""
    known = {private.name for private in PRIVATE_NAMES}
    trees = {path: ast.parse(path.read_text()) for path in TRANSPORT.glob("*.py")}
    nodes = [node for tree in trees.values() for node in ast.walk(tree)]
    own = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    own |= {
        node.attr if isinstance(node, ast.Attribute) else node.id
        for node in nodes
        if isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Store)
    }
    for path, tree in trees.items():
        used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert {name for name in used if name.startswith("_") and not name.startswith("__")} <= own | known, path
