"""Whom we believe to be a provider: an authority's word for the very name, in TLS 1.2 or later."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import trustme
from cryptography.x509 import load_pem_x509_certificate
from OpenSSL.crypto import X509

from clipal.transport.tls import HandshakeFailed
from clipal.transport.trust import tls_host
from tests.tls_world import TLSWorld
from tests.wirekit.marks import ensure_deferred

ANOTHER = "the certificate is for another host"
UNTRUSTED = "the certificate is not trusted"
FAILED = "TLS handshake failed"


@pytest.fixture(autouse=True)
def trusted(tls_world: TLSWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with the tls_world's authority, which is all that this process trusts."""
    file = tmp_path / "authority.pem"
    tls_world.authority.cert_pem.write_to_path(str(file))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    return file


async def asked(tls_world: TLSWorld, certificate: trustme.LeafCert, name: str) -> str:
    """Connects; the reason why not, or the name that the server was asked for."""
    server = tls_world.serve(certificate)
    try:
        await tls_world.pair(server, tls_host(name))
    except HandshakeFailed as failed:
        return str(failed)
    return f"asked for {server.names[0]}"


NAMES = {
    "its name": (["api.example.com"], "api.example.com", "asked for api.example.com"),
    "its name in capitals": (["API.example.com"], "api.example.com", "asked for api.example.com"),
    "one of its names": (["example.org", "api.example.com"], "api.example.com", "asked for api.example.com"),
    "a wildcard": (["*.example.com"], "api.example.com", "asked for api.example.com"),
    "a name beyond ASCII": (["bücher.example"], "xn--bcher-kva.example", "asked for xn--bcher-kva.example"),
    "an IPv4 address": (["127.0.0.1"], "127.0.0.1", "asked for None"),
    "an IPv6 address": (["::1"], "::1", "asked for None"),
    "another name": (["www.example.com"], "api.example.com", ANOTHER),
    "a name above": (["example.com"], "api.example.com", ANOTHER),
    "a name below": (["api.example.com"], "example.com", ANOTHER),
    "a wildcard two levels up": (["*.example.com"], "eu.api.example.com", ANOTHER),
    "a wildcard's own name": (["*.example.com"], "example.com", ANOTHER),
    "another address": (["127.0.0.2"], "127.0.0.1", ANOTHER),
    "a name for an address": (["localhost"], "127.0.0.1", ANOTHER),
    "an address for a name": (["127.0.0.1"], "localhost", ANOTHER),
}


@pytest.mark.parametrize(("names", "name", "outcome"), NAMES.values(), ids=NAMES.keys())
@ensure_deferred
async def test_the_certificate_must_name_the_host(
    tls_world: TLSWorld, names: list[str], name: str, outcome: str
) -> None:
    """The subject alternative names count (RFC 6125, 6.4); SNI carries names and no addresses (RFC 6066, 3)."""
    assert await asked(tls_world, tls_world.authority.issue_cert(*names), name) == outcome


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
@ensure_deferred
async def test_a_common_name_does_not_count(tls_world: TLSWorld, name: str) -> None:
    certificate = tls_world.authority.issue_cert("another@example.com", common_name=name)
    assert await asked(tls_world, certificate, name) == ANOTHER


def self_signed(authority: trustme.CA) -> trustme.LeafCert:
    return trustme.CA().issue_cert("localhost")


def expired(authority: trustme.CA) -> trustme.LeafCert:
    return authority.issue_cert("localhost", not_after=datetime.now(timezone.utc) - timedelta(days=1))


def not_yet_valid(authority: trustme.CA) -> trustme.LeafCert:
    return authority.issue_cert("localhost", not_before=datetime.now(timezone.utc) + timedelta(days=1))


def for_another_host_too(authority: trustme.CA) -> trustme.LeafCert:
    return trustme.CA().issue_cert("example.com")


@pytest.mark.parametrize("make", [self_signed, expired, not_yet_valid, for_another_host_too])
@ensure_deferred
async def test_the_certificate_must_be_trusted(
    tls_world: TLSWorld, make: Callable[[trustme.CA], trustme.LeafCert]
) -> None:
    assert await asked(tls_world, make(tls_world.authority), "localhost") == UNTRUSTED


@ensure_deferred
async def test_a_certificate_from_an_authority_between_is_trusted(tls_world: TLSWorld) -> None:
    between = tls_world.authority.create_child_ca()
    assert await asked(tls_world, between.issue_cert("localhost"), "localhost") == "asked for localhost"


@ensure_deferred
async def test_the_server_learns_that_it_is_not_trusted(tls_world: TLSWorld) -> None:
    server = tls_world.serve(self_signed(tls_world.authority))
    with pytest.raises(HandshakeFailed):
        await tls_world.connecting(server, tls_host("localhost"))
    theirs = await server.accepted.get()
    await theirs.closed()
    assert "unknown ca" in theirs.alert


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
@ensure_deferred
async def test_tls_1_1_is_refused(tls_world: TLSWorld) -> None:
    server = tls_world.serve(minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
    server.context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(HandshakeFailed, match=FAILED):
        await tls_world.connecting(server, tls_host("localhost"))
    theirs = await server.accepted.get()
    await theirs.closed()
    assert "unsupported protocol" in theirs.alert.lower().replace("_", " ")


@ensure_deferred
async def test_http_1_1_is_offered_and_nothing_else(tls_world: TLSWorld) -> None:
    server = tls_world.serve()
    server.context.set_alpn_protocols(["h2", "http/1.1"])
    _, theirs = await tls_world.pair(server, tls_host("localhost"))
    assert theirs.tls.selected_alpn_protocol() == "http/1.1"


# Where the certificates are


def test_a_systems_certificates_are_read_once(trusted: Path) -> None:
    one, other = tls_host("one.example"), tls_host("other.example")
    assert one.context is other.context
    trusted.write_bytes(trusted.read_bytes() + trustme.CA().cert_pem.bytes())
    assert len(tls_host("one.example").context.get_ca_certs()) == 2


@ensure_deferred
async def test_certificates_may_be_in_a_directory(
    tls_world: TLSWorld, trusted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = trusted.parent / "certificates"
    directory.mkdir()
    authority = X509.from_cryptography(load_pem_x509_certificate(trusted.read_bytes()))
    trusted.rename(directory / f"{authority.subject_name_hash():08x}.0")
    monkeypatch.setenv("SSL_CERT_DIR", str(directory))
    assert await asked(tls_world, tls_world.authority.issue_cert("localhost"), "localhost") == "asked for localhost"


def test_without_system_certificates_certifis_are_trusted(trusted: Path) -> None:
    trusted.unlink()
    assert len(tls_host("one.example").context.get_ca_certs()) > 50
