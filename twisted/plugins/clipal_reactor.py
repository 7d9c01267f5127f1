"""Tells twistd of clipal's reactor, for `twistd --reactor=clipal`. Data, like the other plugin."""

from twisted.application.reactors import Reactor

direct = Reactor(
    "clipal",
    "clipal.transport.epoll",
    "epoll, with a shorter way from a readable connection to its protocol (Linux).",
)
