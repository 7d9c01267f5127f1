"""The settings of forward proxies, in clipal's own names and in those of later versions of the original.

`upstream_proxy` and a provider's `proxy` say all in one text. The original has a mode (`environment`, `direct`,
`custom`, and for a provider `inherit`) and a URL, which counts for `custom` only.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any

from attrs import frozen

from clipal.config.forward_proxy import parse_choice, parse_proxy
from clipal.config.nodes import Mapping, Node
from clipal.config.problems import Problems
from clipal.config.reach import ForwardProxy, ProxyChoice, ProxyMode
from clipal.config.values import Reader, one_of, text


class _Mode(Enum):
    ENVIRONMENT = "environment"
    DIRECT = "direct"
    CUSTOM = "custom"


class _ProviderMode(Enum):
    ENVIRONMENT = "environment"
    DIRECT = "direct"
    CUSTOM = "custom"
    INHERIT = "inherit"


def _choice(node: Node) -> ProxyChoice | None:
    found = text(node).strip()
    return parse_choice(found) if found else None


def _provider_choice(node: Node) -> ProxyChoice | None:
    found = text(node).strip()
    return None if found.lower() == "inherit" else _choice(node)


def _mode(modes: type[Enum]) -> Reader:
    read = one_of(modes)

    def read_mode(node: Node) -> str | None:
        return str(read(node).value) if text(node).strip() else None

    return read_mode


def _url(node: Node) -> ForwardProxy | None:
    found = text(node).strip()
    return parse_proxy(found) if found else None


@frozen
class ProxyKeys:
    """The three keys of one place.

    Attributes:
        whole: clipal's own; `mode` and `url` are the original's.
    """

    whole: str
    mode: str
    url: str
    readers: dict[str, Reader]

    def take(
        self, values: dict[str, Any], file: Path, place: str, document: Mapping, problems: Problems
    ) -> ProxyChoice | None:
        """Takes the three out of `values`: what they say, or None where they say nothing.

        Where they contradict each other, an error goes to `problems`.
        """
        whole, mode, url = (values.pop(key, None) for key in (self.whole, self.mode, self.url))

        def wrong(key: str, message: str) -> None:
            problems.error(file, document.lines[key], f"{place}{key}", message)

        if whole is not None and mode is not None:
            wrong(self.mode, f"{self.whole} is set too; remove one of them")
        elif whole is not None and url is not None:
            wrong(self.url, f"{self.whole} is set too; remove one of them")
        elif mode == "custom" and url is None and self.url not in document.items:
            wrong(self.mode, f"custom needs {self.url}")
        elif mode == "custom" and url is None:
            wrong(self.url, "must be the URL of a proxy")
        elif mode in ("environment", "direct"):
            return ProxyMode(mode)
        elif mode != "inherit":
            choice: ProxyChoice | None = url if whole is None else whole
            return choice
        return None


SETTINGS_PROXY = ProxyKeys(
    "upstream_proxy",
    "upstream_proxy_mode",
    "upstream_proxy_url",
    {"upstream_proxy": _choice, "upstream_proxy_mode": _mode(_Mode), "upstream_proxy_url": _url},
)
PROVIDER_PROXY = ProxyKeys(
    "proxy",
    "proxy_mode",
    "proxy_url",
    {"proxy": _provider_choice, "proxy_mode": _mode(_ProviderMode), "proxy_url": _url},
)
