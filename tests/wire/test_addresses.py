"""A socket of both families shows IPv4 as `::ffff:192.0.2.1`: it is the IPv4 address to every rule."""

from __future__ import annotations

import socket

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress

from clipal.config.model import BaseURL
from clipal.config.self_reference import is_self
from clipal.config.settings import Settings
from clipal.config.values import check_listen_address
from clipal.downstream.addresses import unmapped
from tests.proxy import provider
from tests.wirekit.client import request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import answer
from tests.world import World

pytestmark = pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no socket of both families here")


def own_address() -> str:
    """An IPv4 address of this machine that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            pytest.skip("this machine has no address but loopback")
        address: str = asking.getsockname()[0]
        return address


@pytest.mark.parametrize("host", ["{}:3333", "[::ffff:{}]", "[::FFFF:{}]:3333"])
@ensure_deferred
async def test_a_host_that_is_the_address_of_the_connection_is_ours_on_a_socket_of_both_families(
    world: World, host: str
) -> None:
    address = own_address()
    upstream = world.upstream(answer(200, b"ok"))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]}, listen_addr="::", protected_mode=False)
    client = await world.connect(proxy.port, address)
    field = (b"Host", host.format(address).encode())
    client.send(request(b"POST", b"/claudecode/v1/messages", (field,), b"{}"))
    assert (await client.read_response()).body == b"ok"
    client.send(request(b"POST", b"/claudecode/v1/messages", ((b"Host", b"192.0.2.77"),), b"{}"))
    assert (await client.read_response()).status == 403


@pytest.mark.parametrize("host", [b"127.0.0.1", b"[::ffff:127.0.0.1]", b"[::ffff:7f00:1]", b"[0:0:0:0:0:0:0:1]"])
@pytest.mark.parametrize("listen_addr", ["::", "127.0.0.1", "::ffff:127.0.0.1"])
@ensure_deferred
async def test_every_spelling_of_loopback_is_ours(world: World, host: bytes, listen_addr: str) -> None:
    upstream = world.upstream(answer(200, b"ok"))
    address = check_listen_address(listen_addr)
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]}, listen_addr=address)
    client = await world.connect(proxy.port)
    client.send(request(b"POST", b"/claudecode/v1/messages", ((b"Host", host),), b"{}"))
    assert (await client.read_response()).body == b"ok"


@pytest.mark.parametrize("allowed", ["10.0.0.1", "::ffff:10.0.0.1"])
@pytest.mark.parametrize("host", [b"10.0.0.1", b"[::ffff:10.0.0.1]"])
@ensure_deferred
async def test_an_allowed_host_that_is_an_address_is_allowed_in_every_spelling(
    world: World, allowed: str, host: bytes
) -> None:
    upstream = world.upstream(answer(200, b"ok"))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]}, allowed_hosts=(allowed,))
    client = await world.connect(proxy.port)
    client.send(request(b"POST", b"/claudecode/v1/messages", ((b"Host", host),), b"{}"))
    assert (await client.read_response()).body == b"ok"


@pytest.mark.parametrize("host", ["127.0.0.1", "::ffff:127.0.0.1", "::1", "localhost", "0.0.0.0"])
@pytest.mark.parametrize("listen_addr", ["::", "0.0.0.0", "::ffff:0.0.0.0"])
def test_a_provider_on_loopback_is_clipal_itself_however_it_is_spelt(
    tmp_path: object, listen_addr: str, host: str
) -> None:
    settings = Settings(log_dir=tmp_path, listen_addr=check_listen_address(listen_addr))  # type: ignore[arg-type]
    assert is_self(BaseURL("http", host, settings.port), settings)


def test_peers_are_known_by_their_ipv4_address() -> None:
    mapped = IPv6Address("TCP", "::ffff:192.0.2.7", 5000)
    assert unmapped(mapped) == IPv4Address("TCP", "192.0.2.7", 5000)
    for other in (IPv6Address("TCP", "2001:db8::1", 5000), IPv4Address("TCP", "192.0.2.7", 1), UNIXAddress(b"/s")):
        assert unmapped(other) is other
