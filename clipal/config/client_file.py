"""One client's file: its providers, and which of them is pinned."""

from __future__ import annotations

from collections.abc import Sequence as Several
from pathlib import Path
from typing import Final

from clipal.config import values as read
from clipal.config.model import Carrier, ClientConfig, Mode, ProviderConfig, Settings
from clipal.config.nodes import Mapping, Node, Scalar, Sequence, read_document
from clipal.config.original import PROVIDER, no_proxy
from clipal.config.problems import Problems, Severity
from clipal.config.self_reference import is_self
from clipal.config.tables import Table

_CLIENT: Final = Table(
    {
        "providers": lambda node: node,
        "mode": read.one_of(Mode),
        "pinned_provider": read.text,
    }
)
_PROVIDER: Final = Table(
    {
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
        "proxy": no_proxy("direct", ""),
        "proxy_mode": no_proxy("direct", "inherit", ""),
        "proxy_url": no_proxy(""),
    },
    foreign=PROVIDER,
    unused=frozenset(("proxy", "proxy_mode", "proxy_url")),
)


def read_client(path: Path, listening: Several[Settings], problems: Problems) -> ClientConfig:
    """The client's configuration, as far as it could be read; what is wrong with it goes to `problems`.

    Parameters:
        path: the file, which need not exist.
        listening: where clipal listens: no provider may be there.

    Raises:
        ConfigurationError: the file is no mapping that could be read.
    """
    before = len(problems.of(Severity.ERROR))
    document = read_document(path, problems)
    if document is None:
        return ClientConfig(path)
    values = _CLIENT.read(path, "", document, problems)
    providers = _providers(path, values.get("providers"), listening, problems)
    mode, pinned = values.get("mode", Mode.AUTO), values.get("pinned_provider") or None
    if mode is Mode.AUTO:
        return ClientConfig(path, providers)
    known = [provider.name for provider in providers if provider.enabled]
    if pinned not in known and len(problems.of(Severity.ERROR)) == before:  # else it may name one with a mistake
        line = document.lines.get("pinned_provider", document.lines["mode"])
        problems.error(path, line, "pinned_provider", "must name an enabled provider when mode is manual")
    return ClientConfig(path, providers, mode, pinned)


def _providers(
    path: Path, node: Node | None, listening: Several[Settings], problems: Problems
) -> tuple[ProviderConfig, ...]:
    if node is None or (isinstance(node, Scalar) and node.value is None):
        return ()
    if not isinstance(node, Sequence):
        problems.error(path, node.line, "providers", "must be a list")
        return ()
    providers: dict[str, ProviderConfig] = {}
    for number, item in enumerate(node.items):
        place = f"providers[{number}]"
        if not isinstance(item, Mapping):
            problems.error(path, item.line, place, "must be a mapping with name, base_url and api_key")
            continue
        provider = _provider(path, place, item, problems)
        if provider is None:
            continue
        if any(is_self(provider.base_url, each) for each in listening):
            problem = "this is clipal's own address: the request would come back for ever"
            problems.error(path, item.lines["base_url"], f"{place}.base_url", problem)
        if provider.name in providers:
            problems.error(path, item.lines["name"], f"{place}.name", "another provider has this name")
        providers[provider.name] = provider
    return tuple(providers.values())


def _provider(path: Path, place: str, node: Mapping, problems: Problems) -> ProviderConfig | None:
    """A provider; None where something is wrong with it."""
    before = len(problems.of(Severity.ERROR))
    values = _PROVIDER.read(path, place, node, problems)
    for required in ("name", "base_url"):
        if required not in node.items:
            problems.error(path, node.line, f"{place}.{required}", "is missing")
    keys = tuple(dict.fromkeys(filter(None, (values.pop("api_key", ""), *values.pop("api_keys", ())))))
    needed = values.get("enabled", True) and values.get("auth") is not Carrier.NONE
    if len(problems.of(Severity.ERROR)) > before:
        return None
    if needed and not keys:
        problems.error(path, node.line, f"{place}.api_key", "is missing; without any, set auth to none")
        return None
    provider = ProviderConfig(**values, api_keys=keys)
    if provider.websocket and not provider.takes_websockets:
        line, hint = node.lines["websocket"], "a WebSocket names its model where clipal cannot read it"
        problems.warn(path, line, f"{place}.websocket", "has no effect beside models or serves", hint)
    return provider
