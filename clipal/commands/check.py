"""`clipal check`: reads the configuration as the service would, and shows every problem.

With `--online` it also makes a connection to each provider, TLS included, and sends no request on it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from attrs import evolve
from rich.text import Text
from twisted.internet.defer import Deferred, gatherResults

from clipal import tap
from clipal.commands.options import CommandOptions
from clipal.commands.running import in_reactor
from clipal.commands.status import console
from clipal.config.directory import configuration_directory, missing_directory
from clipal.config.loader import check_configuration
from clipal.config.model import ClientConfig, Configuration, ProviderConfig
from clipal.config.problems import Problem, Severity
from clipal.config.settings import Settings
from clipal.dialects.dialect import Dialect
from clipal.dialects.registry import DIALECTS
from clipal.upstream.errors import ForwardProxyFailed, UpstreamError
from clipal.upstream.provider_agent import ProviderAgent

_LONGEST_CONNECT: Final = 10.0
"""Seconds for a connection where the configuration sets no limit."""

_STYLES: Final = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


class Options(CommandOptions, tap.Options):
    """What is checked, and how problems are shown."""

    synopsis = "Usage: clipal check [options]"
    longdesc = (
        "Reads the configuration as clipal would, and shows every problem: file, line, key, what to do. Exit status: "
        "1 where there are errors, else 0; with --strict also 1 for warnings."
    )
    optFlags = [
        ["online", None, "Connect to each provider too, and ask nothing there."],
        ["json", None, "Show the problems as JSON."],
        ["strict", None, "End with 1 for warnings too."],
    ]


def run(options: Options) -> int:
    """Checks the configuration: the exit status."""
    files = {dialect.prefix: dialect.config_file for dialect in DIALECTS}
    missing = missing_directory(options["config-dir"])
    if missing is not None:
        configuration, problems = None, [missing]
    else:
        directory = configuration_directory(options["config-dir"])
        configuration, found = check_configuration(directory, files, options.overrides)
        problems = list(found)
    told = [] if options["json"] else [_shown(each) for each in problems]
    if options["online"] and configuration is not None:
        numbered = not any(each.severity is Severity.ERROR for each in problems)
        reached = in_reactor(lambda reactor: _reach_all(reactor, configuration, numbered=numbered))
        problems += [each for each in reached if isinstance(each, Problem)]
        told += [_shown(each) if isinstance(each, Problem) else Text(each, "green") for each in reached]
    if options["json"]:
        print(json.dumps({"problems": [_plain(each) for each in problems]}, indent=2, ensure_ascii=False))
    else:
        out = console()
        for line in [*told, _summary(problems, configuration)]:
            out.print(line, soft_wrap=True)
    bad = {Severity.ERROR, Severity.WARNING} if options["strict"] else {Severity.ERROR}
    return int(any(each.severity in bad for each in problems))


def _plain(problem: Problem) -> dict[str, Any]:
    return {
        "file": None if problem.file is None else str(problem.file),
        "line": problem.line,
        "key": problem.key,
        "message": problem.message,
        "hint": problem.hint,
        "severity": problem.severity.value,
    }


def _shown(problem: Problem) -> Text:
    """`FILE:LINE: error: KEY: message; hint`, as compilers have it."""
    place = "" if problem.file is None else f"{problem.file}{'' if problem.line is None else f':{problem.line}'}: "
    severity = (f"{problem.severity.value}: ", _STYLES[problem.severity])
    return Text.assemble(place, severity, str(evolve(problem, file=None)))


def _summary(problems: Iterable[Problem], configuration: Configuration | None) -> Text:
    severities = [each.severity for each in problems]
    errors, warnings = severities.count(Severity.ERROR), severities.count(Severity.WARNING)
    counts = f"{errors} error{'' if errors == 1 else 's'}, {warnings} warning{'' if warnings == 1 else 's'}"
    if configuration is None:
        return Text(counts)
    clients = ", ".join(
        f"{name} ({len(_asked(client))})" for name, client in configuration.clients.items() if client.path.exists()
    )
    return Text(f"{counts} in {configuration.directory}; clients and their providers: {clients or 'none'}")


# Online


def _asked(client: ClientConfig) -> list[ProviderConfig]:
    return [each for each in client.providers if each.is_asked]


async def _reach_all(reactor: Any, configuration: Configuration, *, numbered: bool) -> list[Problem | str]:
    """For each provider, the time in which it was reached, or the problem.

    Parameters:
        numbered: whether no provider was left out because of an error, so that their numbers are those in the files.
    """
    settings = configuration.settings
    settings = evolve(settings, connect_timeout=settings.connect_timeout or _LONGEST_CONNECT)
    dialects = {dialect.prefix: dialect for dialect in DIALECTS}
    tries = [
        Deferred.fromCoroutine(_reach(reactor, client.path, key, provider, dialects[prefix], settings))
        for prefix, client in configuration.clients.items()
        for number, provider in enumerate(client.providers)
        if provider in _asked(client)
        for key in (f"providers[{number}].base_url" if numbered else None,)
    ]
    return list(await gatherResults(tries, consumeErrors=True))


async def _reach(
    reactor: Any, file: Path, key: str | None, provider: ProviderConfig, dialect: Dialect, settings: Settings
) -> Problem | str:
    began = reactor.seconds()
    agent = ProviderAgent(reactor, provider, dialect, settings)
    try:
        await agent.reach()
    except UpstreamError as error:
        message = f"{provider.name} is not reachable: {error}"
        suspect = "the forward proxy's URL" if isinstance(error, ForwardProxyFailed) else "base_url"
        return Problem(file, None, key, message, f"see that {suspect} is what you mean")
    finally:
        agent.close()
    return f"{dialect.prefix}: {provider.name} is reachable ({reactor.seconds() - began:.2f} s)"
