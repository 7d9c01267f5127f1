"""A certificate authority of the tests' own, with one certificate for the loopback addresses."""

from __future__ import annotations

from pathlib import Path

import trustme
from attrs import frozen
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import Certificate, ContextFactory, optionsForClientTLS


@frozen
class Authority:
    """A certificate authority.

    Attributes:
        certificates: a PEM file with its own certificate, which clients are to trust.
        server: the server's side of TLS, for 127.0.0.1 and localhost.
        stranger: the same, for a name that no test connects to.
    """

    certificates: Path
    server: ContextFactory
    stranger: ContextFactory
    ca: trustme.CA

    @classmethod
    def found(cls, directory: Path) -> Authority:
        """Make keys and certificates; the authority's own is written into the directory."""
        authority = trustme.CA()
        certificates = directory / "authority.pem"
        authority.cert_pem.write_to_path(str(certificates))
        return cls(
            certificates,
            _Server(authority.issue_cert("127.0.0.1", "localhost")),
            _Server(authority.issue_cert("stranger.invalid")),
            authority,
        )

    def issue(self, directory: Path, *names: str) -> tuple[Path, Path]:
        """Write a certificate and its key into `directory`; for this machine, unless there are other names."""
        issued = self.ca.issue_cert(*(names or ("127.0.0.1", "localhost")))
        certificate, key = directory / "certificate.pem", directory / "key.pem"
        certificate.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
        key.write_bytes(issued.private_key_pem.bytes())
        return certificate, key

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make a program trust this authority and no other."""
        return {"SSL_CERT_FILE": str(self.certificates)}

    def client(self, host: str = "127.0.0.1") -> IOpenSSLClientConnectionCreator:
        """The client's side of TLS: trusts this authority only and checks the host."""
        trusted = Certificate.loadPEM(self.certificates.read_bytes())
        options: IOpenSSLClientConnectionCreator = optionsForClientTLS(host, trustRoot=trusted)
        return options


class _Server(ContextFactory):
    """One certificate. Twisted's own `CertificateOptions` warns about pyOpenSSL's deprecated X509 objects."""

    def __init__(self, certificate: trustme.LeafCert) -> None:
        self._context = SSL.Context(SSL.TLS_SERVER_METHOD)
        certificate.configure_cert(self._context)

    def getContext(self) -> SSL.Context:
        return self._context
