"""The run: clipal between a few clients and two providers, scraped once a second."""

from __future__ import annotations

import http.client
import json
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from pictures.providers import Phase, Provider
from pictures.series import Scrape

CLIENTS: Final = 8
BODY: Final = json.dumps(
    {"model": "claude-sonnet-5", "stream": True, "messages": [{"role": "user", "content": "word " * 400}]}
)
_RATE_LIMITED: Final = Phase(0.25, 429, (("Retry-After", "10"),))
_OVERLOADED: Final = Phase(0.6, 529)


def run(seconds: float, directory: Path) -> list[Scrape]:
    """All scrapes of a run of so many seconds.

    Parameters:
        directory: an empty one, for clipal's configuration and log.
    """
    begun = time.monotonic()

    def clock() -> float:
        return time.monotonic() - begun

    def phases(*parts: Phase) -> tuple[Phase, ...]:
        """Their times are parts of the whole run."""
        return tuple(Phase(each.begins * seconds, each.status, each.fields, each.delay) for each in parts)

    primary = Provider(phases(Phase(0), _RATE_LIMITED, Phase(0.3), _OVERLOADED, Phase(0.72)), clock)
    backup = Provider(phases(Phase(0, delay=0.4)), clock)
    port = free_port()
    _configure(directory, primary, backup)
    command = [sys.executable, "-m", "clipal", "--config-dir", str(directory), "--port", str(port)]
    program = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_for(port)
        agents = [
            Thread(target=_ask, args=(port, number, lambda: clock() < seconds), daemon=True)
            for number in range(CLIENTS)
        ]
        for agent in agents:
            agent.start()
        found = _scrapes(port, seconds, clock)
        for agent in agents:
            agent.join()
        return found
    finally:
        program.terminate()
        program.wait()
        primary.close()
        backup.close()


def _configure(directory: Path, primary: Provider, backup: Provider) -> None:
    (directory / "config.yaml").write_text("failback_after: 5s\ncircuit_breaker: {open_timeout: 8s}\n")
    providers = [
        {"name": name, "base_url": each.base_url, "api_key": f"key-of-{name}", "priority": priority}
        for priority, (name, each) in enumerate((("primary", primary), ("backup", backup)), 1)
    ]
    (directory / "claude-code.yaml").write_text(json.dumps({"providers": providers}))
    for path in directory.iterdir():
        path.chmod(0o600)


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def wait_for(port: int) -> None:
    """Waits until somebody listens on `port`."""
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("clipal does not listen")


def _ask(port: int, number: int, goes_on: Callable[[], bool]) -> None:
    """One agent: a session of some requests, then another one."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    session = 0
    while goes_on():
        session += 1
        fields = {"Content-Type": "application/json", "X-Claude-Code-Session-Id": f"{number}-{session}"}
        for _ in range(3):
            connection.request("POST", "/claudecode/v1/messages", BODY, fields)
            connection.getresponse().read()
            time.sleep(random.uniform(0.1, 0.8))
    connection.close()


def _scrapes(port: int, seconds: float, clock: Callable[[], float]) -> list[Scrape]:
    found = []
    while clock() < seconds:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        found.append(Scrape(clock(), samples))
        time.sleep(max(0.0, len(found) - clock()))
    return found
