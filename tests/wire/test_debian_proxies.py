"""Providers behind Debian's tinyproxy, squid and microsocks, where they are installed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import mkdtemp

import pytest
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Protocol
from twisted.internet.task import deferLater

from clipal.config.reach import ForwardProxy
from clipal.config.secret import Secret
from clipal.config.settings import FailBack
from tests.proxy import Proxy, provider
from tests.wirekit.client import request as client_request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.process import free_port
from tests.wirekit.steps import answer
from tests.wirekit.tls import Authority
from tests.wirekit.waiting import reactor
from tests.world import World

ASK = client_request(b"POST", b"/claudecode/v1/messages", ((b"Host", b"127.0.0.1"),), b"{}")
KINDS = ("tinyproxy", "squid", "microsocks")
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"
TINYPROXY = "Port {port}\nListen 127.0.0.1\nTimeout 10\nAllow 127.0.0.1\nConnectPort {allowed}\n"
SQUID = """http_port 127.0.0.1:{port}
pid_filename none
cache deny all
cache_log /dev/null
access_log none
logfile_rotate 0
shutdown_lifetime 0 seconds
acl allowed port {allowed}
http_access deny !allowed
{more}
"""
SQUID_BASIC = """auth_param basic program {helper} {directory}/users
auth_param basic credentialsttl 1 hour
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all"""
UNUSED_PORT = 1

Run = Callable[..., Awaitable[ForwardProxy]]


@pytest.fixture
def run(world: World, tmp_path: Path, request: pytest.FixtureRequest) -> Run:
    """Starts one of them, which may connect to the port `allowed`, and waits until it listens."""

    async def start(kind: str, allowed: int, user: str = "") -> ForwardProxy:
        program = shutil.which(kind, path=PATH)
        if program is None:
            pytest.skip(f"{kind} is not installed")
        port, file = free_port(), tmp_path / f"{kind}.conf"
        if kind == "tinyproxy":
            basic = f"BasicAuth {user} right\n" if user else ""
            file.write_text(TINYPROXY.format(port=port, allowed=allowed) + f"ConnectPort {UNUSED_PORT}\n" + basic)
            world.program(program, "-d", "-c", str(file))
        elif kind == "squid":
            helper = Path("/usr/lib/squid/basic_ncsa_auth")
            users = Path(mkdtemp(prefix="clipal-squid-"))  # squid gives up root
            request.addfinalizer(lambda: shutil.rmtree(users))
            users.chmod(0o755)
            (users / "users").write_text(f"{user}:$apr1$clipal00$a/zIb/WlwSkhuEQLuuVso.\n")
            more = SQUID_BASIC.format(helper=helper, directory=users) if user else "http_access allow all"
            file.write_text(SQUID.format(port=port, allowed=f"{allowed} {UNUSED_PORT}", more=more))
            world.program(program, "-N", "-f", str(file))
        else:
            world.program(program, "-i", "127.0.0.1", "-p", str(port), *(["-u", user, "-P", "right"] if user else []))
        for _ in range(100):
            try:
                listening = await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port), Protocol())
            except ConnectError:
                await deferLater(reactor, 0.1)
            else:
                listening.transport.abortConnection()
                break
        scheme = "socks5h" if kind == "microsocks" else "http"
        return ForwardProxy(scheme, "127.0.0.1", port, Secret(user), Secret("right" if user else ""))

    return start


@pytest.fixture
def trusting(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in authority.environment.items():
        monkeypatch.setenv(name, value)


def serve(world: World, through: ForwardProxy, *urls: str) -> Proxy:
    """The first provider is behind the proxy, and asked first whenever it may be."""
    providers = [provider(f"p{at}", url, proxy=None if at else through, priority=at + 1) for at, url in enumerate(urls)]
    return world.proxy({"claudecode": providers}, failback=FailBack.ALWAYS, failback_after=0.0)


async def ask(world: World, proxy: Proxy) -> bytes:
    client = await world.connect(proxy.port)
    client.send(ASK)
    return (await client.read_response()).body


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("user", ["", "user"], ids=["open", "password"])
@ensure_deferred
async def test_a_provider_is_reached_with_tls_checked_inside(
    world: World, authority: Authority, run: Run, kind: str, user: str
) -> None:
    upstream = world.upstream(answer(200, b"hello"), tls=authority.server)
    stranger = world.upstream(answer(200, b"stranger"), tls=authority.stranger)
    through = await run(kind, upstream.port, user)
    proxy = serve(world, through, f"https://localhost:{upstream.port}")
    assert [await ask(world, proxy) for _ in range(3)] == [b"hello"] * 3
    assert len(upstream.connections) == 1
    assert stranger.requests == []


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("kind", KINDS)
@ensure_deferred
async def test_a_wrong_password_charges_no_provider(world: World, authority: Authority, run: Run, kind: str) -> None:
    upstream, other = world.upstream(answer(200, b"hello"), tls=authority.server), world.upstream(answer(200, b"other"))
    right = await run(kind, upstream.port, "user")
    wrong = ForwardProxy(right.scheme, right.host, right.port, right.user, Secret("wrong"))
    proxy = serve(world, wrong, f"https://localhost:{upstream.port}", other.base_url)
    for number in range(5):
        assert await ask(world, proxy) == b"other"
        assert "p0: forward proxy: it wants another user or password" in proxy.requests[number]


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("kind", ["tinyproxy", "squid"])
@ensure_deferred
async def test_a_target_that_the_proxy_forbids_charges_no_provider(
    world: World, authority: Authority, run: Run, kind: str
) -> None:
    upstream, other = world.upstream(answer(200, b"hello"), tls=authority.server), world.upstream(answer(200, b"other"))
    through = await run(kind, 2)
    proxy = serve(world, through, f"https://localhost:{upstream.port}", other.base_url)
    for number in range(5):
        assert await ask(world, proxy) == b"other"
        assert "p0: forward proxy: it refused the connection (403)" in proxy.requests[number]


@pytest.mark.parametrize("kind", KINDS)
@ensure_deferred
async def test_a_target_that_refuses_connections_puts_no_key_aside(world: World, run: Run, kind: str) -> None:
    """tinyproxy answers 500 as for all it cannot do, squid 503; microsocks says that it was refused."""
    other = world.upstream(answer(200, b"other"))
    through = await run(kind, UNUSED_PORT)
    proxy = serve(world, through, f"https://localhost:{UNUSED_PORT}", other.base_url)
    assert await ask(world, proxy) == b"other"
    assert "forward proxy" in proxy.requests[0]
    first = proxy.service.failovers["claudecode"].route.providers[0]
    assert first.keys[0].usable(reactor.seconds())
