"""The last lines of `clipal use` and `clipal reset`: what the running clipal does once it has read the files."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from twisted.internet.task import deferLater

from clipal.commands.address import Address
from clipal.commands.running import NotRunning, ask, in_reactor
from clipal.commands.status_table import clock, lasting
from clipal.config.model import Configuration
from clipal.status.document import ClientReport, StatusReport

LONGEST: Final = 3.0
"""Seconds in which the running clipal should notice a change; it looks every two seconds."""
_EVERY: Final = 0.1

Seen: TypeAlias = Callable[[StatusReport], bool]


def show_effect(address: Address, configuration: Configuration, clients: Sequence[str], seen: Seen) -> int:
    """Waits until `seen` is true of `/status`, and prints which providers clipal then asks for `clients`.

    Returns:
        the exit status: 1 where the running clipal has not taken the change, else 0.
    """
    try:
        report = in_reactor(lambda reactor: _wait(reactor, address, seen))
    except NotRunning as error:
        print(f"{error}; it counts from the next start on")
        return 0
    problem = _problem(address, configuration, report, seen)
    if problem:
        print(f"clipal: {problem}", file=sys.stderr)
        return 1
    for client in clients:
        print(f"clipal now {doing(client, report['clients'][client])}")
    return 0


async def _wait(reactor: Any, address: Address, seen: Seen) -> StatusReport:
    """The first report of which `seen` is true; the last report where the time is over."""
    began = reactor.seconds()
    while True:
        report = await ask(reactor, address)
        if seen(report) or reactor.seconds() - began >= LONGEST:
            return report
        await deferLater(reactor, _EVERY)


def _problem(address: Address, configuration: Configuration, report: StatusReport, seen: Seen) -> str:
    """Why the change is not in force; empty where it is."""
    loaded = report["configuration"]
    if os.path.realpath(loaded["directory"]) != os.path.realpath(configuration.directory):
        return f"the clipal at {address} reads {loaded['directory']}, and not {configuration.directory}"
    if seen(report):
        return ""
    if loaded["error"] is not None:
        return f"the clipal at {address} keeps the configuration that it has: {loaded['error']}"
    return f"the clipal at {address} has not taken the change within {LONGEST:.0f} s; see its log"


def doing(name: str, client: ClientReport) -> str:
    """In words, which provider clipal asks for a client, and which providers have a cooldown."""
    if not client["can_answer"]:
        words = f"has no provider of {name} that can answer"
    elif client["pinned"] is not None:
        words = f"asks only {client['pinned']} for {name}"
    else:
        words = f"prefers {client['preferred']} for {name}"
    for each in client["providers"]:
        if each["enabled"] and each["health"] == "open":
            until = f" until {clock(each['until'])} ({lasting(each['rests_seconds'])})" if each["until"] else ""
            words += f"; {each['name']} rests{until}: {each['reason']}"
    return words
