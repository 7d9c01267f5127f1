"""One client's file: its providers, and which of them is pinned."""

from __future__ import annotations

from collections.abc import Sequence as Several
from pathlib import Path
from typing import Final

from clipal.config import values as read
from clipal.config.advice import advise
from clipal.config.model import ClientConfig, Mode, ProviderConfig
from clipal.config.nodes import Mapping, Node, Scalar, Sequence, parse_document, read_document
from clipal.config.problems import Problems, Severity
from clipal.config.provider_entry import read_provider
from clipal.config.self_reference import is_self
from clipal.config.settings import Settings
from clipal.config.tables import Table

_CLIENT: Final = Table(
    {
        "providers": lambda node: node,
        "mode": read.one_of(Mode),
        "pinned_provider": read.text,
    }
)


def read_client(path: Path, listening: Several[Settings], problems: Problems) -> ClientConfig:
    """The client's configuration, as far as it could be read; what is wrong with it goes to `problems`.

    Parameters:
        path: the file, which need not exist.
        listening: the settings, of `config.yaml` first, then those in force: no provider may be where clipal listens.

    Raises:
        ConfigurationError: the file is no mapping that could be read.
    """
    before = len(problems.of(Severity.ERROR))
    document = read_document(path, problems)
    if document is None:
        return ClientConfig(path)
    values = _CLIENT.read(path, "", document, problems)
    providers = _providers(path, values.get("providers"), listening, problems)
    advise(path, document, providers, problems)
    mode, pinned = values.get("mode", Mode.AUTO), values.get("pinned_provider") or None
    if mode is Mode.AUTO:
        return ClientConfig(path, providers)
    known = [provider.name for provider in providers if provider.is_asked]
    if pinned not in known and len(problems.of(Severity.ERROR)) == before:  # else it may name one with a mistake
        line = document.lines.get("pinned_provider", document.lines["mode"])
        problems.error(path, line, "pinned_provider", "must name an enabled provider when mode is manual")
    return ClientConfig(path, providers, mode, pinned)


def provider_names(path: Path, data: bytes) -> tuple[str, ...]:
    """The names of the providers in `data`, the content of the client's file at `path`; also of those with a mistake.

    Raises:
        ConfigurationError: it is no mapping that could be read.
    """
    node = parse_document(path, data).items.get("providers")
    items = node.items if isinstance(node, Sequence) else ()
    names = (item.items.get("name") for item in items if isinstance(item, Mapping))
    return tuple(name.text.strip() for name in names if isinstance(name, Scalar) and name.value is not None)


def _providers(
    path: Path, node: Node | None, listening: Several[Settings], problems: Problems
) -> tuple[ProviderConfig, ...]:
    if node is None or (isinstance(node, Scalar) and node.value is None):
        return ()
    if not isinstance(node, Sequence):
        problems.error(path, node.line, "providers", "must be a list")
        return ()
    upstream_proxy = listening[0].upstream_proxy
    providers: dict[str, ProviderConfig] = {}
    for number, item in enumerate(node.items):
        place = f"providers[{number}]"
        if not isinstance(item, Mapping):
            problems.error(path, item.line, place, "must be a mapping with name, base_url and api_key")
            continue
        provider = read_provider(path, place, item, upstream_proxy, problems)
        if provider is None:
            continue
        if any(is_self(provider.base_url, each) for each in listening):
            problem = "this is clipal's own address: the request would come back for ever"
            problems.error(path, item.lines["base_url"], f"{place}.base_url", problem)
        if provider.name in providers:
            problems.error(path, item.lines["name"], f"{place}.name", "another provider has this name")
        providers[provider.name] = provider
    return tuple(providers.values())
