"""Forward proxies: what a setting says, what the environment says, and which provider is reached through which."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Final
from urllib.parse import unquote_to_bytes

from clipal.config.addresses import plain_address
from clipal.config.base_url import parse_host_and_port
from clipal.config.reach import ForwardProxy, ProxyChoice, ProxyMode
from clipal.config.secret import Secret

_SCHEMES: Final = ("http", "https", "socks5", "socks5h")
_PORT: Final = 1080
"""curl's, for a proxy whose port is not named; 443 for https."""
_URL: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:(?P<user>[^/?#]*)@)?(?P<place>[^/?#@]*)/?")
_FORM: Final = "must be environment, direct, or a URL such as http://user:password@host:3128 or socks5h://host:1080"


def parse_proxy(text: str, *, bare: bool = False) -> ForwardProxy:
    """The proxy that a URL names.

    Parameters:
        bare: whether `host:port` is one too, an http proxy, as in the environment.

    Raises:
        ValueError: it names no proxy; the message does not repeat it, because it may hold a password.
    """
    if bare and "://" not in text:
        text = f"http://{text}"
    match = _URL.fullmatch(text)
    if match is None or not text.isprintable() or " " in text:
        raise ValueError(_FORM)
    scheme = match["scheme"].lower()
    if scheme not in _SCHEMES:
        raise ValueError("must be a proxy of http, https, socks5 or socks5h")
    host, port = parse_host_and_port(match["place"])
    user, _, password = (match["user"] or "").partition(":")
    raw_user, raw_password = unquote_to_bytes(user), unquote_to_bytes(password)
    if raw_password and not raw_user:
        raise ValueError("a proxy's URL with a password and no user")
    if scheme in ("http", "https"):
        if b":" in raw_user or re.search(rb"[\x00-\x1f\x7f]", raw_user + raw_password):
            raise ValueError("a proxy's URL whose user or password cannot be sent")
    elif max(len(raw_user), len(raw_password)) > 255 or not (raw_user + raw_password).isascii():
        raise ValueError("a SOCKS proxy's user and password must be of at most 255 ASCII characters")
    elif raw_user and not raw_password:
        raise ValueError("a SOCKS proxy's URL with a user and no password")
    port = port or (443 if scheme == "https" else _PORT)
    return ForwardProxy(scheme, host, port, Secret(raw_user), Secret(raw_password))


def parse_choice(text: str) -> ProxyChoice:
    """What `upstream_proxy` says.

    Raises:
        ValueError: as `parse_proxy`.
    """
    for mode in ProxyMode:
        if text.lower() == mode.value:
            return mode
    return parse_proxy(text)


def proxy_for(choice: ProxyChoice, scheme: str, host: str, port: int) -> ForwardProxy | None:
    """The proxy through which `host` is reached; None for none.

    Raises:
        ValueError: a variable of the environment is wrong; the text names it.
    """
    if choice is ProxyMode.DIRECT or _never_proxied(host):
        return None
    if isinstance(choice, ForwardProxy):
        return choice
    return _of_the_environment(os.environ, scheme, host, port)


def _never_proxied(host: str) -> bool:
    """Whether `host`, a name or an address, is this machine's loopback, which is never reached through a proxy."""
    name = host.removesuffix(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = plain_address(name)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _of_the_environment(environment: Mapping[str, str], scheme: str, host: str, port: int) -> ForwardProxy | None:
    """As curl has it: the lower case name first, and an empty variable is none."""
    names = [f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY"]
    if scheme == "http" and "REQUEST_METHOD" in environment:
        names.remove("HTTP_PROXY")  # in a CGI program, the client's field "Proxy"
    name = next((name for name in names if environment.get(name)), None)
    if name is None or bypasses(environment.get("no_proxy") or environment.get("NO_PROXY") or "", host, port):
        return None
    try:
        return parse_proxy(environment[name].strip(), bare=True)
    except ValueError:
        raise ValueError(f"the environment variable {name} names no proxy that can be used") from None


def bypasses(no_proxy: str, host: str, port: int) -> bool:
    """Whether `NO_PROXY` names `host`: by name, suffix, address or network, with a port or without; `*` is all."""
    name = host.removesuffix(".").lower()
    return any(_names(entry, name, port) for entry in re.split(r"[\s,]+", no_proxy.lower()) if entry)


def _names(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::([0-9]+))?", entry)
    plain = re.fullmatch(r"([^:]*):([0-9]+)", entry)
    match = bracketed or plain
    if match is not None:
        if match[2] is not None and int(match[2]) != port:
            return False
        entry = match[1]
    try:
        address = plain_address(host)
    except ValueError:
        suffix = entry.removeprefix("*").strip(".")
        return bool(suffix) and (host == suffix or host.endswith(f".{suffix}"))
    try:
        return address in ip_network(entry, strict=False)
    except ValueError:
        return False
