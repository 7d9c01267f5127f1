"""One entry of a client's file: a provider."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from attrs import evolve

from clipal.config import values as read
from clipal.config.forward_proxy import proxy_for
from clipal.config.model import Carrier, ProviderConfig
from clipal.config.nodes import Mapping, Node, Sequence
from clipal.config.original import PROVIDER
from clipal.config.problems import Problems, Severity
from clipal.config.proxy_settings import PROVIDER_PROXY
from clipal.config.reach import ProxyChoice, Trust
from clipal.config.references import Missing, References, is_placeholder
from clipal.config.secret import Secret
from clipal.config.tables import Table
from clipal.config.trust import check_certificate, read_authorities
from clipal.config.values import Reader

_PROVIDER: Final = Table(
    {
        "name": read.name,
        "base_url": read.base_url,
        "api_key": lambda node: node,
        "api_keys": lambda node: node,
        "priority": read.priority,
        "enabled": read.truth,
        "auth": read.one_of(Carrier),
        "websocket": read.truth,
        "models": read.model_names,
        "serves": read.model_patterns,
        "ca_file": lambda node: node,
        "client_certificate": lambda node: node,
        "client_key": lambda node: node,
        **PROVIDER_PROXY.readers,
    },
    foreign=PROVIDER,
)
_FILES: Final[tuple[str, ...]] = ("ca_file", "client_certificate", "client_key")


def read_provider(
    path: Path, place: str, node: Mapping, upstream_proxy: ProxyChoice, problems: Problems
) -> ProviderConfig | None:
    """A provider; None if something is wrong with it.

    A provider whose keys are all a template's gets no keys: it is not asked, and a warning says so.

    Parameters:
        upstream_proxy: for a provider that says nothing of a proxy.
    """
    return _Entry(path, place, node, problems).read(upstream_proxy)


class _Entry:
    def __init__(self, path: Path, place: str, node: Mapping, problems: Problems) -> None:
        self._path = path
        self._place = place
        self._node = node
        self._problems = problems
        self._errors_before = len(problems.of(Severity.ERROR))
        self._references = References(path.parent)

    def read(self, upstream_proxy: ProxyChoice) -> ProviderConfig | None:
        values = _PROVIDER.read(self._path, self._place, self._node, self._problems)
        for required in ("name", "base_url"):
            if required not in self._node.items:
                self._wrong(required, "is missing")
        is_enabled = bool(values.get("enabled", True))
        needs_key = is_enabled and values.get("auth") is not Carrier.NONE
        values["api_keys"] = self._keys(values.pop("api_key", None), values.pop("api_keys", None), needed=needs_key)
        files = {key: values.pop(key) for key in _FILES if key in values}
        values["trust"] = self._trust(files, asked=is_enabled)
        proxy = PROVIDER_PROXY.take(values, self._path, f"{self._place}.", self._node, self._problems)
        if self._has_errors:
            return None
        if needs_key and not values["api_keys"]:
            self._wrong("api_key", "is missing; without any, set auth to none")
            return None
        provider = ProviderConfig(**values)
        self._warn_of_websocket(provider)
        if needs_key:
            provider = self._without_placeholders(provider)
        return self._through_a_proxy(provider, upstream_proxy if proxy is None else proxy)

    @property
    def _has_errors(self) -> bool:
        return len(self._problems.of(Severity.ERROR)) > self._errors_before

    def _wrong(self, key: str, text: str) -> None:
        self._problems.error(self._path, self._node.lines.get(key, self._node.line), f"{self._place}.{key}", text)

    # Keys

    def _keys(self, one: Node | None, several: Node | None, *, needed: bool) -> tuple[Secret, ...]:
        """The keys, each once. Where no key is needed, what a key refers to may be missing.

        Parameters:
            one: the value of `api_key`.
            several: the value of `api_keys`.
        """
        found = [] if one is None else [self._read("api_key", self._references.key, one, needed=needed)]
        if several is not None and not isinstance(several, Sequence):
            self._wrong("api_keys", "must be a list")
            several = None
        for number, item in enumerate(several.items if several is not None else ()):
            place = f"api_keys[{number}]"
            key = self._read(place, self._references.key, item, needed=needed)
            if key is not None and not key and needed:
                self._problems.error(self._path, item.line, f"{self._place}.{place}", "an empty key; remove it")
            found.append(key)
        return tuple(dict.fromkeys(key for key in found if key))

    def _read(self, key: str, reader: Reader, node: Node, *, needed: bool) -> Any:
        try:
            return reader(node)
        except Missing as missing:
            if not needed:
                return None
            error: ValueError = missing
        except ValueError as wrong:
            error = wrong
        self._problems.error(self._path, node.line, f"{self._place}.{key}", str(error))
        return None

    def _without_placeholders(self, provider: ProviderConfig) -> ProviderConfig:
        keys = tuple(key for key in provider.api_keys if not is_placeholder(key))
        if keys == provider.api_keys:
            return provider
        key = "api_key" if "api_key" in self._node.items else "api_keys"
        line = self._node.lines[key]
        text = "the key is still the template's, and this provider is left out"
        if keys:
            text = "a key of the template's is not used"
        self._problems.warn(self._path, line, f"{self._place}.{key}", text, "put your own in its place")
        return evolve(provider, api_keys=keys)

    # How it is reached

    def _trust(self, nodes: dict[str, Node], *, asked: bool) -> Trust | None:
        files = {key: self._read(key, self._references.file, node, needed=True) for key, node in nodes.items()}
        authorities, certificate, private = (files.get(key) for key in _FILES)
        if private is not None and certificate is None:
            self._wrong("client_key", "needs client_certificate")
            return None
        if not asked or authorities is certificate is None:
            return None
        pem, digest = None, b""
        if authorities is not None:
            pem = self._read("ca_file", lambda _: read_authorities(authorities), nodes["ca_file"], needed=True)
        if certificate is not None:
            node = nodes["client_certificate"]
            digest = self._read(
                "client_certificate", lambda _: check_certificate(certificate, private), node, needed=True
            )
        return Trust(pem, certificate, private, digest or b"")

    def _through_a_proxy(self, provider: ProviderConfig, choice: ProxyChoice) -> ProviderConfig | None:
        url = provider.base_url
        try:
            return evolve(provider, proxy=proxy_for(choice, url.scheme, url.host, url.port))
        except ValueError as error:
            self._wrong("proxy", str(error))
            return None

    def _warn_of_websocket(self, provider: ProviderConfig) -> None:
        if provider.websocket and not provider.takes_websockets:
            line, hint = self._node.lines["websocket"], "a WebSocket names its model where clipal cannot read it"
            text = "has no effect beside models or serves"
            self._problems.warn(self._path, line, f"{self._place}.websocket", text, hint)
