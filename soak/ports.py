"""Ports of programs that a run starts."""

from __future__ import annotations

import asyncio
import socket


def free_port() -> int:
    """A port on which no program listens at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        return int(bound.getsockname()[1])


async def listening(port: int) -> None:
    """Waits until a program listens on `port`.

    Raises:
        SystemExit: none did within 20 seconds.
    """
    for _ in range(200):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return
    raise SystemExit(f"no program listens on port {port}")
