"""A provider's base URL, prepared once for all its requests."""

from __future__ import annotations

from attrs import frozen

from clipal.config.model import BaseURL


@frozen
class Target:
    """Where a provider's requests go.

    Attributes:
        tls: whether the connection is encrypted.
        host_field: the value of Host; it names the port where that is not the scheme's own (RFC 9110, 7.2).
        origin: `https://host:port`, what stands before a request's target in an absolute URI.
    """

    tls: bool
    host: str
    port: int
    host_field: bytes
    origin: bytes
    path: bytes
    query: bytes

    @classmethod
    def from_base_url(cls, url: BaseURL) -> Target:
        """Prepares `url`, which the configuration has checked."""
        tls = url.scheme == "https"
        host = f"[{url.host}]" if ":" in url.host else url.host
        if url.port != (443 if tls else 80):
            host = f"{host}:{url.port}"
        field = host.encode("ascii")
        return cls(tls, url.host, url.port, field, url.scheme.encode("ascii") + b"://" + field, url.path, url.query)

    def url(self, path: bytes) -> bytes:
        """An absolute URI without its query.

        Parameters:
            path: raw, behind the base URL's path: empty, or it begins with a slash.
        """
        return self.origin + (self.path + path or b"/")

    def all_of_query(self, query: bytes | None) -> bytes | None:
        """The base URL's query and `query`, both raw and without a question mark; None where there is none."""
        if self.query:
            return b"%b&%b" % (self.query, query) if query else self.query
        return query
