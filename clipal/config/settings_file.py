"""`config.yaml`: what each key may be, and the `Settings` that its values make."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from clipal.config import values as read
from clipal.config.client_tokens import read_client_tokens
from clipal.config.endpoint import TLSFiles
from clipal.config.nodes import Mapping, read_document
from clipal.config.original import SETTINGS
from clipal.config.problems import Problems
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
from clipal.config.tables import Table

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
_NESTED: Final[tuple[tuple[str, Table, Callable[..., object]], ...]] = (
    ("circuit_breaker", _CIRCUIT_BREAKER, CircuitBreaker),
    ("notifications", _NOTIFICATIONS, NotificationSettings),
)


def read_settings(directory: Path, clients: Iterable[str], problems: Problems) -> Settings:
    """The settings, as far as they could be read; what is wrong with the others goes to `problems`.

    Parameters:
        directory: of the file, which need not exist.
        clients: the prefixes of all clients.

    Raises:
        ConfigurationError: the file is no mapping that could be read.
    """
    path = directory / CONFIG_FILE
    document = read_document(path, problems)
    if document is None:
        return Settings(directory / "logs")
    values = _SETTINGS.read(path, "", document, problems)
    for key, table, make in _NESTED:
        if key in values:
            values[key] = make(**table.read(path, key, values[key], problems))
    if "tls" in values:
        values["tls"] = _tls(path, values["tls"], problems)
    if "listen" in values:
        values["listen"] = tuple(each.within(directory) for each in values["listen"])
        _report_unused(path, document, problems)
    if (proxy := SETTINGS_PROXY.take(values, path, "", document, problems)) is not None:
        values["upstream_proxy"] = proxy
    if "client_tokens" in values:
        values["client_tokens"] = read_client_tokens(path, values["client_tokens"], clients, problems)
    if isinstance(values.get("status_listen"), Path):
        values["status_listen"] = directory / values["status_listen"]
    return Settings(log_dir=directory / (values.pop("log_dir", None) or "logs"), **values)


def _tls(path: Path, document: Mapping, problems: Problems) -> TLSFiles | None:
    files = _TLS.read(path, "tls", document, problems)
    for name in ("certificate", "key"):
        if name not in document.items:
            problems.error(path, document.line, f"tls.{name}", "is missing")
    return TLSFiles(**files).within(path.parent) if {"certificate", "key"} <= files.keys() else None


def _report_unused(path: Path, document: Mapping, problems: Problems) -> None:
    """Reports the settings that have no effect beside `listen`."""
    for key in ("listen_addr", "port"):
        if key in document.items:
            problems.warn(path, document.lines[key], key, "has no effect beside listen")
    if "tls" in document.items:
        text = "has no effect beside listen; write ssl:PORT:privateKey=FILE:certKey=FILE there"
        problems.error(path, document.lines["tls"], "tls", text)
