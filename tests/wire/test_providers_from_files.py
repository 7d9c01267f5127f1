"""What the files say of one provider's key, trust and forward proxy, as it is seen on the wire."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import trustme
from OpenSSL import SSL
from twisted.internet.ssl import ContextFactory

import clipal.upkeep
from tests.proxy import Proxy
from tests.wirekit.client import request
from tests.wirekit.marks import async_fixture, ensure_deferred
from tests.wirekit.steps import Hang, Send, answer, head
from tests.wirekit.tls import Authority
from tests.world import World

ASK = request(b"POST", b"/claudecode/v1/messages", ((b"Host", b"127.0.0.1"),), b"{}")
Serve = Callable[[str, str], Proxy]


@async_fixture
async def serve(nothing_left: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Serve]:
    """A clipal of `config.yaml` and the providers of Claude Code; it looks at its files all the time."""
    monkeypatch.setattr(clipal.upkeep, "UPKEEP", 0.01)
    started: list[Proxy] = []

    def start(config: str, providers: str) -> Proxy:
        write(tmp_path / "config.yaml", f"log_stdout: false\n{config}")
        write(tmp_path / "claude-code.yaml", f"providers:\n{providers}")
        started.append(Proxy.load(tmp_path))
        return started[-1]

    yield start
    for proxy in started:
        await proxy.stop()


def write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)


def entry(name: str, url: str, *more: str) -> str:
    """A provider of the file."""
    return "".join(
        [f"  - name: {name}\n    base_url: {url}\n    api_key: key-of-{name}\n", *(f"    {line}\n" for line in more)]
    )


async def ask(world: World, proxy: Proxy) -> tuple[int, bytes]:
    client = await world.connect(proxy.port)
    client.send(ASK)
    got = await client.read_response()
    return got.status, got.body


# Trust


@ensure_deferred
async def test_a_ca_file_is_for_its_provider_only(
    serve: Serve, world: World, authority: Authority, tmp_path: Path
) -> None:
    """Both providers are the same server; the one that is asked first does not trust it, before and after the other."""
    upstream = world.upstream(answer(200, b"hello"), tls=authority.server)
    (tmp_path / "authority.pem").write_bytes(authority.certificates.read_bytes())
    providers = entry("strict", upstream.base_url) + entry(
        "own", upstream.base_url, "ca_file: authority.pem", "priority: 2"
    )
    proxy = serve("failback: always\nfailback_after: 0\n", providers)
    for number in range(3):
        assert await ask(world, proxy) == (200, b"hello")
        assert "strict: the certificate is not trusted" in proxy.requests[number]
    assert {each.values(b"x-api-key")[0] for each in upstream.requests} == {b"key-of-own"}


@ensure_deferred
async def test_a_ca_file_counts_in_place_of_the_systems(
    serve: Serve, world: World, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in authority.environment.items():
        monkeypatch.setenv(name, value)
    upstream = world.upstream(answer(200, b"hello"), tls=authority.server)
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    proxy = serve("", entry("one", upstream.base_url, "ca_file: other.pem"))
    assert (await ask(world, proxy))[0] == 503
    assert "the certificate is not trusted" in proxy.requests[0]


class _Demanding(ContextFactory):
    """The server's side, which wants a client's certificate of its own authority."""

    def __init__(self, authority: trustme.CA) -> None:
        self.shown: list[bytes] = []
        self._context = SSL.Context(SSL.TLS_SERVER_METHOD)
        authority.issue_cert("127.0.0.1").configure_cert(self._context)
        authority.configure_trust(self._context)
        self._context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *found: bool(found[-1]))

    def getContext(self) -> SSL.Context:
        return self._context


@pytest.mark.parametrize("apart", [True, False], ids=["two files", "one file"])
@ensure_deferred
async def test_a_client_certificate_is_shown_to_its_provider_only(
    serve: Serve, world: World, tmp_path: Path, apart: bool
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    ours = authority.issue_cert("clipal.example")
    if apart:
        ours.cert_chain_pems[0].write_to_path(str(tmp_path / "ours.pem"))
        ours.private_key_pem.write_to_path(str(tmp_path / "ours.key"))
    else:
        ours.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "ours.pem"))
    shown = ["client_certificate: ours.pem", *(["client_key: ours.key"] if apart else [])]
    upstream = world.upstream(answer(200, b"hello"), tls=_Demanding(authority))
    providers = entry("bare", upstream.base_url, "ca_file: authority.pem")
    providers += entry("shown", upstream.base_url, "ca_file: authority.pem", *shown)
    proxy = serve("", providers)
    assert await ask(world, proxy) == (200, b"hello")
    assert [each.values(b"x-api-key") for each in upstream.requests] == [[b"key-of-shown"]]


# Forward proxies


@pytest.mark.parametrize("setting", ["upstream_proxy: socks5h://127.0.0.1:{port}", "", "upstream_proxy: direct"])
@ensure_deferred
async def test_the_proxy_of_the_files_or_of_the_environment_is_used_for_a_name_that_only_it_knows(
    serve: Serve, world: World, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    upstream = world.upstream(answer(200, b"hello"))
    through = world.forward_proxy("socks5")
    if not setting:
        monkeypatch.setenv("http_proxy", f"socks5h://127.0.0.1:{through.port}")
    url, own = f"http://api.invalid:{upstream.port}", "proxy: socks5h://127.0.0.1:{port}"
    more = [own.format(port=through.port)] if "direct" in setting else []
    proxy = serve(setting.format(port=through.port), entry("one", url, *more))
    assert await ask(world, proxy) == (200, b"hello")
    assert through.hosts == [(b"api.invalid", upstream.port)]
    assert upstream.requests[0].values(b"Host") == [b"api.invalid:%d" % upstream.port]


@ensure_deferred
async def test_a_change_of_upstream_proxy_counts_for_every_client(serve: Serve, world: World, tmp_path: Path) -> None:
    upstream = world.upstream(answer(200, b"hello"))
    first, second = world.forward_proxy("http"), world.forward_proxy("http")
    proxy = serve(
        f"upstream_proxy: http://127.0.0.1:{first.port}\n", entry("one", f"http://api.invalid:{upstream.port}")
    )
    assert await ask(world, proxy) == (200, b"hello")
    write(tmp_path / "config.yaml", f"log_stdout: false\nupstream_proxy: http://127.0.0.1:{second.port}\n# changed\n")
    await proxy.logged("Loaded the configuration")
    assert await ask(world, proxy) == (200, b"hello")
    assert (len(first.hosts), len(second.hosts)) == (1, 1)


@ensure_deferred
async def test_a_websocket_goes_through_the_proxy_too(serve: Serve, world: World, tmp_path: Path) -> None:
    accept = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    fields = ((b"Upgrade", b"websocket"), (b"Connection", b"Upgrade"), (b"Sec-WebSocket-Accept", accept))
    upstream = world.upstream((Send(head(101, fields, b"Switching Protocols") + b"frames"), Hang()))
    through = world.forward_proxy("http")
    entries = entry(
        "one", f"http://api.invalid:{upstream.port}", "websocket: true", f"proxy: http://127.0.0.1:{through.port}"
    )
    write(tmp_path / "codex.yaml", f"providers:\n{entries}")
    proxy = serve("", entry("unused", upstream.base_url))
    client = await world.connect(proxy.port)
    opening = (
        (b"Host", b"127.0.0.1"),
        (b"Connection", b"Upgrade"),
        (b"Upgrade", b"websocket"),
        (b"Sec-WebSocket-Version", b"13"),
        (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    )
    client.send(request(b"GET", b"/codex/v1/responses", opening))
    assert (await client.read_response(bodyless=True)).status == 101
    assert await client.up_to(6) == b"frames"
    assert through.hosts == [(b"api.invalid", upstream.port)]


# Keys


@ensure_deferred
async def test_a_changed_key_file_is_noticed_when_any_file_is_saved_and_at_a_reload(
    serve: Serve, world: World, tmp_path: Path
) -> None:
    upstream = world.upstream(answer(200, b"hello"))
    (tmp_path / "key").write_text("first\n")
    proxy = serve("", f"  - name: one\n    base_url: {upstream.base_url}\n    api_key: file:key\n")
    await ask(world, proxy)
    (tmp_path / "key").write_text("second\n")
    write(tmp_path / "config.yaml", "log_stdout: false\n# saved\n")
    await proxy.logged("clients that begin afresh: /claudecode")
    await ask(world, proxy)
    (tmp_path / "key").write_text("third\n")
    os.kill(os.getpid(), 1)
    await proxy.logged("clients that begin afresh: /claudecode, /codex")
    await ask(world, proxy)
    (tmp_path / "key").unlink()
    os.kill(os.getpid(), 1)
    await proxy.logged("The configuration stays as it was")
    await ask(world, proxy)
    assert [each.values(b"x-api-key") for each in upstream.requests] == [
        [b"first"],
        [b"second"],
        [b"third"],
        [b"third"],
    ]
