"""clipal as an agent of launchd's in one user's session."""

from __future__ import annotations

import os
import plistlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from clipal.commands.supervisor import (
    WRITTEN,
    Action,
    Program,
    Remove,
    Run,
    Unavailable,
    Write,
    answer,
    differs,
    is_ours,
)
from clipal.service import DRAIN

LABEL: Final = "local.clipal"
_LONGER: Final = 10
"""Seconds that launchd waits beyond `drain_timeout`."""
_LONGEST: Final = 24 * 60 * 60
"""Seconds that it waits where `drain_timeout` is 0, which is for ever."""


class Launchd:
    """The launchd of the user that runs this."""

    installed = "clipal runs, and starts again when you log in. `clipal service status` shows how it is."

    def __init__(self, program: Program) -> None:
        self._program = program
        self._path = Path.home() / "Library" / "LaunchAgents" / f"{LABEL}.plist"
        self._errors = program.directory / "clipal.err"
        self._domain = f"gui/{os.getuid()}"
        self._target = f"{self._domain}/{LABEL}"

    @property
    def is_installed(self) -> bool:
        return is_ours(self._path)

    @property
    def _patience(self) -> float:
        drain = self._program.settings.drain_timeout
        seconds = DRAIN if drain is None else drain
        return seconds + _LONGER if seconds else _LONGEST

    def files(self) -> Mapping[Path, bytes]:
        agent = {
            "Label": LABEL,
            "ProgramArguments": list(self._program.words),
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": 10,
            "ExitTimeOut": round(self._patience),
            "ProcessType": "Interactive",
            "Umask": 0o077,
            "SoftResourceLimits": {"NumberOfFiles": 8192},
            "StandardOutPath": os.devnull,
            "StandardErrorPath": str(self._errors),
        }
        try:
            content = plistlib.dumps(agent, sort_keys=False)
        except ValueError:
            raise Unavailable("an agent cannot name the program or the directory: control characters") from None
        return {self._path: content.replace(b"<plist", f"<!-- {WRITTEN}. -->\n<plist".encode(), 1)}

    def install(self) -> Sequence[Action]:
        content = self.files()[self._path]
        load = ("launchctl", "bootstrap", self._domain, str(self._path))
        if not differs(self._path, content):
            return [Run(load, may_fail=True), Run(("launchctl", "kickstart", self._target))]
        before = [Run(("launchctl", "bootout", self._target), may_fail=True)] if is_ours(self._path) else []
        return [
            *before,
            Write(self._path, content),
            Run(("launchctl", "enable", self._target)),
            Run(load, patience=self._patience if before else 0.0),  # while the one before ends, there can be no other
        ]

    def uninstall(self) -> Sequence[Action]:
        return [
            Run(("launchctl", "bootout", self._target), may_fail=True),
            Remove(self._path),
            Remove(self._errors),
        ]

    def questions(self) -> Sequence[Run]:
        return [Run(("launchctl", "print", self._target))]

    def state(self) -> tuple[str, bool]:
        shown = answer(self.questions()[0].words)
        if shown.returncode:
            return "not loaded", False
        runs = "state = running" in shown.stdout
        return "running" if runs else "loaded, not running", runs

    def check(self) -> None:
        try:
            answer(("launchctl", "version"))
        except Unavailable as error:
            raise Unavailable(f"{error}.\nWithout launchd: {self._program.by_hand}") from None
