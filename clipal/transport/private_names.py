"""The private names of Twisted and python-socks that this package uses.

A test checks that they exist. With a new version of either library, look at the places named here.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen


@frozen
class PrivateName:
    """One name.

    Attributes:
        where: the class that has it.
        why: what it is needed for.
    """

    where: str
    name: str
    why: str


PRIVATE_NAMES: Final = (
    PrivateName("twisted.internet.abstract.FileDescriptor", "dataBuffer", "tcp: whether anything is queued"),
    PrivateName("twisted.internet.abstract.FileDescriptor", "offset", "tcp: how much of that has been sent"),
    PrivateName("twisted.internet.abstract.FileDescriptor", "_tempDataBuffer", "tcp: what is queued behind that"),
    PrivateName("twisted.internet.abstract.FileDescriptor", "_tempDataLen", "tcp: how many bytes that is"),
    PrivateName("twisted.internet.abstract.FileDescriptor", "_writeDisconnected", "tcp: whether writing has ended"),
    PrivateName("twisted.internet.tcp.Connector", "_makeTransport", "dialer: the class of an outgoing connection"),
    PrivateName("twisted.internet.tcp.Port", "_fromListeningDescriptor", "tcp: a port of a class of our own"),
    PrivateName("twisted.internet.tcp.Port", "numberAccepts", "tcp: one connection at a time"),
    PrivateName(
        "twisted.internet.tcp.BaseClient", "_connectDone", "tls, tunnel: handshake and tunnel are a part of connecting"
    ),
    PrivateName(
        "twisted.internet.tcp.BaseClient", "failIfNotConnected", "tls, tunnel: what fails before is no connection"
    ),
    PrivateName("twisted.internet.tcp._AbortingMixin", "_aborting", "tls: nothing is decrypted behind an abort"),
    PrivateName("twisted.internet.epollreactor.EPollReactor", "_poller", "epoll: waits for events"),
    PrivateName("twisted.internet.epollreactor.EPollReactor", "_selectables", "epoll: the descriptors by number"),
    PrivateName("twisted.internet.epollreactor.EPollReactor", "_doReadOrWrite", "epoll: handles the other events"),
    PrivateName(
        "twisted.internet.posixbase.PosixReactorBase", "_disconnectSelectable", "epoll: the end of a connection"
    ),
    PrivateName("python_socks._protocols.socks5.Connection", "send", "proxy_dialogue: SOCKS5's messages"),
    PrivateName("python_socks._protocols.socks5.Connection", "receive", "proxy_dialogue: what they are answered with"),
    PrivateName("python_socks._protocols.socks5.AuthMethodsRequest", "dumps", "proxy_dialogue: SOCKS5's messages"),
    PrivateName("python_socks._protocols.socks5.AuthRequest", "dumps", "proxy_dialogue: SOCKS5's messages"),
    PrivateName("python_socks._protocols.socks5.ConnectRequest", "dumps", "proxy_dialogue: SOCKS5's messages"),
    PrivateName(
        "python_socks._protocols.socks5.AuthMethod", "USERNAME_PASSWORD", "proxy_dialogue: what the proxy chose"
    ),
    PrivateName("python_socks._protocols.errors.ReplyError", "with_traceback", "proxy_dialogue: a refusal"),
)
