"""Reads the four files into one `Configuration`, or reports every mistake in them at once.

What a key may be stands in tables, here for `config.yaml` and in `clipal.config.client_file` for the clients' files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from collections.abc import Mapping as Map
from pathlib import Path
from typing import Any, Final

from attrs import evolve

from clipal.config import values as read
from clipal.config.client_file import read_client
from clipal.config.client_tokens import read_client_tokens
from clipal.config.endpoint import TLSFiles
from clipal.config.model import ClientConfig, Configuration
from clipal.config.nodes import Mapping, read_document
from clipal.config.original import SETTINGS
from clipal.config.overrides import NO_OVERRIDES, Overrides, with_overrides
from clipal.config.problems import ConfigurationError, Problem, Problems, Severity
from clipal.config.proxy_settings import SETTINGS_PROXY
from clipal.config.settings import (
    Affinity,
    CircuitBreaker,
    FailBack,
    FirstEventMode,
    LogFormat,
    LogLevel,
    NotificationSettings,
    Settings,
)
from clipal.config.stamps import fingerprint, look
from clipal.config.tables import Table
from clipal.config.warnings import warn_of_access, warn_of_files

CONFIG_FILE: Final = "config.yaml"

_SETTINGS: Final = Table(
    {
        "listen_addr": read.listen_address,
        "port": read.whole(1, 65535),
        "listen": read.endpoints,
        "tls": read.mapping,
        "log_level": read.one_of(LogLevel),
        "log_format": read.one_of(LogFormat),
        "log_dir": read.directory,
        "log_retention_days": read.whole(0),
        "log_max_bytes": read.whole(0),
        "log_stdout": read.truth,
        "reactivate_after": read.duration,
        "connect_timeout": read.duration,
        "response_header_timeout": read.duration,
        "nonstreaming_timeout": read.duration,
        "upstream_idle_timeout": read.duration,
        "first_event": read.one_of(FirstEventMode),
        "first_event_timeout": read.duration,
        "max_request_body_bytes": read.whole(1),
        "max_buffered_bytes": read.whole(1),
        "client_idle_timeout": read.duration,
        "workers": read.workers,
        "drain_timeout": read.duration,
        "ignore_count_tokens_failover": read.truth,
        "affinity": read.one_of(Affinity),
        "failback": read.one_of(FailBack),
        "failback_after": read.duration,
        "status_listen": read.status_address,
        "expose_provider": read.truth,
        "allowed_hosts": read.several(read.host),
        "allowed_origins": read.several(read.origin),
        "client_tokens": read.anything,
        "protected_mode": read.truth,
        "max_connections": read.whole(0),
        "max_connections_per_address": read.whole(0),
        "max_streams": read.whole(0),
        "circuit_breaker": read.mapping,
        "notifications": read.mapping,
        **SETTINGS_PROXY.readers,
    },
    foreign=SETTINGS,
)
_TLS: Final = Table({"certificate": read.file, "key": read.file, "client_ca": read.file})
_CIRCUIT_BREAKER: Final = Table(
    {
        "failure_threshold": read.whole(0),
        "open_timeout": read.duration,
        "success_threshold": read.whole(1),  # the original's; one success of a trial is enough here
        "half_open_max_inflight": read.whole(1),  # the original's; it is always one trial here
    },
    unused=frozenset(("success_threshold", "half_open_max_inflight")),
)
_NOTIFICATIONS: Final = Table(
    {
        "enabled": read.truth,
        "min_level": read.one_of(LogLevel),
        "provider_switch": read.truth,
    }
)


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
    settings = with_overrides(_settings(directory, clients, problems), overrides, problems)
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
        settings = _settings(directory, clients, problems)
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


# Settings


def _settings(directory: Path, clients: Iterable[str], problems: Problems) -> Settings:
    path = directory / CONFIG_FILE
    document = read_document(path, problems)
    values = {} if document is None else _SETTINGS.read(path, "", document, problems)
    breaker, notifications = values.pop("circuit_breaker", None), values.pop("notifications", None)
    tls = values.pop("tls", None)
    if tls is not None:
        _read_tls(path, tls, values, problems)
    if "listen" in values:
        values["listen"] = tuple(each.within(directory) for each in values["listen"])
        _read_listen(path, document, problems)
    if breaker is not None:
        numbers = _CIRCUIT_BREAKER.read(path, "circuit_breaker", breaker, problems)
        values["circuit_breaker"] = CircuitBreaker(**numbers)
    if notifications is not None:
        choices = _NOTIFICATIONS.read(path, "notifications", notifications, problems)
        values["notifications"] = NotificationSettings(**choices)
    proxy = None if document is None else SETTINGS_PROXY.take(values, path, "", document, problems)
    if proxy is not None:
        values["upstream_proxy"] = proxy
    if "client_tokens" in values:
        tokens = values.pop("client_tokens")
        values["client_tokens"] = read_client_tokens(path, tokens, clients, problems)
    log_dir = directory / (values.pop("log_dir", None) or "logs")
    if isinstance(values.get("status_listen"), Path):
        values["status_listen"] = directory / values["status_listen"]
    return Settings(log_dir=log_dir, **values)


def _read_tls(path: Path, document: Mapping, values: dict[str, Any], problems: Problems) -> None:
    files = _TLS.read(path, "tls", document, problems)
    missing = [name for name in ("certificate", "key") if name not in document.items]
    for name in missing:
        problems.error(path, document.line, f"tls.{name}", "is missing")
    if "certificate" in files and "key" in files:
        values["tls"] = TLSFiles(**files).within(path.parent)


def _read_listen(path: Path, document: Mapping | None, problems: Problems) -> None:
    """Reports the settings that have no effect beside `listen`."""
    assert document is not None
    for key in ("listen_addr", "port"):
        if key in document.items:
            problems.warn(path, document.lines[key], key, "has no effect beside listen")
    if "tls" in document.items:
        text = "has no effect beside listen; write ssl:PORT:privateKey=FILE:certKey=FILE there"
        problems.error(path, document.lines["tls"], "tls", text)
