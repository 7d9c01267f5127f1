"""The least that Python can take: `python -m benchmarks.loop PORT UPSTREAM_PORT` forwards by epoll, `recv` and `send`.

What it takes is mostly the kernel's, so it is the floor of all that a proxy in Python can take. It is no proxy to use:
it blocks where a receiver is slow.
"""

from __future__ import annotations

import select
import socket
import sys
from typing import Final

_READ: Final = 65536


class Loop:
    """All connections, each with the one that its bytes go to."""

    def __init__(self, port: int, upstream_port: int) -> None:
        self._upstream = ("127.0.0.1", upstream_port)
        self._listening = socket.create_server(("127.0.0.1", port), backlog=1024)
        self._epoll = select.epoll()
        self._epoll.register(self._listening, select.EPOLLIN)
        self._pairs: dict[int, tuple[socket.socket, socket.socket]] = {}

    def run(self) -> None:
        """Forwards until it is ended."""
        listening, poll, pairs = self._listening.fileno(), self._epoll.poll, self._pairs
        while True:
            for number, _ in poll():
                if number == listening:
                    self._accept()
                elif number in pairs:
                    source, sink = pairs[number]
                    try:
                        data = source.recv(_READ)
                        if data:
                            sink.sendall(data)
                            continue
                    except OSError:
                        pass
                    self._close(source, sink)

    def _accept(self) -> None:
        client, _ = self._listening.accept()
        provider = socket.create_connection(self._upstream)
        for source, sink in ((client, provider), (provider, client)):
            source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._pairs[source.fileno()] = source, sink
            self._epoll.register(source, select.EPOLLIN)

    def _close(self, *both: socket.socket) -> None:
        for each in both:
            del self._pairs[each.fileno()]
            each.close()


if __name__ == "__main__":
    Loop(int(sys.argv[1]), int(sys.argv[2])).run()
