"""Whether a provider is clipal itself."""

from __future__ import annotations

from clipal.config.addresses import plain_address
from clipal.config.endpoint import Endpoint
from clipal.config.model import BaseURL
from clipal.config.settings import Settings


def is_self(url: BaseURL, settings: Settings) -> bool:
    """Whether requests to `url` would come back to a clipal that listens as `settings` say."""
    return any(_is_at(url, endpoint) for endpoint in settings.endpoints if endpoint.host)


def _is_at(url: BaseURL, endpoint: Endpoint) -> bool:
    if url.port != endpoint.port:
        return False
    address = plain_address(endpoint.host)
    host = url.host.removesuffix(".")
    if host == "localhost" or host.endswith(".localhost"):
        return address.is_loopback or address.is_unspecified
    try:
        target = plain_address(host)
    except ValueError:
        return False
    if address.is_unspecified:
        return target.is_loopback or target.is_unspecified
    return target == address or target.is_unspecified
