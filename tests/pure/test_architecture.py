"""Who may import whom: the rules as pyproject.toml has them, and some that import-linter cannot say."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "clipal").rglob("*.py"))


def imported(path: Path) -> set[str]:
    """The names of the modules that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return names


def test_imports_point_one_way() -> None:
    """In a process of its own, for import-linter stumbles over zope.interface's modules once they are imported."""
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    linted = subprocess.run([sys.executable, "-c", program, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize("package", ["outcomes", "providers", "failover"])
def test_what_decides_never_meets_the_server_side_of_twisted_web(package: str) -> None:
    paths = list((ROOT / "clipal" / package).glob("*.py"))
    assert paths
    for path in paths:
        assert "twisted.web.server" not in imported(path), path


def test_what_the_page_on_the_architecture_names_is_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"`(clipal/[a-z_0-9/]+\.py)`", text)
    assert len(named) > 20
    assert [name for name in named if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_a_table_of_packages_has_every_one(page: str) -> None:
    """Beside the packages it has the modules that stand beside them, but for `python -m clipal`."""
    rows = [line.split("|")[1] for line in (ROOT / page).read_text(encoding="utf-8").splitlines() if line[:3] == "| `"]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    packages = {path.parent.name for path in (ROOT / "clipal").glob("*/__init__.py")}
    modules = {path.stem for path in (ROOT / "clipal").glob("*.py") if not path.stem.startswith("_")}
    assert packages | modules <= named


@pytest.mark.parametrize("path", [path for path in MODULES if path.name == "__init__.py"], ids=str)
def test_a_package_is_a_docstring(path: Path) -> None:
    (only,) = ast.parse(path.read_text()).body
    assert isinstance(only, ast.Expr)
