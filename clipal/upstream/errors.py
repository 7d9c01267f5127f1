"""What can go wrong between clipal and a provider, one class for each phase.

UpstreamError
├── ConnectFailed        no connection
│   ├── NameNotFound     the host has no address
│   ├── ConnectRefused   nothing listens there
│   ├── ConnectTimeout   neither an answer nor a refusal in time, the TLS handshake included
│   └── TLSFailed        the handshake failed, or the certificate is not the host's
├── ForwardProxyFailed   no connection, because of the forward proxy
├── ConnectionBroken     lost before the answer's head was complete
│   └── StaleConnection  the same, within a second of the last byte sent, on a connection that was used before
├── BrokenAnswer         what came is no HTTP that may be relayed
└── AnswerCut            the body ended before it was complete
"""

from __future__ import annotations


class UpstreamError(Exception):
    """Its text is in our own words and names no key, path or address."""


class ConnectFailed(UpstreamError):
    """No connection to the provider."""


class NameNotFound(ConnectFailed):
    """The provider's host name has no address."""


class ConnectRefused(ConnectFailed):
    """Nothing listens at the provider's address."""


class ConnectTimeout(ConnectFailed):
    """The connection, its TLS handshake included, took longer than `connect_timeout`."""


class TLSFailed(ConnectFailed):
    """The TLS handshake failed."""


class ForwardProxyFailed(UpstreamError):
    """The forward proxy cannot be reached, or makes no tunnel. The provider itself may work."""


class ConnectionBroken(UpstreamError):
    """The connection was lost before the head of an answer had come."""


class StaleConnection(ConnectionBroken):
    """A connection out of the pool was lost before any byte of an answer, within a second of the last byte sent.

    Most probably the provider closed it while it was idle, so the request may be sent again.
    """


class BrokenAnswer(UpstreamError):
    """What the provider sent is no HTTP that may be relayed (RFC 9112, 2.2 and 6.3)."""


class AnswerCut(UpstreamError):
    """The body of an answer ended before it was complete."""
