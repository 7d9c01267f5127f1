"""One client's token, as `client_tokens` in config.yaml has it. Only its hash is kept."""

from __future__ import annotations

from attrs import field, frozen

from clipal.config.secret import Secret


@frozen
class ClientToken:
    """Who may send requests.

    Attributes:
        name: what logs, `/status` and `/metrics` call it.
        digest: the SHA-256 of the token.
        clients: the prefixes that it is good for; None for all of them.
        status: whether its holder may see `/status` and `/metrics` from anywhere.
        requests_per_minute: how many requests are let in within any 60 seconds; None for no limit.
        max_streams: how many of its requests are answered at one time; None for no limit.
        text: the token, where the configuration has it; else empty.
    """

    name: str
    digest: bytes = field(repr=False)
    clients: frozenset[str] | None = None
    status: bool = False
    requests_per_minute: int | None = None
    max_streams: int | None = None
    text: Secret = field(default=Secret(b""), eq=False)

    def is_good_for(self, client: str) -> bool:
        """Whether it may be used for the client with this prefix."""
        return self.clients is None or client in self.clients
