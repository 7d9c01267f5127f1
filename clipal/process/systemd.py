"""Tells systemd that clipal serves, reloads, stops, and is alive (sd_notify(3)).

The protocol is one datagram for each message. Without NOTIFY_SOCKET in the environment, nothing is sent.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

from twisted.application.service import Service
from twisted.internet.base import ReactorBase
from twisted.internet.task import LoopingCall


class Systemd(Service):
    """Tells systemd while this service runs.

    Parameters:
        environment: where NOTIFY_SOCKET and WATCHDOG_USEC are.
    """

    def __init__(self, reactor: ReactorBase, environment: Mapping[str, str] = os.environ) -> None:
        self._reactor = reactor
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = address.replace("@", "\0", 1) if address[:1] == "@" else address
        self._interval = _watchdog_interval(environment)
        self._alive = LoopingCall(self._notify, "WATCHDOG=1")
        self._alive.clock = reactor

    def startService(self) -> None:
        """Says that clipal serves, once the reactor runs, and then regularly that clipal is alive."""
        super().startService()
        self._reactor.callWhenRunning(self._started)

    def stopService(self) -> None:
        """Ends the regular messages."""
        super().stopService()
        if self._alive.running:
            self._alive.stop()

    def reloading(self) -> None:
        """Says that the configuration is being read; `ready` follows."""
        if self._address:
            self._notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def ready(self) -> None:
        """Says that clipal serves."""
        self._notify("READY=1", "STATUS=Serving")

    def stopping(self) -> None:
        """Says that a drain begins."""
        self._notify("STOPPING=1", "STATUS=Waiting for open requests")

    def _started(self) -> None:
        if not self.running:
            return
        self.ready()
        if self._address and self._interval:
            self._alive.start(self._interval)

    def _notify(self, *lines: str) -> None:
        if self._address[:1] not in ("/", "\0"):
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
            to.setblocking(False)
            to.sendto("\n".join(lines).encode(), self._address)


def _watchdog_interval(environment: Mapping[str, str]) -> float:
    """Half of what WatchdogSec says, in seconds; 0 where systemd does not watch this process."""
    microseconds, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or pid not in ("", str(os.getpid())):
        return 0.0
    return int(microseconds) / 2_000_000
