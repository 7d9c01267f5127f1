"""clipal as an agent of launchd's in one user's session."""

from __future__ import annotations

import os
import plistlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from clipal.commands.supervisor import (
    WRITTEN,
    InstallStep,
    NotSupervised,
    Program,
    RemoveFile,
    RunCommand,
    WriteFile,
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
            raise NotSupervised("an agent cannot name the program or the directory: control characters") from None
        return {self._path: content.replace(b"<plist", f"<!-- {WRITTEN}. -->\n<plist".encode(), 1)}

    def install(self) -> Sequence[InstallStep]:
        content = self.files()[self._path]
        load = ("launchctl", "bootstrap", self._domain, str(self._path))
        if not differs(self._path, content):
            return [RunCommand(load, may_fail=True), RunCommand(("launchctl", "kickstart", self._target))]
        before = [RunCommand(("launchctl", "bootout", self._target), may_fail=True)] if is_ours(self._path) else []
        return [
            *before,
            WriteFile(self._path, content),
            RunCommand(("launchctl", "enable", self._target)),
            RunCommand(
                load, patience=self._patience if before else 0.0
            ),  # while the one before ends, there can be no other
        ]

    def uninstall(self) -> Sequence[InstallStep]:
        return [
            RunCommand(("launchctl", "bootout", self._target), may_fail=True),
            RemoveFile(self._path),
            RemoveFile(self._errors),
        ]

    def questions(self) -> Sequence[RunCommand]:
        return [RunCommand(("launchctl", "print", self._target))]

    def state(self) -> tuple[str, bool]:
        shown = answer(self.questions()[0].words)
        if shown.returncode:
            return "not loaded", False
        runs = "state = running" in shown.stdout
        return "running" if runs else "loaded, not running", runs

    def check(self) -> None:
        try:
            answer(("launchctl", "version"))
        except NotSupervised as error:
            raise NotSupervised(f"{error}.\nWithout launchd: {self._program.by_hand}") from None
