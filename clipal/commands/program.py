"""What the commands have in common."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import NoReturn

from twisted.python import usage


class Version(usage.Options):
    """`--version` as people expect it; twisted's own prints Twisted's."""

    def opt_version(self) -> NoReturn:
        """Show the version and exit."""
        print(f"clipal {version('clipal')}")
        sys.exit(0)
