"""The proxies under test, and their configurations. Each has one working process, on the core of the proxies.

nginx is set up to work as clipal does: it reads the whole body of a request before it passes it on (clipal may have to
send the body twice), and passes answers on as they come. Both keep their connections to the upstream open.
"""

from __future__ import annotations

import getpass
import json
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import trustme
from attrs import frozen

from benchmarks.processes import Cores, Running, Unavailable, free_port, on_core, spawn, start

DIRECT: Final = "direct"
NGINX: Final = "nginx"
FORWARDER: Final = "portforward"
CLIPAL: Final = "clipal"
CONTESTANTS: Final = (DIRECT, NGINX, FORWARDER, CLIPAL)

_NGINX: Final = """
worker_processes 1;
user {user};
pid {directory}/nginx.pid;
error_log {directory}/error.log warn;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    keepalive_requests 1000000000;
    client_max_body_size 32m;
    client_body_buffer_size 2m;
    upstream provider {{
        server 127.0.0.1:{upstream_port};
        keepalive 64;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location = /health {{ return 200; }}
        location /claudecode/ {{
            proxy_pass {scheme}://provider/;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_read_timeout 300s;
            {tls}
        }}
    }}
}}
"""
_NGINX_TLS: Final = """
            proxy_ssl_session_reuse on;
            proxy_ssl_server_name on;
            proxy_ssl_name localhost;
            proxy_ssl_protocols TLSv1.2 TLSv1.3;
            proxy_ssl_verify on;
            proxy_ssl_trusted_certificate {authority};
"""


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
    """

    directory: Path
    cores: Cores
    clipal: Sequence[str] = (sys.executable, "-m", "clipal")

    def start_upstream(self) -> Upstream:
        """The provider's process, with a certificate of an authority of its own."""
        authority = trustme.CA()
        authority_file, certificate = self.directory / "authority.pem", self.directory / "certificate.pem"
        authority.cert_pem.write_to_path(str(authority_file))
        authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(certificate))
        command = [sys.executable, "-m", "benchmarks.upstream", str(certificate)]
        with on_core(self.cores.upstream):
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
        if name == NGINX:
            return self._start_nginx(upstream, tls)
        if name == FORWARDER:
            port = free_port()
            command = [sys.executable, "-m", "benchmarks.forwarder", str(port), str(upstream.port(tls))]
            return start(name, command, port, self.cores.proxy, self._fresh(name) / "output")
        return self.start_clipal(upstream, [upstream.base_url(tls)])

    def start_clipal(
        self, upstream: Upstream, base_urls: Sequence[str], settings: Mapping[str, object] | None = None
    ) -> Running:
        """clipal, with a provider for each of `base_urls`, the first preferred, and settings beside our own."""
        directory = self._fresh(CLIPAL)
        providers = [
            {"name": f"provider-{number}", "base_url": url, "api_key": "any-value", "priority": number}
            for number, url in enumerate(base_urls, 1)
        ]
        _write_private(directory / "config.yaml", {"log_stdout": False, **(settings or {})})
        _write_private(directory / "claude-code.yaml", {"providers": providers})
        port = free_port()
        command = [*self.clipal, "--config-dir", str(directory), "--port", str(port)]
        trust = {"SSL_CERT_FILE": str(upstream.authority)}
        return start(CLIPAL, command, port, self.cores.proxy, directory / "output", trust)

    def _start_nginx(self, upstream: Upstream, tls: bool) -> Running:
        program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
        if program is None:
            raise Unavailable("nginx is not installed (Debian: apt install nginx-light)")
        directory, port = self._fresh(NGINX), free_port()
        configuration = directory / "nginx.conf"
        values = {"user": getpass.getuser(), "directory": directory, "port": port}
        secured = _NGINX_TLS.format(authority=upstream.authority) if tls else ""
        text = _NGINX.format(**values, tls=secured, scheme="https" if tls else "http", upstream_port=upstream.port(tls))
        configuration.write_text(text)
        options = ["-p", str(directory), "-e", str(directory / "error.log"), "-g", "daemon off;"]
        command = [program, "-c", str(configuration), *options]
        return start(NGINX, command, port, self.cores.proxy, directory / "output")

    def _fresh(self, name: str) -> Path:
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.directory))


def command_of(text: str) -> Sequence[str]:
    """A command line in its words."""
    return tuple(shlex.split(text))


def _write_private(path: Path, content: Mapping[str, object]) -> None:
    """Writes JSON, which is YAML too, with mode 0600, because clipal warns where others can read a file with keys."""
    path.touch(mode=0o600)
    path.write_text(json.dumps(content))
