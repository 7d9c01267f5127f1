"""TLS on `listen_addr`: its versions, clients' certificates, and certificates that are renewed."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme
from twisted.internet.threads import deferToThread

from clipal.config.endpoint import TLSFiles
from tests.proxy import Proxy
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.tls import Authority
from tests.world import World


def shown(proxy: Proxy, authority: Authority, context: ssl.SSLContext | None = None) -> bytes:
    """The certificate that a new connection is shown."""
    import socket

    context = context or ssl.create_default_context(cafile=authority.certificates)
    with (
        socket.create_connection(("127.0.0.1", proxy.port), 10) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as connection,
    ):
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1")
        found = connection.getpeercert(binary_form=True)
        assert found is not None
        return found


@ensure_deferred
async def test_a_renewed_certificate_is_shown_after_a_reload(
    world: World, tmp_path: Path, authority: Authority
) -> None:
    proxy = world.proxy({}, tls=TLSFiles(*authority.issue(tmp_path)))
    before = await deferToThread(shown, proxy, authority)
    authority.issue(tmp_path)
    assert await deferToThread(shown, proxy, authority) == before
    proxy.service._listening.read_certificates_again()
    renewed = await deferToThread(shown, proxy, authority)
    assert renewed != before
    (tmp_path / "certificate.pem").write_text("no certificate")
    proxy.service._listening.read_certificates_again()
    assert await deferToThread(shown, proxy, authority) == renewed
    (error,) = [line for line in proxy.lines if "The certificate in force stays" in line]
    assert "certificate.pem" in error


@ensure_deferred
async def test_a_client_without_a_certificate_is_not_let_in(world: World, tmp_path: Path, authority: Authority) -> None:
    certificate, key = authority.issue(tmp_path)
    proxy = world.proxy({}, tls=TLSFiles(certificate, key, client_ca=authority.certificates))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await deferToThread(shown, proxy, authority)
    context = ssl.create_default_context(cafile=authority.certificates)
    context.load_cert_chain(certificate, key)
    assert await deferToThread(shown, proxy, authority, context)
    stranger = trustme.CA().issue_cert("stranger.invalid")
    context = ssl.create_default_context(cafile=authority.certificates)
    stranger.configure_cert(context)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await deferToThread(shown, proxy, authority, context)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@ensure_deferred
async def test_an_old_version_of_tls_is_refused(world: World, tmp_path: Path, authority: Authority) -> None:
    proxy = world.proxy({}, tls=TLSFiles(*authority.issue(tmp_path)))
    context = ssl.create_default_context(cafile=authority.certificates)
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await deferToThread(shown, proxy, authority, context)
