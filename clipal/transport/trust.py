"""TLS towards providers: which certificates to trust, and what to offer.

With a `ca_file`, a provider's certificate must come from an authority in that file. Without a `ca_file`, the system's
authorities are trusted (on Windows those of its stores), or those of SSL_CERT_FILE and SSL_CERT_DIR. Where Python's
OpenSSL knows no place for authorities, certifi's are trusted too: on macOS, and on Windows, whose stores fill only when
roots are used.

What is checked is what Twisted's `optionsForClientTLS` checks: the chain, and that a subject alternative name is the
host's; a certificate's common name does not count.
"""

from __future__ import annotations

import os
import ssl
from functools import lru_cache

import certifi

from clipal.config.reach import Trust
from clipal.transport.tls import TLSHost


def tls_host(host: str, trust: Trust | None = None) -> TLSHost:
    """The other side of TLS connections to `host`, a name in ASCII or an IP address; made once for each provider.

    Parameters:
        trust: a provider's own; None for the system's certificates, in the context that all such connections share.
    """
    if trust is not None:
        return TLSHost(_own_context(trust), host)
    paths = ssl.get_default_verify_paths()
    return TLSHost(_context(paths, os.stat(paths.cafile).st_mtime_ns if paths.cafile else 0), host)


def _own_context(trust: Trust) -> ssl.SSLContext:
    """A context for one provider alone."""
    context = _new_context()
    if trust.authorities is None:
        _load_system(context, ssl.get_default_verify_paths())
    else:
        context.load_verify_locations(cadata=trust.authorities)
    if trust.certificate is not None:
        context.load_cert_chain(trust.certificate, trust.key)
    return context


@lru_cache(maxsize=1)
def _context(paths: ssl.DefaultVerifyPaths, changed: int) -> ssl.SSLContext:
    """A context for all providers without a Trust, until the system's certificates change.

    It is kept, because reading the system's certificates is slow.

    Parameters:
        paths: where certificates are.
        changed: when the file of certificates was changed last: with another time, another context is made.
    """
    context = _new_context()
    _load_system(context, paths)
    return context


def _new_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks chains and host names
    context.hostname_checks_common_name = False
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])  # offered so that the server takes no other protocol
    return context


def _load_system(context: ssl.SSLContext, paths: ssl.DefaultVerifyPaths) -> None:
    context.load_default_certs()
    if not (paths.cafile or paths.capath):
        context.load_verify_locations(certifi.where())
