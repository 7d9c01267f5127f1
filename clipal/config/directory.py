"""Where the configuration files are."""

from __future__ import annotations

import os
from pathlib import Path

from clipal.config.problems import Problem

_VARIABLE = "CLIPAL_CONFIG_DIR"


def configuration_directory(option: str | None) -> Path:
    """The directory that `--config-dir` names, else CLIPAL_CONFIG_DIR, else `~/.clipal`; absolute."""
    directory = Path(option or os.environ.get(_VARIABLE) or "~/.clipal")
    try:
        return directory.expanduser().absolute()
    except RuntimeError:  # the ~ of a user who has no home directory, or does not exist
        return directory.absolute()


def missing_directory(option: str | None) -> Problem | None:
    """What is wrong where the directory was named and is none; the default one need not exist."""
    directory = configuration_directory(option)
    named = "--config-dir" if option else _VARIABLE if os.environ.get(_VARIABLE) else None
    if named is None or os.path.isdir(directory):
        return None
    if os.path.exists(directory):
        return Problem(directory, None, None, "cannot be read: not a directory")
    same = "with the same --config-dir" if option else f"with the same {_VARIABLE}"
    return Problem(directory, None, None, "there is no such directory", f"run `clipal init` {same}")
