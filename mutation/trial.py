"""One change, tried in a copy of the tree: which test fails, if one does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

from mutation.sites import Site, changed
from mutation.suites import suite

HANGS: Final = "nothing ended in time"
"""What is said instead of a test's name where the tests have to be ended."""
LIMIT: Final = 900.0
"""Seconds for the tests of one change: what makes them hang is noticed too. On a busy machine they take minutes."""
CPU: Final = 180
"""Seconds of the processor's time for them: what makes them loop is noticed however busy the machine is."""
_COPIED: Final = ("clipal", "tests", "twisted", "examples", "docs", "setup.cfg", "pyproject.toml")
_FAILED: Final = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


def copied(root: Path, copy: Path) -> Path:
    """A copy of what the tests need of the tree `root`, in the directory `copy`."""
    for each in _COPIED:
        if (root / each).is_dir():
            shutil.copytree(root / each, copy / each, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            copy.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / each, copy / each)
    return copy


def noticed(copy: Path, site: Site) -> str | None:
    """The test that fails where the change is made, or None.

    Parameters:
        copy: a copy of the tree, as which it ends.
    """
    source = (copy / site.file).read_text()
    (copy / site.file).write_text(changed(copy, site))
    try:
        return first_failure(copy, suite(site.file))
    finally:
        (copy / site.file).write_text(source)


def first_failure(tree: Path, tests: Sequence[str], limit: float = LIMIT) -> str | None:
    """Runs `tests` in `tree` until one fails: the name of that test, or what ended the run; None where all pass."""
    limited = ["/bin/sh", "-c", 'ulimit -t "$0" && exec "$@"', str(CPU)]
    command = [*limited, sys.executable, "-m", "pytest", "-q", "-x", "--tb=no", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "CI": "1"}
    with TemporaryFile() as output:
        process = subprocess.Popen(
            command, cwd=tree, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)  # a test's own programs too
            process.wait()
            return HANGS
        output.seek(0)
        found = _FAILED.search(output.read().decode(errors="replace"))
    if status == 0:
        return None
    return found[1] if found else HANGS if status < 0 else f"pytest's exit status {status}"
