"""Reads the four files into one `Configuration`, or reports every mistake in them at once.

`clipal.config.settings_file` reads `config.yaml`, and `clipal.config.client_file` reads the clients' files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from collections.abc import Mapping as Map
from pathlib import Path

from attrs import evolve

from clipal.config.client_file import read_client
from clipal.config.model import ClientConfig, Configuration
from clipal.config.overrides import NO_OVERRIDES, Overrides, with_overrides
from clipal.config.problems import ConfigurationError, Problem, Problems, Severity
from clipal.config.settings import Settings
from clipal.config.settings_file import CONFIG_FILE, read_settings
from clipal.config.stamps import fingerprint, look
from clipal.config.warnings import warn_of_access, warn_of_files


def load_configuration(
    directory: Path, clients: Map[str, str], overrides: Overrides = NO_OVERRIDES, running: Settings | None = None
) -> Configuration:
    """Reads the files in `directory`, which need not exist.

    Parameters:
        clients: the name of each client's file, by the client's prefix.
        running: the settings in force, if any: no provider may be where clipal listens now, nor where it will.

    Raises:
        ConfigurationError: a file has a mistake; the error has all mistakes of all files.
    """
    names = (CONFIG_FILE, *clients.values())
    stamps = look(directory, names)  # before reading, so that a file saved meanwhile counts as changed
    configuration, problems = check_configuration(directory, clients, overrides, running)
    _raise_errors(problems)
    return evolve(configuration, stamps=stamps, fingerprint=fingerprint(directory, names))


def load_settings(directory: Path, clients: Iterable[str], overrides: Overrides = NO_OVERRIDES) -> Settings:
    """Reads `config.yaml` alone, for callers that need no provider.

    Parameters:
        clients: the prefixes of all clients.

    Raises:
        ConfigurationError: anything is wrong with it.
    """
    problems = Problems()
    settings = with_overrides(read_settings(directory, clients, problems), overrides, problems)
    _raise_errors(problems.found)
    return settings


def _raise_errors(problems: Iterable[Problem]) -> None:
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    if errors:
        raise ConfigurationError.from_problems(errors)


def check_configuration(
    directory: Path, clients: Map[str, str], overrides: Overrides = NO_OVERRIDES, running: Settings | None = None
) -> tuple[Configuration, tuple[Problem, ...]]:
    """What could be read of the files, and every mistake and warning, file by file and line by line.

    Parameters are those of `load_configuration`.
    """
    problems = Problems()
    settings = Settings(directory / "logs")
    if os.path.exists(directory) and not directory.is_dir():
        problems.error(directory, None, None, "cannot be read: not a directory")
        return Configuration(directory, settings, {}), tuple(problems.found)
    try:
        settings = read_settings(directory, clients, problems)
    except ConfigurationError as error:
        problems.found.extend(error.problems)
    settings = with_overrides(settings, overrides, problems)
    listening = (settings, running or settings)
    configs: dict[str, ClientConfig] = {}
    for prefix, name in clients.items():
        configs[prefix] = ClientConfig(directory / name)
        try:
            configs[prefix] = read_client(directory / name, listening, problems)
        except ConfigurationError as error:
            problems.found.extend(error.problems)
    warn_of_files(directory, (CONFIG_FILE, *clients.values()), problems)
    warn_of_access(directory / CONFIG_FILE, settings, problems)
    problems.sort()
    warnings = tuple(map(str, problems.of(Severity.WARNING)))
    return Configuration(directory, settings, configs, warnings), tuple(problems.found)
