"""The four files as one `Configuration`, or one clear error. What a key may be stands in tables; the rest is reading.

Every error is a `ConfigurationError` that names file, line and key.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping as Map
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from attrs import evolve, frozen

from clipal.config import values as read
from clipal.config.model import (
    Affinity,
    Carrier,
    CircuitBreaker,
    ClientConfig,
    Configuration,
    FailBack,
    FirstEvent,
    LogLevel,
    Mode,
    Notifications,
    ProviderConfig,
    Settings,
)
from clipal.config.nodes import ConfigurationError, Mapping, Node, Scalar, Sequence, read_document, shown
from clipal.config.self_reference import is_self

CONFIG_FILE: Final = "config.yaml"

_SETTINGS: Final[dict[str, read.Reader]] = {
    "listen_addr": read.listen_address,
    "port": read.whole(1, 65535),
    "log_level": read.one_of(LogLevel),
    "log_dir": read.directory,
    "log_retention_days": read.whole(0),
    "log_stdout": read.truth,
    "reactivate_after": read.duration,
    "connect_timeout": read.duration,
    "response_header_timeout": read.duration,
    "nonstreaming_timeout": read.duration,
    "upstream_idle_timeout": read.duration,
    "first_event": read.one_of(FirstEvent),
    "first_event_timeout": read.duration,
    "max_request_body_bytes": read.whole(1),
    "ignore_count_tokens_failover": read.truth,
    "affinity": read.one_of(Affinity),
    "failback": read.one_of(FailBack),
    "failback_after": read.duration,
    "allowed_hosts": read.several(read.host),
    "allowed_origins": read.several(read.origin),
    "circuit_breaker": read.mapping,
    "notifications": read.mapping,
}
_CIRCUIT_BREAKER: Final[dict[str, read.Reader]] = {
    "failure_threshold": read.whole(0),
    "open_timeout": read.duration,
    "success_threshold": read.whole(1),  # the original's; one good probe is enough here
    "half_open_max_inflight": read.whole(1),  # the original's; it is always one probe here
}
_NOTIFICATIONS: Final[dict[str, read.Reader]] = {
    "enabled": read.truth,
    "min_level": read.one_of(LogLevel),
    "provider_switch": read.truth,
}
_CLIENT: Final[dict[str, read.Reader]] = {
    "providers": lambda node: node,
    "mode": read.one_of(Mode),
    "pinned_provider": read.text,
}
_PROVIDER: Final[dict[str, read.Reader]] = {
    "name": read.name,
    "base_url": read.base_url,
    "api_key": read.key,
    "api_keys": read.several(read.key),
    "priority": read.priority,
    "enabled": read.truth,
    "auth": read.one_of(Carrier),
    "websocket": read.truth,
    "models": read.model_names,
    "serves": read.model_patterns,
}


@frozen
class Overrides:
    """What the command line says in place of `config.yaml`; texts as they were typed."""

    listen_addr: str | None = None
    port: str | None = None
    log_level: str | None = None


def load_configuration(
    directory: Path, clients: Map[str, str], overrides: Overrides = Overrides(), running: Settings | None = None
) -> Configuration:
    """Reads the files in `directory`, which need not exist.

    Parameters:
        clients: the name of each client's file, by the client's prefix.
        running: the settings in force, if any: no provider may be where clipal listens now, nor where it will.

    Raises:
        ConfigurationError: anything is wrong with any of them.
    """
    settings = _override(_settings(directory), overrides)
    places = (settings, running or settings)
    configs = {prefix: _client(directory / name, places) for prefix, name in clients.items()}
    names = (CONFIG_FILE, *clients.values())
    return Configuration(directory, settings, configs, _warnings(directory, names))


def check_overrides(overrides: Overrides) -> None:
    """Looks at `overrides` alone, before any file is read.

    Raises:
        ConfigurationError: one of them is wrong.
    """
    _override(Settings(Path()), overrides)


# Settings


def _settings(directory: Path) -> Settings:
    path = directory / CONFIG_FILE
    document = read_document(path)
    values = {} if document is None else _values(path, "", document, _SETTINGS)
    breaker, notifications = values.pop("circuit_breaker", None), values.pop("notifications", None)
    if breaker is not None:
        numbers = _values(path, "circuit_breaker", breaker, _CIRCUIT_BREAKER)
        used = {key: numbers[key] for key in ("failure_threshold", "open_timeout") if key in numbers}
        values["circuit_breaker"] = CircuitBreaker(**used)
    if notifications is not None:
        values["notifications"] = Notifications(**_values(path, "notifications", notifications, _NOTIFICATIONS))
    log_dir = directory / (values.pop("log_dir", None) or "logs")
    return Settings(log_dir=log_dir, **values)


def _override(settings: Settings, overrides: Overrides) -> Settings:
    values: dict[str, Any] = {}
    for option, key, reader in (
        ("--listen-addr", "listen_addr", read.listen_address),
        ("--port", "port", read.whole(0, 65535)),
        ("--log-level", "log_level", read.one_of(LogLevel)),
    ):
        typed = getattr(overrides, key)
        if typed is not None:
            tag = "tag:yaml.org,2002:" + ("int" if re.fullmatch("0|[1-9][0-9]{0,4}", typed) else "str")
            try:
                values[key] = reader(Scalar(0, typed, tag))
            except ValueError as error:
                raise ConfigurationError(None, None, option, str(error)) from None
    return evolve(settings, **values)


# Clients


def _client(path: Path, places: tuple[Settings, ...]) -> ClientConfig:
    document = read_document(path)
    if document is None:
        return ClientConfig(path)
    values = _values(path, "", document, _CLIENT)
    providers = _providers(path, values.get("providers"), places)
    mode, pinned = values.get("mode", Mode.AUTO), values.get("pinned_provider") or None
    if mode is Mode.AUTO:
        return ClientConfig(path, providers)
    if pinned not in [provider.name for provider in providers if provider.enabled]:
        line = document.lines.get("pinned_provider", document.lines["mode"])
        raise ConfigurationError(path, line, "pinned_provider", "must name an enabled provider when mode is manual")
    return ClientConfig(path, providers, mode, pinned)


def _providers(path: Path, node: Node | None, places: tuple[Settings, ...]) -> tuple[ProviderConfig, ...]:
    if node is None or (isinstance(node, Scalar) and node.value is None):
        return ()
    if not isinstance(node, Sequence):
        raise ConfigurationError(path, node.line, "providers", "must be a list")
    providers: dict[str, ProviderConfig] = {}
    for number, item in enumerate(node.items):
        place = f"providers[{number}]"
        provider, lines = _provider(path, place, item)
        if provider.name in providers:
            raise ConfigurationError(path, lines["name"], f"{place}.name", "another provider has this name")
        if any(is_self(provider.base_url, place) for place in places):
            problem = "this is clipal's own address: the request would come back for ever"
            raise ConfigurationError(path, lines["base_url"], f"{place}.base_url", problem)
        providers[provider.name] = provider
    return tuple(providers.values())


def _provider(path: Path, place: str, node: Node) -> tuple[ProviderConfig, dict[str, int]]:
    if not isinstance(node, Mapping):
        raise ConfigurationError(path, node.line, place, "must be a mapping with name, base_url and api_key")
    values = _values(path, place, node, _PROVIDER)
    for required in ("name", "base_url"):
        if required not in values:
            raise ConfigurationError(path, node.line, f"{place}.{required}", "is missing")
    keys = (values.pop("api_key", ""), *values.pop("api_keys", ()))
    provider = ProviderConfig(**values, api_keys=tuple(dict.fromkeys(filter(None, keys))))
    if provider.enabled and not provider.api_keys and provider.auth is not Carrier.NONE:
        raise ConfigurationError(path, node.line, f"{place}.api_key", "is missing; without any, set auth to none")
    return provider, node.lines


# All of them


def _values(path: Path, place: str, document: Mapping, table: Map[str, read.Reader]) -> dict[str, Any]:
    """The values of a mapping, each read as its row of `table` says."""
    values: dict[str, Any] = {}
    for key, node in document.items.items():
        dotted = ".".join(filter(None, (place, shown(key))))
        if key not in table:
            raise ConfigurationError(path, document.lines[key], dotted, _unknown(key, table))
        try:
            values[key] = table[key](node)
        except ValueError as error:
            raise ConfigurationError(path, node.line, dotted, str(error)) from None
    return values


def _unknown(key: str, table: Map[str, read.Reader]) -> str:
    near = get_close_matches(key, table, 1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(table))}"
    return f"unknown key; {hint}"


def _warnings(directory: Path, names: tuple[str, ...]) -> tuple[str, ...]:
    """What the operator should know of files that could be read."""
    if not directory.is_dir():
        return (f"There is no configuration in {directory}: run `clipal init` to write templates",)
    if os.name != "posix":
        return ()
    found: list[str] = []
    for path in (directory / name for name in names):
        try:
            mode = path.stat().st_mode
        except OSError:
            continue
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            found.append(f"Others can read {path}, where keys may be: run `chmod 600 {path}`")
    return tuple(found)
