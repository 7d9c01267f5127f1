"""Who may see `/status` and `/metrics`, on the port of the clients and where `status_listen` says."""

from __future__ import annotations

import json
import os
import socket
import stat
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXClientEndpoint, connectProtocol

from clipal.downstream.peer import Peer
from clipal.process.listening import socket_at
from tests.asking import ranked
from tests.proxy import Proxy
from tests.seen import get, metrics, status
from tests.wirekit.client import RawClient, RawResponse, request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.process import PYTHON
from tests.wirekit.steps import Send, Wait, chunked
from tests.wirekit.waiting import reactor
from tests.world import World

HOST = (b"Host", b"127.0.0.1")
PAGES = [b"/status", b"/metrics"]
FOREIGN = {
    "a foreign Host": ((b"Host", b"rebound.example"),),
    "a page's Origin": (HOST, (b"Origin", b"https://page.example")),
    "a page's image": (HOST, (b"Sec-Fetch-Site", b"cross-site")),
}


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("trace", [b"Forwarded", b"X-Forwarded-For", b"Via", b"x-real-ip"])
@ensure_deferred
async def test_what_came_through_a_proxy_may_not(world: World, path: bytes, trace: bytes) -> None:
    """The proxy is on this machine, and the one who asks may be anywhere."""
    proxy = world.proxy({})
    answer = await get(proxy.port, path, (HOST, (trace, b"127.0.0.1")))
    assert answer.status == 403
    assert "status: true" in json.loads(answer.body)["error"]["message"]
    assert (await metrics(proxy))("clipal_refused_total", reason="status") == 1


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("fields", FOREIGN.values(), ids=FOREIGN.keys())
@ensure_deferred
async def test_no_web_page_may(world: World, path: bytes, fields: tuple[tuple[bytes, bytes], ...]) -> None:
    proxy = world.proxy({}, status_listen=("127.0.0.1", 0))
    assert (await get(proxy.port, path, fields)).status == 403
    assert (await get(proxy.status_port, path, fields)).status == 403


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        (None, True),
        ("192.0.2.1", False),
        ("::ffff:192.0.2.1", False),
        ("2001:db8::1", False),
    ],
    ids=str,
)
def test_this_machine_is_here_and_no_other(host: str | None, here: bool) -> None:
    assert Peer.at(host).here is here
    assert not Peer.at(host, by_proxy=True).here


@pytest.mark.parametrize("path", [*PAGES, b"/health"])
@ensure_deferred
async def test_ordinary_pages(world: World, path: bytes) -> None:
    proxy = world.proxy({}, status_listen=("127.0.0.1", 0))
    for port in (proxy.port, proxy.status_port)[: 1 if path == b"/health" else 2]:
        asked, head = await get(port, path), await get(port, path, method=b"HEAD")
        assert (asked.status, head.status, head.body) == (200, 200, b"")
        assert (await get(port, path, method=b"POST")).status == 405
    if path != b"/health":
        assert asked.values(b"cache-control") == [b"no-store"]


@ensure_deferred
async def test_health_says_nothing_of_all_this(world: World) -> None:
    """It tells a supervisor whether to start clipal anew, which helps no provider."""
    proxy = world.proxy({})
    assert (await get(proxy.port, b"/health")).body == b'{"status":"healthy"}'


# status_listen


@ensure_deferred
async def test_a_port_of_its_own_serves_these_pages_to_whoever_asks_and_nothing_else(world: World) -> None:
    proxy = world.proxy({}, status_listen=("127.0.0.1", 0))
    fields = (HOST, (b"X-Forwarded-For", b"192.0.2.1"))
    assert json.loads((await get(proxy.status_port, b"/status", fields)).body)["state"] == "serving"
    assert (await get(proxy.status_port, b"/metrics", fields)).body.startswith(b"# HELP clipal_")
    for path in (b"/", b"/health", b"/claudecode/v1/messages", b"/status/more"):
        assert (await get(proxy.status_port, path)).status == 404


async def by_path(path: Path) -> RawResponse:
    client = await connectProtocol(UNIXClientEndpoint(reactor, str(path)), RawClient())
    client.send(request(b"GET", b"/status"))
    answer: RawResponse = await client.read_response()
    client.abort()
    await client.closed()
    return answer


@ensure_deferred
async def test_a_socket_of_its_own_is_for_its_owner_and_goes_with_clipal(world: World, tmp_path: Path) -> None:
    path = tmp_path / "status.sock"
    left_over = socket_at(path)
    left_over.close()
    proxy = world.proxy({}, status_listen=path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads((await by_path(path)).body)["state"] == "serving"
    await proxy.service.stopService()
    assert not path.exists()


@ensure_deferred
async def test_a_drain_can_be_watched(world: World) -> None:
    goes_on: Deferred[None] = Deferred()
    upstream = world.upstream((*chunked(b"begun", last=False), Wait(goes_on), Send(b"0\r\n\r\n")))
    proxy = ranked(world.proxy, upstream, status_listen=("127.0.0.1", 0))
    client = await world.connect(proxy.port)
    client.send(request(b"POST", b"/claudecode/v1/messages", body=b"{}"))
    await client.wait_for(b"begun")
    assert (await status(proxy))["state"] == "serving"
    stopped = proxy.service.stopService()
    draining = json.loads((await get(proxy.status_port, b"/status")).body)
    assert (draining["state"], draining["open_requests"]) == ("draining", 1)
    assert (await status(proxy))["state"] == "draining"
    goes_on.callback(None)
    await stopped


@pytest.mark.parametrize("scheme", ["unix", "tcp"])
@ensure_deferred
async def test_a_place_that_is_taken_is_an_error_at_the_start(world: World, tmp_path: Path, scheme: str) -> None:
    path = tmp_path / "taken.sock"
    with socket_at(path) if scheme == "unix" else socket.create_server(("127.0.0.1", 0)) as taken:
        taken.listen()
        where = f"unix:{path}" if scheme == "unix" else "{}:{}".format(*taken.getsockname())
        (tmp_path / "config.yaml").write_text(f'status_listen: "{where}"\n')
        os.chmod(tmp_path / "config.yaml", 0o600)
        program = world.program(PYTHON, "-m", "clipal", "--config-dir", tmp_path, "--port", "0")
        assert (await program.ended()).code == 1
    assert bytes(program.stderr).decode() == f"clipal: cannot listen on {where}: address already in use\n"


def test_what_is_no_socket_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("precious")
    with pytest.raises(OSError, match="in use"):
        socket_at(path)
    assert path.read_text() == "precious"


@ensure_deferred
async def test_where_it_listens_is_in_the_log(world: World) -> None:
    proxy: Proxy = world.proxy({}, status_listen=("127.0.0.1", 0))
    assert f"Status on 127.0.0.1:{proxy.status_port}" in proxy.lines
