r"""Where clipal listens: the entries of `listen:`, Twisted's endpoint strings, read once and completely.

Twisted's own reader makes Twisted's ports. So its strings are read here, with the kinds and arguments that clipal's own
transports can serve. Colons in an argument are written `\:`, as Twisted has it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from attrs import evolve, frozen

from clipal.config.addresses import is_loopback_address, plain_address

_BACKLOG: Final = 1024
_LAST_PORT: Final = 65535


@frozen
class TLSFiles:
    """What a listener that speaks TLS needs.

    Attributes:
        client_ca: the authorities of which clients must show a certificate; None where they need none.
        chain: further certificates behind `certificate`.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None
    chain: Path | None = None

    def within(self, directory: Path) -> TLSFiles:
        """The same, with relative paths taken from `directory`."""
        client_ca = None if self.client_ca is None else directory / self.client_ca
        chain = None if self.chain is None else directory / self.chain
        return TLSFiles(directory / self.certificate, directory / self.key, client_ca, chain)


@frozen
class Endpoint:
    """One place to listen: an address and a port, the path of a UNIX socket, or a socket that systemd has made.

    Attributes:
        shown: what it is called in messages.
        inherited: the string by which Twisted finds a socket of systemd's; empty for others.
        proxied: whether each connection begins with a header of the PROXY protocol.
    """

    shown: str
    host: str = ""
    port: int = 0
    path: Path | None = None
    mode: int = 0o600
    inherited: str = ""
    backlog: int = _BACKLOG
    tls: TLSFiles | None = None
    proxied: bool = False

    @classmethod
    def tcp(cls, host: str, port: int, tls: TLSFiles | None = None) -> Endpoint:
        """An address and a port."""
        return cls(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", host, port, tls=tls)

    @property
    def reaches_others(self) -> bool:
        """Whether other machines can connect; true of systemd's sockets too, unless they are UNIX sockets."""
        if self.proxied or (self.inherited and "domain=UNIX" not in self.inherited):
            return True
        return bool(self.host) and not is_loopback_address(self.host)

    def within(self, directory: Path) -> Endpoint:
        """The same, with relative paths taken from `directory`."""
        tls = None if self.tls is None else self.tls.within(directory)
        if self.path is None:
            return evolve(self, tls=tls)
        path = directory / self.path
        return evolve(self, path=path, shown=f"unix:{path}", tls=tls)


def parse_endpoint(text: str) -> Endpoint:
    """What an endpoint string says.

    Raises:
        ValueError: it cannot be served.
    """
    kind, mark, rest = text.partition(":")
    if kind == "haproxy" and mark:
        inner = parse_endpoint(rest)
        if inner.proxied:
            raise ValueError("must have haproxy: once")
        return evolve(inner, proxied=True)
    if kind not in _KINDS or not mark:
        known = ", ".join(f"{each}:" for each in (*_KINDS, "haproxy"))
        raise ValueError(f"must be an endpoint string that begins with one of {known}")
    names, make = _KINDS[kind]
    return make(_arguments(kind, rest, names))


def _arguments(kind: str, text: str, names: Sequence[str]) -> dict[str, str]:
    """The arguments by their names: those without one stand in the order of `names`."""
    found: dict[str, str] = {}
    for position, word in enumerate(re.findall(r"(?:^|:)((?:[^:\\]|\\.)*)", text)):
        match = re.fullmatch(r"([A-Za-z]+)=(.*)", word)
        if match is not None:
            name, value = match[1], match[2]
        elif position < len(names):
            name, value = names[position], word
        else:
            raise ValueError(f"must have {len(names)} arguments at most behind {kind}:")
        if name not in names:
            raise ValueError(f"must have none but these arguments behind {kind}: {', '.join(names)}")
        if name in found:
            raise ValueError(f"must have {name} once")
        value = re.sub(r"\\(.)", r"\1", value)
        if not value.isprintable():
            raise ValueError(f"must have a printable {name}")
        found[name] = value
    return found


def _tcp(arguments: Mapping[str, str], interface: str = "0.0.0.0", tls: TLSFiles | None = None) -> Endpoint:  # noqa: S104
    # All addresses, where there is no `interface`, as in Twisted.
    host = arguments.get("interface") or interface
    try:
        host = "127.0.0.1" if host.lower() == "localhost" else str(plain_address(host.strip("[]")))
    except ValueError:
        raise ValueError("must have an IP address as its interface") from None
    port = _number(arguments, "port", 0, _LAST_PORT)
    return evolve(Endpoint.tcp(host, port, tls), backlog=_number(arguments, "backlog", 1, 1 << 30, _BACKLOG))


def _tcp6(arguments: Mapping[str, str]) -> Endpoint:
    return _tcp(arguments, interface="::")


def _ssl(arguments: Mapping[str, str]) -> Endpoint:
    key = arguments.get("privateKey", "server.pem")
    chain = arguments.get("extraCertChain")
    certificate = Path(arguments.get("certKey", key)).expanduser()
    tls = TLSFiles(certificate, Path(key).expanduser(), chain=None if chain is None else Path(chain).expanduser())
    return _tcp(arguments, tls=tls)


def _unix(arguments: Mapping[str, str]) -> Endpoint:
    if not arguments.get("address"):
        raise ValueError("must have the path of a socket behind unix:")
    mode = arguments.get("mode", "600")
    if not re.fullmatch("0?[0-7]{3}", mode):
        raise ValueError("must have three octal digits as its mode, such as 600")
    path = Path(arguments["address"]).expanduser()
    backlog = _number(arguments, "backlog", 1, 1 << 30, _BACKLOG)
    return Endpoint(f"unix:{path}", path=path, mode=int(mode, 8), backlog=backlog)


def _systemd(arguments: Mapping[str, str]) -> Endpoint:
    domain, index, name = (arguments.get(each) for each in ("domain", "index", "name"))
    if domain not in ("INET", "INET6", "UNIX"):
        raise ValueError("must have INET, INET6 or UNIX as its domain")
    if (name is None) == (index is None):
        raise ValueError("must have either a name or an index")
    if name is not None:
        quoted = re.sub(r"([\\:=])", r"\\\1", name)
        return Endpoint(f"systemd:{name}", inherited=f"systemd:domain={domain}:name={quoted}")
    number = _number(arguments, "index", 0, 1 << 20)
    return Endpoint(f"systemd:{number}", inherited=f"systemd:domain={domain}:index={number}")


def _number(arguments: Mapping[str, str], name: str, least: int, most: int, default: int | None = None) -> int:
    text = arguments.get(name)
    if text is None and default is not None:
        return default
    if text is None or not re.fullmatch("[0-9]{1,10}", text) or not least <= int(text) <= most:
        raise ValueError(f"must have a number of {least} to {most} as its {name}")
    return int(text)


_KINDS: Final[Mapping[str, tuple[Sequence[str], Callable[[Mapping[str, str]], Endpoint]]]] = {
    "tcp": (("port", "interface", "backlog"), _tcp),
    "tcp6": (("port", "backlog", "interface"), _tcp6),
    "ssl": (("port", "privateKey", "certKey", "extraCertChain", "interface", "backlog"), _ssl),
    "unix": (("address", "mode", "backlog", "lockfile"), _unix),
    "systemd": (("domain", "index", "name"), _systemd),
}
