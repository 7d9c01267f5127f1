"""Providers behind a forward proxy, through the whole of clipal: what it is told, and whose fault a failure is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from clipal.config.reach import ForwardProxy
from clipal.config.secret import Secret
from clipal.config.settings import FailBack
from tests.proxy import Proxy, provider
from tests.wirekit.client import RawClient, request
from tests.wirekit.forward_proxy import ForwardProxyServer
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import Hang, Send, answer
from tests.wirekit.tls import Authority
from tests.world import World

MESSAGE = request(b"POST", b"/claudecode/v1/messages", ((b"Host", b"127.0.0.1"),), b"{}")
SCHEMES = ("http", "socks5", "socks5h", "https")
UNUSED_PORT = 1

Start = Callable[..., Proxy]


@pytest.fixture
def start(world: World, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Start:
    """A proxy that trusts the tests' authority, with a provider `p0` behind `through`, and others without."""
    for name, value in authority.environment.items():
        monkeypatch.setenv(name, value)

    def started(through: ForwardProxy | None, *urls: str, **settings: object) -> Proxy:
        providers = [
            provider(f"p{at}", url, proxy=None if at else through, priority=at + 1) for at, url in enumerate(urls)
        ]
        always = {"failback": FailBack.ALWAYS, "failback_after": 0.0}  # else the one that answers is asked first
        return world.proxy({"claudecode": providers}, **always, **settings)

    return started


def serve(world: World, scheme: str, authority: Authority, **options: object) -> ForwardProxyServer:
    """A forward proxy that is spoken to by `scheme`."""
    tls = authority.server if scheme == "https" else None
    return world.forward_proxy("socks5" if scheme.startswith("socks") else "http", tls=tls, **options)


async def ask(client: RawClient) -> tuple[int, bytes]:
    """What clipal answers."""
    client.send(MESSAGE)
    got = await client.read_response()
    return got.status, got.body


def unharmed(proxy: Proxy, name: str = "p0") -> bool:
    """Whether nothing is held against a provider or its key."""
    (member,) = [each for each in proxy.service.failovers["claudecode"].route.providers if each.name == name]
    return member.unwell_at is None


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("credentials", [(b"", b""), (b"user", b"p%40ss:w")], ids=["open", "password"])
@ensure_deferred
async def test_a_provider_is_reached_and_its_certificate_checked(
    start: Start, world: World, authority: Authority, scheme: str, credentials: tuple[bytes, bytes]
) -> None:
    upstream = world.upstream(answer(200, b"hello"), tls=authority.server)
    user, password = credentials
    server = serve(world, scheme, authority, user=user, password=password)
    proxy = start(server.reached_by(scheme, user, password), f"https://localhost:{upstream.port}")
    client = await world.connect(proxy.port)
    assert [await ask(client) for _ in range(2)] == [(200, b"hello")] * 2
    told = b"127.0.0.1" if scheme == "socks5" else b"localhost"
    assert server.hosts == [(told, upstream.port)]  # one tunnel for both requests
    assert not any(b"User-Agent" in head for head in server.heads)
    assert upstream.requests[0].values(b"Host") == [b"localhost:%d" % upstream.port]
    assert not upstream.requests[0].values(b"Proxy-Authorization")


@pytest.mark.parametrize("scheme", SCHEMES)
@ensure_deferred
async def test_a_provider_without_tls_goes_through_a_tunnel_too(
    start: Start, world: World, authority: Authority, scheme: str
) -> None:
    body = bytes(range(256)) * 4096
    upstream = world.upstream(answer(200, body))
    server = serve(world, scheme, authority)
    proxy = start(server.reached_by(scheme), f"http://localhost:{upstream.port}")
    client = await world.connect(proxy.port)
    client.send(request(b"POST", b"/claudecode/v1/messages", ((b"Host", b"127.0.0.1"),), body))
    assert (await client.read_response()).body == body
    assert upstream.requests[0].body == body
    assert len(server.hosts) == 1


@ensure_deferred
async def test_large_bodies_pass_through_tls_in_tls(start: Start, world: World, authority: Authority) -> None:
    body = bytes(range(256)) * 16384
    upstream = world.upstream(answer(200, body), tls=authority.server)
    server = serve(world, "https", authority)
    proxy = start(server.reached_by("https"), f"https://localhost:{upstream.port}")
    client = await world.connect(proxy.port)
    client.send(request(b"POST", b"/claudecode/v1/messages", ((b"Host", b"127.0.0.1"),), body))
    assert (await client.read_response()).body == body
    assert upstream.requests[0].body == body


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
@ensure_deferred
async def test_a_certificate_for_another_host_is_refused_behind_a_proxy(
    start: Start, world: World, authority: Authority, scheme: str
) -> None:
    upstream = world.upstream(answer(200, b"hello"), tls=authority.stranger)
    server = serve(world, scheme, authority)
    proxy = start(server.reached_by(scheme), f"https://localhost:{upstream.port}")
    status, body = await ask(await world.connect(proxy.port))
    assert status == 503
    assert b"the certificate is for another host" in body
    assert upstream.requests == []


SAYS = [
    ("http", b"HTTP/1.1 200 OK\r\n\r\ngarbage", "sent what nobody asked for"),
    ("http", b"garbage", "speaks no HTTP"),
    ("http", b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 4000, "answer does not end"),
    ("http", b"HTTP/1.1 403 Filtered\r\n\r\n", "refused the connection (403)"),
    ("http", b"HTTP/1.0 401 Unauthorized\r\n\r\n", "another user or password (401)"),
    ("http", b"HTTP/1.0 500 Unable to connect\r\n\r\n", "refused the connection (500)"),
    ("socks5h", b"\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00", "does not allow this connection"),
    ("socks5h", b"\x05\x00\x00\x07", "speaks no SOCKS5"),
    ("socks5h", b"HTTP/1.1 400 Bad Request\r\n\r\n", "speaks no SOCKS5"),
    ("socks5h", b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00garbage", "sent what nobody asked for"),
]


@pytest.mark.parametrize(("scheme", "says", "problem"), SAYS)
@ensure_deferred
async def test_a_proxys_own_fault_is_named_and_charges_no_provider(
    start: Start, world: World, authority: Authority, scheme: str, says: bytes, problem: str
) -> None:
    """Although the second provider can be reached, so that the network is not down."""
    other = world.upstream(answer(200, b"other"))
    server = serve(world, scheme, authority, says=says)
    proxy = start(server.reached_by(scheme), "https://api.example.com", other.base_url)
    client = await world.connect(proxy.port)
    for number in range(1, 6):
        assert await ask(client) == (200, b"other")
        await proxy.logged("forward proxy: ", number)
        assert len(server.hosts) == number  # it is asked each time: nothing rests
    assert problem in proxy.requests[0]
    assert unharmed(proxy)


@pytest.mark.parametrize("scheme", SCHEMES)
@ensure_deferred
async def test_a_wrong_password_is_the_proxys_matter_and_is_not_logged(
    start: Start, world: World, authority: Authority, scheme: str
) -> None:
    other = world.upstream(answer(200, b"other"))
    server = serve(world, scheme, authority, user=b"user", password=b"right")
    proxy = start(server.reached_by(scheme, b"user", b"mistaken"), "https://127.0.0.2", other.base_url)
    assert await ask(await world.connect(proxy.port)) == (200, b"other")
    assert "forward proxy: it wants another user or password" in proxy.requests[0]
    assert "mistaken" not in "\n".join(proxy.lines)
    assert unharmed(proxy)


@pytest.mark.parametrize("scheme", SCHEMES)
@ensure_deferred
async def test_a_proxy_that_is_down_is_named_and_its_failure_is_the_networks(
    start: Start, authority: Authority, world: World, scheme: str
) -> None:
    through = ForwardProxy(scheme, "127.0.0.1", UNUSED_PORT, Secret(b""), Secret(b""))
    proxy = start(through, "https://127.0.0.2")
    client = await world.connect(proxy.port)
    for _ in range(5):
        status, body = await ask(client)
        assert status == 503
        assert b"forward proxy: connection refused" in body
    assert unharmed(proxy)


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
@ensure_deferred
async def test_a_host_that_the_proxy_cannot_reach_is_the_providers_failure(
    start: Start, world: World, authority: Authority, scheme: str
) -> None:
    other = world.upstream(answer(200, b"other"))
    server = serve(world, scheme, authority)
    proxy = start(server.reached_by(scheme), f"https://localhost:{UNUSED_PORT}", other.base_url)
    client = await world.connect(proxy.port)
    for _ in range(5):
        assert await ask(client) == (200, b"other")
    assert not unharmed(proxy)
    assert len(server.hosts) == 4  # then its circuit breaker has opened


@ensure_deferred
async def test_a_proxy_that_says_nothing_is_given_up_after_the_connect_timeout(
    start: Start, world: World, authority: Authority
) -> None:
    silent, other = world.upstream(on_connect=(Hang(),)), world.upstream(answer(200, b"other"))
    through = ForwardProxy("socks5h", "127.0.0.1", silent.port)
    proxy = start(through, "https://api.example.com", other.base_url, connect_timeout=0.2)
    assert await ask(await world.connect(proxy.port)) == (200, b"other")
    assert "forward proxy: no answer in time" in proxy.requests[0]
    assert unharmed(proxy)


@ensure_deferred
async def test_a_tunnel_whose_host_is_silent_counts_towards_the_connect_timeout(
    start: Start, world: World, authority: Authority
) -> None:
    silent, other = world.upstream(on_connect=(Hang(),)), world.upstream(answer(200, b"other"))
    server = serve(world, "http", authority)
    proxy = start(server.reached_by("http"), f"https://localhost:{silent.port}", other.base_url, connect_timeout=0.2)
    assert await ask(await world.connect(proxy.port)) == (200, b"other")
    assert "p0: connection timed out" in proxy.requests[0]
    assert not unharmed(proxy)


@ensure_deferred
async def test_garbage_in_place_of_tls_is_the_proxys_fault(start: Start, world: World, authority: Authority) -> None:
    """Whether it comes with the proxy's answer or when TLS has begun."""
    garbage, other = world.upstream(on_connect=(Send(b"SSH-2.0-x" * 9), Hang())), world.upstream(answer(200, b"other"))
    server = serve(world, "http", authority)
    proxy = start(server.reached_by("http"), f"https://localhost:{garbage.port}", other.base_url)
    assert await ask(await world.connect(proxy.port)) == (200, b"other")
    assert "p0: forward proxy: " in proxy.requests[0]
    assert unharmed(proxy)
