"""The command line: `python -m soak [--minutes N] [--report FILE] [--plot FILE]`, from the root of a checkout.

The status is 1 where a rule was broken. Providers run in this process, clipal in one of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from soak.clients import Clients
from soak.ports import free_port, listening
from soak.providers import WAYS, Provider
from soak.report import judge, plot, write_report

FILES = {"claudecode": "claude-code.yaml", "codex": "codex.yaml", "gemini": "gemini.yaml"}
CONFIG = """port: {port}
log_stdout: false
log_level: warn
reactivate_after: 3s
circuit_breaker: {{open_timeout: 2s}}
connect_timeout: 2s
failback_after: 2s
"""
_WORKERS = 12


def main(argv: Sequence[str] | None = None) -> int:
    """Runs it and writes the report."""
    parser = argparse.ArgumentParser(prog="python -m soak")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as directory:
        clients, providers, samples = asyncio.run(_soak(Path(directory), options.minutes * 60, Random(options.seed)))
    broken = judge(clients.got, providers, samples)
    text = write_report(clients.got, providers, samples, broken, options.minutes, options.seed)
    for path in (options.report, options.plot):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
    if options.plot is not None:
        plot(samples, options.plot)
        text += f"\n![What clipal held]({options.plot.name})\n"
    if options.report is not None:
        options.report.write_text(text)
    print(text)
    return 1 if broken else 0


async def _soak(
    directory: Path, seconds: float, random: Random
) -> tuple[Clients, list[Provider], list[dict[str, float]]]:
    providers = [Provider(name, random) for name in ("one", "two", "three")]
    for provider in providers:
        await provider.switch_on()
    port = free_port()
    (directory / "config.yaml").write_text(CONFIG.format(port=port))
    _write_clients(directory, providers, 0)
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "soak.observed", str(directory / "samples"), "--config-dir", str(directory)
    )
    await listening(port)
    clients = Clients(port, random)
    load = asyncio.create_task(clients.run(_WORKERS))
    end = time.monotonic() + seconds
    step = 0
    while (left := end - time.monotonic()) > 0:
        await asyncio.sleep(min(2.0, left))
        step += 1
        await _disturb(directory, providers, program.pid, random, step)
    clients.stopping = True
    for provider in providers:
        provider.way = "well"
    await load
    await asyncio.sleep(5)
    samples = [json.loads(line) for line in (directory / "samples").read_text().splitlines()]
    program.send_signal(signal.SIGTERM)
    await program.wait()
    return clients, providers, samples


async def _disturb(directory: Path, providers: list[Provider], pid: int, random: Random, step: int) -> None:
    """Other ways to fail each time; now and then a reload, and a provider that is off for a while."""
    for provider in providers:
        provider.way = random.choice(WAYS)
    random.choice(providers).way = "well"
    if step % 5 == 0:
        _write_clients(directory, providers, step)
    if step % 13 == 0:
        os.kill(pid, signal.SIGHUP)
    if step % 7 == 0:
        provider = random.choice(providers)
        provider.switch_off()
        await asyncio.sleep(1)
        await provider.switch_on()


def _write_clients(directory: Path, providers: list[Provider], step: int) -> None:
    """Saves the clients' files, whole at any moment."""
    entries = "".join(
        f"- {{name: {each.name}, base_url: 'http://127.0.0.1:{each.port}', api_key: key-{each.name},"
        f" priority: {at + 1}, websocket: true}}\n"
        for at, each in enumerate(providers)
    )
    for name in FILES.values():
        new = directory / f"{name}.new"
        new.write_text(f"# {step}\nproviders:\n{entries}")
        new.chmod(0o600)
        new.replace(directory / name)


if __name__ == "__main__":
    sys.exit(main())
