"""The tables of `clipal status`: one block for each client, with a row for each provider."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clipal.status.document import ClientReport, ProviderReport, StatusReport

_STATES: Final = {"closed": ("healthy", "green"), "open": ("resting", "red"), "half-open": ("on trial", "yellow")}
_NOBODY: Final = "has no providers"


def tables(report: StatusReport) -> RenderableType:
    """The whole picture of a report."""
    return Group(*_head(report), *(part for name, each in report["clients"].items() for part in _client(name, each)))


def exit_status(report: StatusReport) -> int:
    """0 all is well, 1 some provider has a cooldown, 2 a client has no provider that can answer."""
    clients = [each for each in report["clients"].values() if _enabled(each)]
    if not all(each["can_answer"] for each in clients):
        return 2
    return int(any(provider["health"] == "open" for each in clients for provider in _enabled(each)))


def _enabled(client: ClientReport) -> list[ProviderReport]:
    return [each for each in client["providers"] if each["enabled"]]


def _head(report: StatusReport) -> Iterator[RenderableType]:
    state = Text(report["state"], "green" if report["state"] == "serving" else "yellow")
    requests = report["open_requests"]
    yield Text.assemble(
        f"clipal {report['version']}: ",
        state,
        f" for {lasting(report['uptime_seconds'])}, {requests} open request{'' if requests == 1 else 's'}",
    )
    configuration = report["configuration"]
    yield Text(f"configuration: {configuration['directory']}")
    if configuration["error"] is not None:
        yield Text(f"not taken, the one before stays in force: {configuration['error']}", "red")


def _client(name: str, client: ClientReport) -> Iterator[RenderableType]:
    yield Text()
    yield Text.assemble((name, "bold"), ": ", _summary(client))
    if client["providers"]:
        yield _providers(client)


def _summary(client: ClientReport) -> Text:
    if not _enabled(client):
        return Text("has no provider that is enabled and has a key" if client["providers"] else _NOBODY, "dim")
    if not client["can_answer"]:
        return Text("no provider can answer", "bold red")
    if client["pinned"] is not None:
        return Text(f"manual, {client['pinned']} only")
    return Text(f"automatic, preferred: {client['preferred']}")


def _providers(client: ClientReport) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), expand=True)
    table.add_column("\n")
    table.add_column("\nprovider", overflow="fold", max_width=18)
    table.add_column("\nstate")
    table.add_column("\nwhy, until", ratio=1, overflow="fold")
    for heading in ("\nasked", "\nfailed", "first\nbyte", "tokens\nin/out"):
        table.add_column(heading, justify="right")
    for each in client["providers"]:
        table.add_row(*_row(client, each))
    return table


def _row(client: ClientReport, provider: ProviderReport) -> Iterator[Text]:
    preferred = provider["name"] == client["preferred"] and client["can_answer"]
    yield Text(">" if preferred else "", "bold cyan")
    yield Text(provider["name"], "bold" if preferred else "")
    state, style = _STATES.get(provider["health"], (provider["health"], ""))
    if not provider["enabled"]:
        state, style = "disabled", "dim"
    elif client["pinned"] not in (None, provider["name"]):
        state, style = "not used", "dim"
    yield Text(state, style)
    yield _why(client, provider)
    yield Text(str(provider["attempts"]))
    failures = sum(provider["failures"].values())
    yield Text(str(failures), "red" if failures else "")
    first_byte = provider["first_byte_seconds"]["p50"]
    yield Text("-" if first_byte is None else f"{first_byte:.2f} s")
    tokens = provider["tokens"]
    yield Text(f"{short(tokens['input'])}/{short(tokens['output'])}")


def _why(client: ClientReport, provider: ProviderReport) -> Text:
    if not provider["enabled"]:
        return Text("enabled: false, or its key is the template's", "dim")
    if client["pinned"] not in (None, provider["name"]):
        return Text(f"{client['pinned']} is pinned", "dim")
    if provider["health"] == "open":
        until = f" until {clock(provider['until'])} ({lasting(provider['rests_seconds'])})" if provider["until"] else ""
        return Text(f"{provider['reason'] or 'failed'}{until}")
    if provider["health"] == "half-open":
        return Text(f"{provider['reason'] or 'failed'}; the next request is its trial")
    resting = [key for key in provider["keys"] if key["health"] == "open"]
    if resting:
        return Text(f"{len(resting)} of {len(provider['keys'])} keys: {resting[0]['reason']}", "yellow")
    last = provider["last_failure"]
    return Text("" if last is None else f"last failure {clock(last['at'])}: {last['reason']}", "dim")


def clock(moment: str) -> str:
    """The local time of `moment`, which is in ISO 8601; with the date where that is not today."""
    local, today = datetime.fromisoformat(moment).astimezone(), datetime.now().astimezone()
    return local.strftime("%H:%M" if local.date() == today.date() else "%Y-%m-%d %H:%M")


def lasting(seconds: float) -> str:
    """`45 s`, `4 min`, `1 h 10 min`, `3 d 2 h`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole < 600 and whole % 60 else f"{whole // 60} min"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def short(number: int) -> str:
    """`512`, `12.0k`, `3.4M`."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return str(number)
