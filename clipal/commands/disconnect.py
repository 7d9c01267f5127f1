"""`clipal disconnect`: gives a client's settings files the content that they had before `clipal connect`.

If a file has not changed since, it gets its former bytes; else only clipal's values are taken out. Where one of these
values has been changed by hand, the command refuses; with `--force` it leaves that value as it is.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from twisted.python import usage

from clipal.commands.connect import alone, checked
from clipal.commands.options import CommandOptions
from clipal.config.directory import configuration_directory, missing_directory
from clipal.connect.client import ClientProgram
from clipal.connect.diff import show
from clipal.connect.files import remove_leftovers
from clipal.connect.plan import RECORDS, disconnection
from clipal.connect.record import load_record
from clipal.connect.registry import PROGRAMS


class Options(CommandOptions):
    """Which clients."""

    synopsis = f"Usage: clipal disconnect [options] [{'|'.join(PROGRAMS)} ...]"
    longdesc = "Puts back what `clipal connect` has changed: for the clients that are named, else for all."
    names = tuple(PROGRAMS)
    optFlags = [
        ["all", "a", "Disconnect all clients, as is done without names."],
        ["print", None, "Only show what would be written."],
        ["force", "f", "Leave a value that was changed by hand as it is, in place of refusing."],
    ]
    optParameters = [
        [
            "config-dir",
            "c",
            None,
            "Directory of the configuration files (default: $CLIPAL_CONFIG_DIR, else ~/.clipal).",
        ],
        ["home", None, None, "Only files in this home directory (default: wherever they are)."],
    ]

    def parseArgs(self, *clients: str) -> None:
        """Takes the clients' names.

        Raises:
            usage.UsageError: one is not known, or there are some beside --all.
        """
        self["clients"] = checked(clients)
        if self["all"] and clients:
            raise usage.UsageError("--all is for all clients, and stands without names")


def run(options: Options) -> int:
    """Disconnects the clients.

    Returns:
        the exit status: 1 where a client could not be disconnected, else 0.
    """
    missing = missing_directory(options["config-dir"])
    if missing is not None:
        raise usage.UsageError(str(missing))
    records = configuration_directory(options["config-dir"]) / RECORDS
    clients = [PROGRAMS[name] for name in options["clients"] or PROGRAMS]
    return max([alone(each.title, partial(_disconnected, each, records, options)) for each in clients])


def _disconnected(client: ClientProgram, records: Path, options: Options) -> int:
    """The exit status for one client."""
    path = records / f"{client.name}.json"
    record = load_record(path)
    if not options["print"]:
        for each in (path, *(() if record is None else (file.path for file in record.files))):
            remove_leftovers(each)
    home = None if options["home"] is None else Path(options["home"]).absolute()
    if record is None or not record.within(home):
        print(f"{client.title} is not connected{'' if home is None else f' in {home}'}")
        return 0
    plan = disconnection(record, home, leave_changed=bool(options["force"]))
    if options["print"]:
        show(plan)
        return 0
    plan.carry_out()
    print(f"disconnected {client.title}: what was there before is back")
    return 0
