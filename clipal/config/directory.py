"""Where the configuration files are."""

from __future__ import annotations

import os
from pathlib import Path


def configuration_directory(option: str | None) -> Path:
    """The directory that `--config-dir` names, else CLIPAL_CONFIG_DIR, else `~/.clipal`; absolute."""
    directory = Path(option or os.environ.get("CLIPAL_CONFIG_DIR") or "~/.clipal")
    try:
        return directory.expanduser().absolute()
    except RuntimeError:  # the ~ of a user who has no home directory, or does not exist
        return directory.absolute()
