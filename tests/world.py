"""What a test runs against one another: upstreams, a proxy, clients and processes, all closed after the test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field

from clipal.config.model import ProviderConfig
from tests.proxy import Proxy
from tests.wirekit.client import RawClient
from tests.wirekit.forward_proxy import ForwardProxyServer
from tests.wirekit.process import Program
from tests.wirekit.upstream import Script, ScriptedUpstream


@define(eq=False)
class World:
    """Starts as many of each as a test likes.

    Attributes:
        directory: the test's own; a proxy's configuration and log are there.
    """

    directory: Path
    _upstreams: list[ScriptedUpstream] = field(factory=list)
    _proxies: list[Proxy] = field(factory=list)
    _forward_proxies: list[ForwardProxyServer] = field(factory=list)
    _clients: list[RawClient] = field(factory=list)
    _programs: list[Program] = field(factory=list)

    def upstream(self, *scripts: Script, **options: Any) -> ScriptedUpstream:
        """`ScriptedUpstream.start`."""
        self._upstreams.append(ScriptedUpstream.start(*scripts, **options))
        return self._upstreams[-1]

    def proxy(self, clients: Mapping[str, Sequence[ProviderConfig]], **options: Any) -> Proxy:
        """`Proxy.start`, in the test's own directory."""
        self._proxies.append(Proxy.start(self.directory, clients, **options))
        return self._proxies[-1]

    def forward_proxy(self, *kind: Any, **options: Any) -> ForwardProxyServer:
        """`ForwardProxyServer.start`."""
        self._forward_proxies.append(ForwardProxyServer.start(*kind, **options))
        return self._forward_proxies[-1]

    async def connect(self, *where: Any, **options: Any) -> RawClient:
        """`RawClient.connect`."""
        self._clients.append(await RawClient.connect(*where, **options))
        return self._clients[-1]

    def program(self, *argv: Any, **options: Any) -> Program:
        """`Program.start`."""
        self._programs.append(Program.start(*argv, **options))
        return self._programs[-1]

    async def close(self) -> None:
        """Closes whatever is still open, the clients first."""
        for client in self._clients:
            if client.ended is None:
                client.abort()
                await client.closed()
        for program in self._programs:
            if program.exit is None:
                await program.kill()
        for upstream in self._upstreams:
            await upstream.close()
        for forward_proxy in self._forward_proxies:
            await forward_proxy.close()
        for proxy in self._proxies:
            await proxy.stop()
