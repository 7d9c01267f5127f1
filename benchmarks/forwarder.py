"""A bare TCP forwarder, `python -m benchmarks.forwarder PORT UPSTREAM_PORT`.

It shows what Twisted costs when no byte is looked at: the least that a proxy on Twisted's own transports could cost.
"""

from __future__ import annotations

import sys

from twisted.internet import reactor
from twisted.protocols.portforward import ProxyFactory


def main(port: int, upstream_port: int) -> None:
    """Forwards from one port of 127.0.0.1 to another until it is ended."""
    factory = ProxyFactory("127.0.0.1", upstream_port)
    factory.noisy = False
    reactor.listenTCP(port, factory, backlog=1024, interface="127.0.0.1")  # type: ignore[arg-type]  # portforward's is untyped
    reactor.run()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
