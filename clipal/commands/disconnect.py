"""`clipal disconnect`: puts back what was in a client's configuration before `clipal connect`.

To the byte if nothing has changed in it since; else only clipal's values are taken out. It refuses where one of them
has been changed by hand, for nobody knows what is meant then.
"""

from __future__ import annotations

import sys
from pathlib import Path

from twisted.python import usage

from clipal.commands.connect import checked
from clipal.commands.program import Version
from clipal.config.directory import configuration_directory
from clipal.connect.diff import show
from clipal.connect.files import FileError
from clipal.connect.plan import RECORDS, disconnection
from clipal.connect.record import load_record
from clipal.connect.registry import CLIENTS


class Options(Version, usage.Options):
    """Which clients."""

    synopsis = f"Usage: clipal disconnect [options] [{'|'.join(CLIENTS)} ...]"
    longdesc = "Puts back what `clipal connect` has changed: for the clients that are named, else for all."
    optFlags = [["print", None, "Only show what would be written."]]
    optParameters = [
        [
            "config-dir",
            "c",
            None,
            "Directory of the configuration files (default: $CLIPAL_CONFIG_DIR, else ~/.clipal).",
        ],
    ]

    def parseArgs(self, *clients: str) -> None:
        """Takes the clients' names."""
        self["clients"] = checked(clients)


def run(options: Options) -> int:
    """Disconnects them.

    Returns:
        the exit status: 1 where a client could not be disconnected, else 0.
    """
    records = configuration_directory(options["config-dir"]) / RECORDS
    names = options["clients"] or CLIENTS
    return max([_disconnected(name, records, only_show=bool(options["print"])) for name in names])


def _disconnected(name: str, records: Path, *, only_show: bool) -> int:
    """The exit status for one client."""
    title = CLIENTS[name].title
    try:
        record = load_record(records / f"{name}.json")
        if record is None:
            print(f"{title} is not connected")
            return 0
        plan = disconnection(record)
        if only_show:
            show(plan)
            return 0
        plan.carry_out()
    except FileError as error:
        print(f"clipal: {error}; {title} is left as it was", file=sys.stderr)
        return 1
    print(f"disconnected {title}: what was there before is back")
    return 0
