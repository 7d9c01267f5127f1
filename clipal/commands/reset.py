"""`clipal reset`: all providers of the clients count as healthy again, as after a saved file.

The command touches the clients' files, which the running clipal notices.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import datetime

from clipal.commands.connect import checked
from clipal.commands.effect import show_effect
from clipal.commands.running import RunningOptions
from clipal.connect.registry import PROGRAMS
from clipal.status.document import StatusReport


class Options(RunningOptions):
    """Which clients."""

    synopsis = f"Usage: clipal reset [options] [{'|'.join(PROGRAMS)} ...]"
    names = tuple(PROGRAMS)
    longdesc = "Takes all providers of the clients that are named, else of all clients, for healthy again."

    def parseArgs(self, *clients: str) -> None:
        """Takes the clients' names."""
        self["clients"] = checked(clients)


def run(options: Options) -> int:
    """Resets the clients: the exit status, 1 where a file was not touched or the running clipal did not notice."""
    configuration = options.configuration()
    address = options.address(configuration)
    paths = {name: configuration.clients[name].path for name in options["clients"] or PROGRAMS}
    chosen = {name: path for name, path in paths.items() if options["clients"] or path.exists()}
    if not chosen:
        print(f"clipal: no client has a file in {configuration.directory}; run `clipal init`", file=sys.stderr)
        return 1
    began = time.time()
    for name, path in chosen.items():
        try:
            os.utime(path)
        except OSError as error:
            print(f"clipal: {path}: cannot be touched: {(error.strerror or 'not possible').lower()}", file=sys.stderr)
            return 1
        print(f"{path}: {name} begins afresh")

    def seen(report: StatusReport) -> bool:
        loaded = report["configuration"]
        return loaded["error"] is None and datetime.fromisoformat(loaded["loaded"]).timestamp() >= began - 0.001

    return show_effect(address, configuration, list(chosen), seen)
