"""nginx' configuration, which makes it work as clipal does.

It reads the whole body of a request before it passes it on (clipal may have to send the body twice), and passes answers
on as they come. It keeps its connections to the upstream open, as clipal does.
"""

from __future__ import annotations

import getpass
import shutil
from pathlib import Path
from typing import Final

from benchmarks.processes import Unavailable

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


def command(directory: Path, port: int, upstream_port: int, authority: Path | None) -> list[str]:
    """The command that starts nginx; writes its configuration to `directory`.

    Parameters:
        authority: a file with the certificate of the authority that signed the upstream's, if that speaks TLS.

    Raises:
        Unavailable: it is not installed.
    """
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        raise Unavailable("nginx is not installed (Debian: apt install nginx-light)")
    configuration = directory / "nginx.conf"
    configuration.write_text(
        _NGINX.format(
            user=getpass.getuser(),
            directory=directory,
            port=port,
            tls="" if authority is None else _NGINX_TLS.format(authority=authority),
            scheme="http" if authority is None else "https",
            upstream_port=upstream_port,
        )
    )
    options = ["-p", str(directory), "-e", str(directory / "error.log"), "-g", "daemon off;"]
    return [program, "-c", str(configuration), *options]
