"""The command line: `python -m acceptance`, from the root of a checkout, with the extras `test` and `acceptance`.

The program installs the clients, isolates itself from every network but loopback, plays the rows one after the other,
and prints each row when it has ended. The exit status is 0 if all rows passed, 1 if a row failed, and 2 if a needed
program is missing.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorCore
from twisted.internet.task import react
from twisted.python.failure import Failure

from acceptance.clients import PROGRAMS, Client, sdks
from acceptance.isolation import isolate
from acceptance.processes import end_all
from acceptance.programs import PACKAGES, SDKS, MissingError, installed
from acceptance.report import Report
from acceptance.rows import Run
from acceptance.stage import Stage

T = TypeVar("T")

_CACHE: Final = Path(".cache", "acceptance")
_NAMES: Final = (*(client.name for client in PROGRAMS), *SDKS)


def main(argv: Sequence[str] | None = None) -> int:
    """Plays the rows and writes the report."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = _options().parse_args(arguments)
    try:
        clients = _clients(options.only)
        programs = installed(_CACHE.absolute(), tuple(PACKAGES) if any(client.connects for client in clients) else ())
    except MissingError as error:
        print(f"acceptance: {error}", file=sys.stderr)
        return 2
    report = Report(isolate(arguments))
    directory = Path(tempfile.mkdtemp(prefix="clipal-acceptance-"))
    try:
        _play(Run(Stage(directory, programs, report.isolation), report, options.scenario), clients)
    finally:
        end_all()
        _write(report, options.report)
        if options.keep:
            print(f"kept: {directory}", file=sys.stderr)
        else:
            shutil.rmtree(directory, ignore_errors=True)
    return 0 if report.passed else 1


def _clients(names: Sequence[str]) -> list[Client]:
    """The clients with these names; SDKs are looked for only where the name of one is among them."""
    every = PROGRAMS if not set(names) & set(SDKS) else (*PROGRAMS, *sdks())
    return [client for client in every if client.name in names]


def _play(run: Run, clients: Sequence[Client]) -> None:
    """Plays the rows in the reactor; Ctrl-C and SIGTERM end the run early, and every program that it started."""

    def begin(reactor: IReactorCore) -> Deferred[None]:
        playing = Deferred.fromCoroutine(run.all_of(clients))
        ended: Deferred[None] = Deferred()

        def end_early() -> Deferred[None]:
            end_all()
            playing.cancel()
            return ended

        reactor.addSystemEventTrigger("before", "shutdown", end_early)
        playing.addErrback(_ended_early)
        return playing.addBoth(_then, ended)

    with suppress(SystemExit):  # react always ends with it; the result is in the report
        react(begin)


def _ended_early(failure: Failure) -> None:
    """Lets a run that was cancelled end without an error."""
    failure.trap(CancelledError)


def _then(result: T, ended: Deferred[None]) -> T:
    """Fires `ended`, and passes `result` on."""
    ended.callback(None)
    return result


def _write(report: Report, file: Path | None) -> None:
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(report.markdown())


def _name(text: str) -> list[str]:
    names = text.split(",")
    if not set(names) <= set(_NAMES):
        raise argparse.ArgumentTypeError(f"choose from {', '.join(_NAMES)}")
    return names


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m acceptance", description="Drives the real clients through clipal.")
    parser.add_argument("--only", type=_name, default=list(_NAMES), help=f"of {', '.join(_NAMES)}; else all")
    parser.add_argument(
        "--scenario", action="append", default=[], metavar="WORD", help="only rows with this in their title; repeatable"
    )
    parser.add_argument("--report", type=Path, help="a file for the table, in Markdown")
    parser.add_argument("--keep", action="store_true", help="keep the directory with homes and logs, and say where")
    return parser


if __name__ == "__main__":
    sys.exit(main())
