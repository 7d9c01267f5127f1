"""The proxies under test, each set up for the same upstream, on the core of the proxies.

Each has one working process, except the clipal that shows what a second worker brings.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import trustme
from attrs import frozen

from benchmarks import nginx
from benchmarks.contestants import (
    CLIPAL,
    FORWARDER,
    LOOP,
    NGINX,
    OWN,
    POOL,
    TWISTD,
    WORKERS,
    Peer,
    Places,
    clipal_options,
    pool_command,
    twistd_command,
)
from benchmarks.processes import Cores, Running, Unavailable, free_port, on_cores, spawn, start

_MODULES: Final = {LOOP: "benchmarks.loop", FORWARDER: "benchmarks.forwarder"}
_SETTINGS: Final = {"log_stdout": False}


@frozen
class Upstream:
    """The provider's process.

    Attributes:
        authority: a file with the certificate of the authority that signed its own.
    """

    running: Running
    tls_port: int
    authority: Path

    def port(self, tls: bool) -> int:
        """Where it listens, with or without TLS."""
        return self.tls_port if tls else self.running.port

    def base_url(self, tls: bool) -> str:
        """The URL that a proxy is given."""
        return f"{'https' if tls else 'http'}://127.0.0.1:{self.port(tls)}"


@frozen
class Site:
    """The directory and the cores of all processes.

    Attributes:
        directory: for configurations and output; the caller removes it.
        clipal: the command that starts clipal.
        peers: proxies that the command line names.
    """

    directory: Path
    cores: Cores
    clipal: Sequence[str] = OWN
    peers: Sequence[Peer] = ()

    def start_upstream(self) -> Upstream:
        """The provider's process, with a certificate of an authority of its own."""
        authority = trustme.CA()
        authority_file, certificate = self.directory / "authority.pem", self.directory / "certificate.pem"
        authority.cert_pem.write_to_path(str(authority_file))
        authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(certificate))
        command = [sys.executable, "-m", "benchmarks.upstream", str(certificate)]
        with on_cores(self.cores.upstream):
            process = spawn(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdout is not None
        ports = process.stdout.readline().split()
        running = Running("upstream", process, int(ports[0]) if ports else 0)
        if len(ports) != 2:
            running.stop()
            raise Unavailable("the upstream did not start")
        return Upstream(running, int(ports[1]), authority_file)

    def start_proxy(self, name: str, upstream: Upstream, *, tls: bool = False) -> Running:
        """One of the contestants, in front of `upstream`.

        Raises:
            Unavailable: if it is not installed or does not start.
        """
        base_urls = [upstream.base_url(tls)]
        if name == NGINX:
            return self._start_nginx(upstream, tls)
        if name in _MODULES:
            port, cores = free_port(), [self.cores.proxy]
            command = [sys.executable, "-m", _MODULES[name], str(port), str(upstream.port(tls))]
            return start(name, command, port, cores, self._fresh(name) / "output")
        if name == CLIPAL:
            return self.start_clipal(upstream, base_urls)
        pair = (self.cores.proxy, self.cores.second)
        if name == WORKERS:
            return self.start_clipal(upstream, base_urls, {"workers": 2}, pair)
        if name == POOL:
            return self._start(Peer(name, pool_command(self.clipal)), upstream, base_urls, {}, pair, Path.cwd())
        if name == TWISTD:
            return self._start(Peer(name, twistd_command(self.clipal)), upstream, base_urls)
        return self._start(next(each for each in self.peers if each.name == name), upstream, base_urls)

    def start_clipal(
        self,
        upstream: Upstream,
        base_urls: Sequence[str],
        settings: Mapping[str, object] | None = None,
        cores: Sequence[int] = (),
    ) -> Running:
        """clipal, with a provider for each of `base_urls`, the first preferred, and settings beside our own."""
        command = Peer(CLIPAL, (*self.clipal, *clipal_options()))
        return self._start(command, upstream, base_urls, settings or {}, cores, Path.cwd())

    def _start(
        self,
        peer: Peer,
        upstream: Upstream,
        base_urls: Sequence[str],
        settings: Mapping[str, object] | None = None,
        cores: Sequence[int] = (),
        working_directory: Path | None = None,
    ) -> Running:
        """A command with its placeholders filled, in a directory with a configuration of clipal's."""
        directory, port = self._fresh(peer.name), free_port()
        providers = [
            {"name": f"provider-{number}", "base_url": url, "api_key": "any-value", "priority": number}
            for number, url in enumerate(base_urls, 1)
        ]
        _write_private(directory / "config.yaml", {**_SETTINGS, **(settings or {})})
        _write_private(directory / "claude-code.yaml", {"providers": providers})
        places = Places(port, base_urls[0], directory, upstream.authority)
        return start(
            peer.name,
            places.fill(peer.command),
            port,
            cores or [self.cores.proxy],
            directory / "output",
            {"SSL_CERT_FILE": str(upstream.authority)},
            working_directory or directory,
        )

    def _start_nginx(self, upstream: Upstream, tls: bool) -> Running:
        directory, port = self._fresh(NGINX), free_port()
        command = nginx.command(directory, port, upstream.port(tls), upstream.authority if tls else None)
        return start(NGINX, command, port, [self.cores.proxy], directory / "output")

    def _fresh(self, name: str) -> Path:
        return Path(tempfile.mkdtemp(prefix=f"{name.replace(' ', '-')}-", dir=self.directory))


def _write_private(path: Path, content: Mapping[str, object]) -> None:
    """Writes JSON, which is YAML too, with mode 0600, because clipal warns where others can read a file with keys."""
    path.touch(mode=0o600)
    path.write_text(json.dumps(content))
