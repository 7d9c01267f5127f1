"""One change, tried in a copy of the tree: whether a test fails, or nothing ends in time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from mutation.sites import Site, changed
from mutation.suites import suite

LIMIT: Final = 300.0
"""Seconds for the tests of one change: what makes them hang is noticed too."""
_COPIED: Final = ("clipal", "tests", "twisted", "examples", "docs", "setup.cfg", "pyproject.toml")


def noticed(root: Path, site: Site) -> bool:
    """Whether a test fails where the change is made.

    Parameters:
        root: the tree, which stays as it is.
    """
    with TemporaryDirectory(prefix="clipal-mutation-") as name:
        copy = Path(name)
        for each in _COPIED:
            if (root / each).is_dir():
                shutil.copytree(root / each, copy / each, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(root / each, copy / each)
        (copy / site.file).write_text(changed(root, site))
        return fails(copy, *(each for each in suite(site.file) if (copy / each).exists()))


def fails(tree: Path, *tests: str) -> bool:
    """Whether one of `tests` fails in `tree`, or they do not end."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "CI": "1"}
    process = subprocess.Popen(
        command,
        cwd=tree,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return process.wait(LIMIT) != 0
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)  # a test's own programs too
        process.wait()
        return True
