"""TLS to the clipal on this machine: only the certificate that its configuration names is trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import Certificate, CertificateOptions
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer


@implementer(IPolicyForHTTPS, IOpenSSLClientConnectionCreator)
class OwnCertificate:
    """Makes TLS connections, which fail unless the server shows the certificate in the file at `path`."""

    def __init__(self, path: Path) -> None:
        options = CertificateOptions(trustRoot=Certificate.loadPEM(path.read_bytes()))
        self._context = options.getContext()
        store = self._context.get_cert_store()
        assert store is not None
        store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)  # the certificate need not be an authority's

    def creatorForNetloc(self, hostname: bytes, port: int) -> OwnCertificate:
        return self

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        connection = SSL.Connection(self._context, None)
        connection.set_app_data(tlsProtocol)
        return connection
