"""`clipal status`: which provider each client is on, why, until when, and what it cost.

The command asks the running clipal for `/status`. The exit status is that of a monitoring plugin: 0 all is well; 1 some
provider has a cooldown, and clients can still be answered; 2 a client has no provider that can answer, or no clipal
could be asked; 3 the command line is wrong.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import nullcontext, suppress
from typing import Any, ClassVar, Final

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text
from twisted.internet.task import deferLater

from clipal.commands.address import Address
from clipal.commands.running import NotRunning, RunningOptions, ask, in_reactor
from clipal.commands.status_table import exit_status, tables
from clipal.status.document import StatusReport

COLUMNS: Final = 80
"""Columns where standard output is no terminal."""
WIDEST: Final = 100
"""The most columns that are used of a terminal."""
EVERY: Final = 1.0
"""Seconds between two looks of `--watch`."""
NOBODY_ANSWERS: Final = 2


class Options(RunningOptions):
    """Which clipal is asked, and how its status is shown."""

    wrong: ClassVar[int] = 3

    synopsis = "Usage: clipal status [options]"
    longdesc = (
        "Shows which provider each client is on, why, and until when. Exit status: 0 all is well; 1 some provider "
        "rests, and clients can still be answered; 2 a client has none that can answer, or clipal is not reachable; "
        "3 the command line is wrong."
    )
    optFlags = [
        ["json", None, "Show what GET /status says, as JSON."],
        ["watch", "w", "Show it again each second, until Ctrl-C."],
    ]


def run(options: Options) -> int:
    """Shows the status: the exit status of the command."""
    address = options.address(options.configuration())
    if options["watch"]:
        return _Watch(address, as_json=bool(options["json"])).run()
    try:
        report = in_reactor(lambda reactor: ask(reactor, address))
    except NotRunning as error:
        print(f"clipal: {error}", file=sys.stderr)
        return NOBODY_ANSWERS
    if options["json"]:
        _print_json(report)
    else:
        console().print(tables(report))
    return exit_status(report)


def console() -> Console:
    """Standard output: in colour on a terminal, unless NO_COLOR or TERM say otherwise, and plain elsewhere."""
    if not sys.stdout.isatty():
        return Console(width=COLUMNS, force_terminal=False, highlight=False)
    columns = os.get_terminal_size(sys.stdout.fileno()).columns
    width = min(columns or COLUMNS, WIDEST)
    if os.environ.get("NO_COLOR"):
        return Console(width=width, highlight=False, color_system=None)  # NO_COLOR switches bold text off too
    return Console(width=width, highlight=False)


class _Watch:
    """Shows the status each second until Ctrl-C. On a terminal, each picture replaces the one before."""

    def __init__(self, address: Address, *, as_json: bool) -> None:
        self._address = address
        self._as_json = as_json
        self._console = console()
        self._live = Live(console=self._console, auto_refresh=False)
        self._status = NOBODY_ANSWERS

    def run(self) -> int:
        """Shows the status until Ctrl-C: the exit status, which is that of the last look."""
        redrawn = self._console.is_terminal and not self._as_json
        with self._live if redrawn else nullcontext(), suppress(KeyboardInterrupt):
            in_reactor(self._look)
        return self._status

    async def _look(self, reactor: Any) -> None:
        while True:
            try:
                report = await ask(reactor, self._address)
            except NotRunning as error:
                self._status = NOBODY_ANSWERS
                self._show(Text(f"clipal: {error}", "red"))
            else:
                self._status = exit_status(report)
                if self._as_json:
                    _print_json(report)
                else:
                    self._show(tables(report))
            await deferLater(reactor, EVERY)

    def _show(self, picture: RenderableType) -> None:
        if self._live.is_started:
            self._live.update(picture, refresh=True)
        else:
            self._console.print(picture)
            self._console.file.flush()


def _print_json(report: StatusReport) -> None:
    print(json.dumps(report, indent=2, ensure_ascii=False), flush=True)
