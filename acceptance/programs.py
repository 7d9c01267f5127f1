"""The real programs: installed from npm, once, into the checkout's cache, at the versions of docs/clients.md.

npm runs no package's scripts here, because npm 11 asks a person whether it may, and older versions do not ask. The only
script that is needed, Claude Code's, puts its binary into place; it is run on its own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Final

INSTALL_LIMIT: Final = 600.0
"""Seconds for npm; it fetches some 400 MB the first time."""

PACKAGES: Final = {
    "claude": ("@anthropic-ai/claude-code", "2.1.332"),
    "codex": ("@openai/codex", "0.171.0"),
    "gemini": ("@google/gemini-cli", "0.61.0"),
}
"""The npm package and version of each program."""

SDKS: Final = ("anthropic", "openai", "google-genai")
"""Python packages; the extra `acceptance` names their versions."""

_AFTERWARDS: Final = ("@anthropic-ai/claude-code", "install.cjs")


class MissingError(Exception):
    """A program or package that the run needs is not on this machine; the text names it."""


def installed(cache: Path, programs: Sequence[str]) -> Path:
    """Installs the programs that are missing.

    Parameters:
        cache: a directory in the checkout for the programs alone.
        programs: names of PACKAGES; all of PACKAGES are installed if one of these is missing.

    Returns:
        the directory of the programs.

    Raises:
        MissingError: node or npm is not installed, or npm fails, as it does without a network.
    """
    node_modules = cache / "node_modules"
    if programs:
        _require("node", "the clients need Node.js to run (https://nodejs.org/, or your system's package)")
        if any(_version_of(node_modules, program) != PACKAGES[program][1] for program in programs):
            _install(cache)
    return node_modules / ".bin"


def sdk_version(name: str) -> str:
    """The installed version of one of SDKS.

    Raises:
        MissingError: it is not installed.
    """
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        raise MissingError(f"the Python package {name} is not installed: pip install '.[test,acceptance]'") from None


def _require(program: str, reason: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise MissingError(f"there is no {program} on this machine; {reason}")
    return path


def _version_of(node_modules: Path, program: str) -> str | None:
    """The version of an installed program; None where it is missing or incomplete."""
    try:
        package = json.loads((node_modules / PACKAGES[program][0] / "package.json").read_text())
    except (OSError, ValueError):
        return None
    complete = os.access(node_modules / ".bin" / program, os.X_OK) and (node_modules / ".complete").exists()
    return str(package["version"]) if complete else None


def _install(cache: Path) -> None:
    npm = _require("npm", "it installs the clients, and comes with Node.js")
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir(parents=True)
    (cache / "package.json").write_text(json.dumps({"private": True, "dependencies": dict(PACKAGES.values())}))
    _run([npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cache)
    package, script = _AFTERWARDS
    _run(["node", script], cache / "node_modules" / package)
    (cache / "node_modules" / ".complete").touch()


def _run(command: Sequence[str], directory: Path) -> None:
    what = " ".join((Path(command[0]).name, *command[1:]))
    try:
        ended = subprocess.run(
            command, cwd=directory, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=INSTALL_LIMIT
        )
    except subprocess.TimeoutExpired:
        raise MissingError(f"`{what}` did not end within {INSTALL_LIMIT:g} s") from None
    if ended.returncode != 0:
        said = "\n".join((ended.stderr or ended.stdout).strip().splitlines()[-8:])
        raise MissingError(f"`{what}` failed, so the clients are not installed. It said:\n{said}")
