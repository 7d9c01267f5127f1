"""clipal as a systemd unit of one user, with a socket unit where `listen` names a socket of systemd's."""

from __future__ import annotations

import os
import re
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
from clipal.service import SUPERVISED_DRAIN

SERVICE: Final = "clipal.service"
SOCKET: Final = "clipal.socket"
_ENVIRONMENT: Final = "environment"
"""The file beside the configuration from which the unit takes variables."""
_LONGER: Final = 60
"""Seconds that systemd waits beyond `drain_timeout`."""
_QUOTED: Final = re.compile(r"""(["'])(.*)\1""")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_@:./+,=-]+")

_UNIT: Final = """\
# {written}. Changes of your own: `systemctl --user edit clipal`.
[Unit]
Description=clipal, a failover proxy for LLM command-line agents
{needs}
[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
ExecReload=/bin/kill -HUP $MAINPID
# Variables of the configuration, NAME=value, one a line; the file need not exist.
EnvironmentFile=-{environment}
WatchdogSec=30
Restart=on-failure
RestartSec=5
# Longer than drain_timeout.
TimeoutStopSec={stop}
KillMode=mixed
UMask=0077
LimitNOFILE=65536
NoNewPrivileges=yes
LockPersonality=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=default.target
"""
_NEEDS_SOCKET: Final = f"Requires={SOCKET}\nAfter={SOCKET}\n"
_SOCKET_UNIT: Final = """\
# {written}. Changes of your own: `systemctl --user edit clipal.socket`.
[Unit]
Description=The socket that clipal serves on

[Socket]
{streams}
Backlog=1024

[Install]
WantedBy=sockets.target
"""


def variables(directory: Path) -> dict[str, str]:
    """Those that the unit takes from the file in `directory`; none where that cannot be read."""
    try:
        lines = (directory / _ENVIRONMENT).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    pairs = (line.strip().partition("=") for line in lines if not line.lstrip().startswith(("#", ";")))
    return {name: _QUOTED.sub(r"\2", value.strip()) for name, equals, value in pairs if name and equals}


class SystemdUser:
    """The systemd of the user that runs this."""

    installed = (
        "clipal runs, and starts again when you log in. `loginctl enable-linger` starts it when the machine starts;\n"
        "`journalctl --user -u clipal -f` shows its log, `clipal service status` how it is."
    )

    def __init__(self, program: Program) -> None:
        self._program = program
        directory = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "systemd" / "user"
        self._service, self._socket = directory / SERVICE, directory / SOCKET

    @property
    def is_installed(self) -> bool:
        found = [is_ours(path) for path in (self._service, self._socket)]
        return any(found)

    def files(self) -> Mapping[Path, bytes]:
        program = self._program
        if any(not character.isprintable() for word in program.words for character in word):
            raise NotSupervised(f"a unit cannot name {program.words!r}: there is a control character in it")
        streams = self._streams()
        drain = program.settings.drain_timeout
        seconds = SUPERVISED_DRAIN if drain is None else drain
        unit = _UNIT.format(
            written=WRITTEN,
            needs=_NEEDS_SOCKET if streams else "",
            command=" ".join(map(_quoted, program.words)),
            environment=str(program.directory / _ENVIRONMENT).replace("%", "%%"),
            stop=f"{seconds + _LONGER:.0f}" if seconds else "infinity",
        )
        files = {self._service: unit.encode()}
        if streams:
            files[self._socket] = _SOCKET_UNIT.format(written=WRITTEN, streams="\n".join(streams)).encode()
        return files

    def _streams(self) -> list[str]:
        """The lines for the sockets that systemd makes; one name for all, as a unit has only one."""
        settings, lines = self._program.settings, []
        for endpoint in settings.endpoints:
            if not endpoint.inherited:
                continue
            domain = re.search(r"domain=(\w+)", endpoint.inherited)
            name = re.search(r"name=(.+)", endpoint.inherited)
            where = {
                "INET": f"{settings.listen_addr if ':' not in settings.listen_addr else '127.0.0.1'}:{settings.port}",
                "INET6": f"[{settings.listen_addr if ':' in settings.listen_addr else '::1'}]:{settings.port}",
                "UNIX": "%t/clipal.sock",
            }[domain.group(1) if domain else "INET"]
            lines += [f"ListenStream={where}"] + ([f"FileDescriptorName={_unescaped(name.group(1))}"] if name else [])
        if len({line for line in lines if line.startswith("FileDescriptorName")}) > 1:
            raise NotSupervised("several names of systemd's sockets in `listen` need socket units of your own")
        return list(dict.fromkeys(lines))

    def install(self) -> Sequence[InstallStep]:
        files = self.files()
        changed = [path for path, content in files.items() if differs(path, content)]
        steps: list[InstallStep] = []
        if self._socket not in files and is_ours(self._socket):
            steps += [RunCommand(_systemctl("disable", "--now", SOCKET), may_fail=True), RemoveFile(self._socket)]
        steps += [WriteFile(path, files[path]) for path in changed]
        if steps:
            steps.append(RunCommand(_systemctl("daemon-reload")))
        steps.append(RunCommand(_systemctl("enable", *(path.name for path in files))))
        if self._socket in changed:  # which cannot be opened while clipal serves at the same address
            steps += [RunCommand(_systemctl("stop", SERVICE)), RunCommand(_systemctl("restart", SOCKET))]
        steps.append(RunCommand(_systemctl("restart" if changed else "start", SERVICE)))
        return steps

    def uninstall(self) -> Sequence[InstallStep]:
        there = [path for path in (self._socket, self._service) if is_ours(path)]
        return [
            RunCommand(_systemctl("disable", "--now", *(path.name for path in there))),
            *map(RemoveFile, there),
            RunCommand(_systemctl("daemon-reload")),
            RunCommand(_systemctl("reset-failed", SERVICE), may_fail=True),
        ]

    def questions(self) -> Sequence[RunCommand]:
        return [RunCommand(_systemctl("is-enabled", SERVICE)), RunCommand(_systemctl("is-active", SERVICE))]

    def state(self) -> tuple[str, bool]:
        self.check()
        enabled, active = (answer(each.words) for each in self.questions())
        words = f"{enabled.stdout.strip() or 'not enabled'}, {active.stdout.strip() or 'not active'}"
        return words, active.returncode == 0

    def check(self) -> None:
        without = f"Without systemd: {self._program.by_hand}"
        try:
            asked = answer(_systemctl("show-environment"))
        except NotSupervised as error:
            raise NotSupervised(f"{error}.\n{without}") from None
        if asked.returncode:
            raise NotSupervised(
                f"systemctl --user does not work here: {asked.stderr.strip() or f'it ended with {asked.returncode}'}\n"
                "It needs a session of your own: log in as this user (not by su or sudo), or set "
                f"XDG_RUNTIME_DIR=/run/user/{os.getuid()} after `loginctl enable-linger`.\n{without}"
            )


def _systemctl(*words: str) -> tuple[str, ...]:
    return ("systemctl", "--user", *words)


def _unescaped(name: str) -> str:
    """A name out of an endpoint string."""
    return re.sub(r"\\(.)", r"\1", name).replace("%", "%%")


def _quoted(word: str) -> str:
    """`word` for ExecStart, which reads quotes, backslashes, specifiers and variables."""
    if _PLAIN.fullmatch(word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped.replace("$", "$$")}"'
