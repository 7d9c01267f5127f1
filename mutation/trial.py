"""One change, tried in a copy of the tree: which test fails, if one does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from time import monotonic
from typing import Final

from attrs import frozen

from mutation.sites import Site, changed
from mutation.suites import suite

HANGS: Final = "nothing ended in time"
"""What is said instead of a test's name where the tests have to be ended."""
_COPIED: Final = ("clipal", "tests", "twisted", "examples", "docs", "setup.cfg", "pyproject.toml")
_FAILED: Final = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


@frozen
class Run:
    """What a run of tests came to.

    Attributes:
        failed: the test that failed, or what kept the tests from running; None where all passed.
        seconds: how long it took.
    """

    failed: str | None
    seconds: float


def copied(root: Path, copy: Path) -> Path:
    """A copy of what the tests need of the tree `root`, in the directory `copy`."""
    for each in _COPIED:
        if (root / each).is_dir():
            shutil.copytree(root / each, copy / each, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            copy.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / each, copy / each)
    return copy


def noticed(copy: Path, site: Site, unchanged: dict[str, float]) -> str | None:
    """The test that fails where the change is made, or None.

    Parameters:
        copy: a copy of the tree, as which it ends.
        unchanged: the seconds that each file of tests takes without a change.
    """
    source = (copy / site.file).read_text()
    tests = sorted(suite(site.file), key=lambda each: unchanged[each])
    # A busy machine may be several times slower than it was; what makes the tests hang is noticed too.
    limit = 30.0 + 5 * sum(unchanged[each] for each in tests)
    (copy / site.file).write_text(changed(copy, site))
    try:
        return run(copy, tests, limit).failed
    finally:
        (copy / site.file).write_text(source)


def run(tree: Path, tests: Sequence[str], limit: float) -> Run:
    """Runs `tests` in `tree` until one fails, for at most `limit` seconds."""
    began = monotonic()
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--tb=no", "-p", "no:cacheprovider", *tests]
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
            return Run(HANGS, monotonic() - began)
        output.seek(0)
        found = _FAILED.search(output.read().decode(errors="replace"))
    failed = found[1] if found else f"pytest's exit status {status}"
    return Run(failed if status else None, monotonic() - began)


def suites(chosen: Iterable[Site]) -> list[str]:
    """Every file of tests that is to notice one of these."""
    return sorted({test for site in chosen for test in suite(site.file)})
