"""`clipal service`: lets systemd (Linux) or launchd (macOS) start clipal for one user, and takes that back."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from twisted.python import usage

from clipal.commands.launchd import Launchd
from clipal.commands.options import CommandOptions, hint
from clipal.commands.supervisor import NotSupervised, Program, Supervisor, carry_out, running_program, show_steps
from clipal.commands.systemd_user import SystemdUser, variables
from clipal.config.directory import configuration_directory, missing_directory
from clipal.config.loader import check_configuration
from clipal.config.problems import Severity
from clipal.connect.files import FileError
from clipal.dialects.registry import DIALECTS

SUPERVISORS: Final[Mapping[str, Callable[[Program], Supervisor]]] = {"linux": SystemdUser, "darwin": Launchd}
"""By the platform."""


class Options(CommandOptions):
    """What is to be done."""

    names = ("install", "uninstall", "status")
    synopsis = "Usage: clipal service [options] install|uninstall|status"
    longdesc = (
        "Lets systemd (Linux) or launchd (macOS) start clipal when you log in and when it has failed: install writes "
        "the unit and starts it, uninstall stops it and removes the unit. Installing again changes nothing, unless "
        "the program or the configuration directory is another one. Exit status of status: 0 where clipal runs as a "
        "service, 1 where it does not."
    )
    optFlags = [["dry-run", "n", "Show the files and the commands, and change nothing."]]
    optParameters = [
        [
            "config-dir",
            "c",
            None,
            "Directory of the configuration files (default: $CLIPAL_CONFIG_DIR, else ~/.clipal).",
        ],
    ]

    def parseArgs(self, *names: str) -> None:
        """Takes the one word."""
        if len(names) != 1:
            raise usage.UsageError(f"service takes one word: {', '.join(_WORDS)}")
        if names[0] not in _WORDS:
            raise usage.UsageError(f"service cannot {names[0]!r}; {hint(names[0], _WORDS, 'it can')}")
        self["action"] = names[0]


def run(options: Options) -> int:
    """Does it: the exit status, 1 where it was not possible."""
    make = SUPERVISORS.get(sys.platform)
    if make is None:
        print("clipal: there is neither systemd nor launchd here; docs/windows.md shows a task", file=sys.stderr)
        return 1
    try:
        return _WORDS[options["action"]](make(_program(options)), bool(options["dry-run"]))
    except (FileError, NotSupervised) as error:
        print(f"clipal: {error}", file=sys.stderr)
        return 1


def _program(options: Options) -> Program:
    """What is started, with what its configuration says of its end and of its sockets."""
    directory = configuration_directory(options["config-dir"])
    files = {dialect.prefix: dialect.config_file for dialect in DIALECTS}
    with _also_set(variables(directory) if sys.platform == "linux" else {}):
        configuration, problems = check_configuration(directory, files)
    missing = missing_directory(options["config-dir"])
    wrong = missing is not None or any(each.severity is Severity.ERROR for each in problems)
    if wrong and options["action"] == "install":
        print(f"clipal: {missing or f'{directory} has errors, with which clipal does not start'}", file=sys.stderr)
        if missing is None:
            print("Run `clipal check` to see them.", file=sys.stderr)
    return Program(running_program(), directory, configuration.settings)


@contextmanager
def _also_set(more: Mapping[str, str]) -> Iterator[None]:
    """Has these variables in the environment, which the commands that are run afterwards do not get."""
    before = dict(os.environ)
    os.environ.update(more)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _install(supervisor: Supervisor, dry: bool) -> int:
    steps = supervisor.install()
    if dry:
        show_steps(steps)
        return 0
    carry_out(supervisor, steps)
    print(supervisor.installed)
    return 0


def _uninstall(supervisor: Supervisor, dry: bool) -> int:
    if not supervisor.is_installed:
        print("clipal is not installed as a service")
        return 0
    steps = supervisor.uninstall()
    if dry:
        show_steps(steps)
        return 0
    print("Stopping clipal, which waits for its open streams")
    carry_out(supervisor, steps)
    print("clipal is no service any more")
    return 0


def _status(supervisor: Supervisor, dry: bool) -> int:
    steps = supervisor.questions()
    if dry:
        show_steps(steps)
        return 0
    if not supervisor.is_installed:
        print("clipal is not installed as a service; `clipal service install` does that")
        return 1
    for path, content in supervisor.files().items():
        same = path.is_file() and path.read_bytes() == content
        print(f"{path}: {'as installed' if same else 'not what would be installed now; install it again to change it'}")
    state, runs = supervisor.state()
    print(f"clipal: {state}")
    return 0 if runs else 1


_WORDS: Final = {"install": _install, "uninstall": _uninstall, "status": _status}
