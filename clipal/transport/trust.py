"""TLS towards providers: whom to trust, and what to offer.

Trusted are the system's certificates (on Windows its stores), or those of SSL_CERT_FILE and SSL_CERT_DIR; and where
Python's OpenSSL knows no place for them (macOS; Windows, whose stores fill only when roots are used), certifi's.
What is checked is what Twisted's `optionsForClientTLS` checks: the chain, and that a subject alternative name is the
host's; a certificate's common name does not count.
"""

from __future__ import annotations

import os
import ssl
from functools import lru_cache

import certifi

from clipal.transport.tls import TLSHost


def tls_host(host: str) -> TLSHost:
    """Whom connections to `host` must reach, a name in ASCII or an IP address; made once for each provider."""
    paths = ssl.get_default_verify_paths()
    return TLSHost(_context(paths, os.stat(paths.cafile).st_mtime_ns if paths.cafile else 0), host)


@lru_cache(maxsize=1)
def _context(paths: ssl.DefaultVerifyPaths, changed: int) -> ssl.SSLContext:
    """One for all providers, as long as the certificates are the same: reading a system's takes 25 ms.

    Parameters:
        paths: where certificates are.
        changed: when the file was that they are in.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks chains and host names
    context.hostname_checks_common_name = False
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])  # all that we speak, said so that no server takes us for another protocol
    context.load_default_certs()
    if not (paths.cafile or paths.capath):
        context.load_verify_locations(certifi.where())
    return context
