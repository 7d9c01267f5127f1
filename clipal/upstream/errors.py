"""What can go wrong between clipal and a provider, one class for each phase.

UpstreamError
├── ConnectFailed        no connection
│   ├── NameNotFound     the host has no address
│   ├── ConnectRefused   nobody listens there
│   ├── ConnectTimeout   neither an answer nor a refusal in time, the TLS handshake included
│   └── TLSFailed        the handshake failed, or the certificate is not the host's
├── ForwardProxyFailed   no connection, and it is the forward proxy's fault
├── ConnectionBroken     lost before the answer's head was complete
│   └── StaleConnection  so soon that the provider cannot have worked on it, on a connection that had been used before
├── BrokenAnswer         what came is not HTTP that may be relayed
└── AnswerCut            the body ended before its time
"""

from __future__ import annotations


class UpstreamError(Exception):
    """Its text is in our own words and names no key, path or address."""


class ConnectFailed(UpstreamError):
    """No connection to the provider."""


class NameNotFound(ConnectFailed):
    """The provider's host name has no address."""


class ConnectRefused(ConnectFailed):
    """Nobody listens at the provider's address."""


class ConnectTimeout(ConnectFailed):
    """The connection, its TLS handshake included, took longer than `connect_timeout`."""


class TLSFailed(ConnectFailed):
    """The TLS handshake failed."""


class ForwardProxyFailed(UpstreamError):
    """The forward proxy is not there, or does not do what it is for: that says nothing of the provider."""


class ConnectionBroken(UpstreamError):
    """The connection was lost before the head of an answer had come."""


class StaleConnection(ConnectionBroken):
    """A connection out of the pool was lost before any byte of an answer, within a second of the last byte sent.

    It had been closed while it was idle, or the provider cannot have worked on the request, which may be sent again.
    """


class BrokenAnswer(UpstreamError):
    """What the provider sent is no HTTP that may be relayed (RFC 9112, 2.2 and 6.3)."""


class AnswerCut(UpstreamError):
    """The body of an answer ended before its time."""
