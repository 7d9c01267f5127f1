"""TLS towards providers: whom to trust.

The system's certificates, or those of SSL_CERT_FILE and SSL_CERT_DIR, as OpenSSL has it. Where the OpenSSL inside the
`cryptography` wheel knows no such place (macOS, Windows), certifi's.
"""

from __future__ import annotations

import os
import ssl

import certifi
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import optionsForClientTLS


def client_options(host: str) -> IOpenSSLClientConnectionCreator:
    """What a connection to `host` is checked against; made once for each provider."""
    _find_certificates()
    options: IOpenSSLClientConnectionCreator = optionsForClientTLS(host)
    return options


def _find_certificates() -> None:
    """Names certifi's certificates where OpenSSL would find none."""
    paths = ssl.get_default_verify_paths()
    if not (paths.cafile or paths.capath):
        os.environ.setdefault(paths.openssl_cafile_env, certifi.where())
