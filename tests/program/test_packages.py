"""The sdist and the wheel: what is in them, and that they are the same bytes whenever they are built."""

from __future__ import annotations

import hashlib
import os
import runpy
import shutil
import subprocess
import sys
import tarfile
import zipfile
from functools import partial
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from distribution.packages import SOURCE, build_packages

ROOT = Path(__file__).parents[2]
SHARE = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "share").rglob("*") if path.is_file())
PROGRAM = sorted(
    path.relative_to(ROOT).as_posix()
    for folder, ending in (("clipal", "*.py"), ("clipal", "*.yaml"), ("clipal", "py.typed"), ("twisted", "*.py"))
    for path in (ROOT / folder).rglob(ending)
)
Built = tuple[Path, Path]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build_packages(ROOT, tmp_path_factory.mktemp("built"), 1_800_000_000)


def digests(built: Built) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in built]


def test_the_wheel_has_what_runs_and_nothing_else(built: Built) -> None:
    with zipfile.ZipFile(built[1]) as wheel:
        names = sorted(name for name in wheel.namelist() if ".dist-info/" not in name)
    shared = [f"clipal-{built[1].name.split('-')[1]}.data/data/{name}" for name in SHARE]
    assert names == sorted([*PROGRAM, *shared])
    for name in ("clipal/py.typed", "clipal/commands/templates/config.yaml", "twisted/plugins/clipal_plugin.py"):
        assert name in names


def test_the_sdist_has_what_the_wheel_is_made_of(built: Built) -> None:
    with tarfile.open(built[0]) as sdist:
        members = sdist.getmembers()
    names = [each.name.partition("/")[2] for each in members]
    assert {*PROGRAM, *SHARE, "setup.cfg", "pyproject.toml", "README.md", "LICENSE"} <= set(names)
    assert [name for name in names if name.startswith(("tests", "docs", ".")) or "__pycache__" in name] == []
    assert {(each.mtime, each.uid, each.uname, each.mode) for each in members} == {(1_800_000_000, 0, "", 0o644)}


def test_they_are_the_same_bytes_from_another_checkout(built: Built, tmp_path: Path) -> None:
    """At another place, at another time, with other modes."""
    copy = tmp_path / "elsewhere"
    copy.mkdir()
    for name in SOURCE:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, copy / name, copy_function=shutil.copyfile)
        else:
            shutil.copyfile(path, copy / name)
    for path in copy.rglob("*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
        path.chmod(0o700 if path.is_dir() else 0o600)
    assert digests(build_packages(copy, tmp_path / "built", 1_800_000_000)) == digests(built)


def test_a_build_leaves_the_checkout_as_it_was(tmp_path: Path) -> None:
    def listed() -> set[Path]:
        return {path for path in ROOT.iterdir() if path.name != "build"} | set((ROOT / "clipal").rglob("*.py"))

    before = listed()
    build_packages(ROOT, tmp_path, 1_800_000_000)
    assert listed() == before


def test_the_metadata_names_what_it_needs(built: Built) -> None:
    with zipfile.ZipFile(built[1]) as wheel:
        (name,) = (each for each in wheel.namelist() if each.endswith(".dist-info/METADATA"))
        metadata = wheel.read(name).decode()
    assert "Requires-Python: >=3.10" in metadata
    assert "Requires-Dist: Twisted>=26.10" in metadata
    assert "Description-Content-Type: text/markdown" in metadata


def test_the_wheel_alone_runs(built: Built, tmp_path: Path) -> None:
    """Its files without the checkout, beside the dependencies of this environment."""
    with zipfile.ZipFile(built[1]) as wheel:
        wheel.extractall(tmp_path / "site")
    program = (
        "import sys; sys.path = [sys.argv[1], *(p for p in sys.path if 'site-packages' in p or 'lib' in p)]; "
        "import clipal; assert clipal.__file__.startswith(sys.argv[1]), clipal.__file__; "
        "from twisted.application.service import IServiceMaker; from twisted.plugin import getPlugins; "
        "assert 'clipal' in [each.tapname for each in getPlugins(IServiceMaker)]; "
        "from clipal.__main__ import main; sys.exit(main(['init', '--config-dir', sys.argv[2]]))"
    )
    command = [sys.executable, "-I", "-c", program, str(tmp_path / "site"), str(tmp_path / "there")]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert (tmp_path / "there" / "codex.yaml").is_file()


@pytest.mark.parametrize(
    ("name", "ends"), [(f"parser{EXTENSION_SUFFIXES[0]}", False), ("parser.cpython-27-sparc-solaris.so", True)]
)
def test_the_one_file_program_says_that_it_is_for_another_python(name: str, ends: bool, tmp_path: Path) -> None:
    folder = tmp_path / "httptools" / "parser"
    folder.mkdir(parents=True)
    for each in (name, "parser.pyx", "__init__.py"):
        (folder / each).touch()
    begun = partial(runpy.run_path, str(ROOT / "distribution" / "preamble.py"), {"site_packages": tmp_path})
    if not ends:
        begun()
        return
    with pytest.raises(SystemExit, match=f"another Python or system .{name}., and this is Python 3"):
        begun()
