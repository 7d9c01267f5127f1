"""A real WebSocket client and server, of the `websockets` package, with clipal's tunnel between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Thread
from typing import TypeAlias, TypeVar

import pytest
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import Server, ServerConnection, serve

from tests.proxy import provider
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import answer
from tests.wirekit.waiting import reactor
from tests.world import World

T = TypeVar("T")
Talk: TypeAlias = Callable[[ClientConnection], T]

MIB = 1024 * 1024


@pytest.fixture
def threads(nothing_left: None) -> Iterator[ThreadPool]:
    """For the package's blocking client."""
    pool = ThreadPool(0, 2)
    pool.start()
    yield pool
    pool.stop()


@pytest.fixture
def seen() -> list[str | None]:
    """The credentials that the server saw."""
    return []


@pytest.fixture
def server(seen: list[str | None]) -> Iterator[Server]:
    """Sends back what it gets; closes with 4001 when it is told to."""

    def echo(connection: ServerConnection) -> None:
        assert connection.request is not None
        seen.append(connection.request.headers.get("Authorization"))
        for message in connection:
            if message == "close":
                connection.close(4001, "as you wish")
            connection.send(message)

    with serve(echo, "127.0.0.1", 0, max_size=None) as running:
        thread = Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def base_url(server: Server) -> str:
    return f"http://127.0.0.1:{server.socket.getsockname()[1]}"


async def talk(threads: ThreadPool, port: int, what: Talk[T]) -> T:
    """What comes of a conversation through clipal."""

    def run() -> T:
        url = f"ws://127.0.0.1:{port}/codex/v1/responses"
        fields = {"Authorization": "Bearer dummy"}
        with connect(url, additional_headers=fields, max_size=None, proxy=None) as client:
            return what(client)

    return await deferToThreadPool(reactor, threads, run)  # type: ignore[arg-type]


@ensure_deferred
async def test_messages_pings_and_compression_pass(
    world: World, threads: ThreadPool, server: Server, seen: list[str | None]
) -> None:
    def what(client: ClientConnection) -> tuple[object, ...]:
        client.send("text")
        text = client.recv()
        client.send(b"\0binary")
        binary = client.recv()
        assert client.ping().wait(10)
        assert client.response is not None
        return text, binary, client.response.headers["Sec-WebSocket-Extensions"].partition(";")[0]

    proxy = world.proxy({"codex": [provider("one", base_url(server), websocket=True)]})
    assert await talk(threads, proxy.port, what) == ("text", b"\0binary", "permessage-deflate")
    assert seen == ["Bearer key-of-one"]
    await proxy.logged("→ 101 via one in")


@ensure_deferred
async def test_a_closes_code_and_reason_pass(world: World, threads: ThreadPool, server: Server) -> None:
    def what(client: ClientConnection) -> tuple[int, str]:
        client.send("close")
        with pytest.raises(ConnectionClosed) as closed:
            client.recv()
        assert closed.value.rcvd is not None
        return closed.value.rcvd.code, closed.value.rcvd.reason

    proxy = world.proxy({"codex": [provider("one", base_url(server), websocket=True)]})
    assert await talk(threads, proxy.port, what) == (4001, "as you wish")


@ensure_deferred
async def test_large_messages_pass_whole(world: World, threads: ThreadPool, server: Server) -> None:
    message = bytes(range(256)) * (8 * MIB // 256)

    def what(client: ClientConnection) -> bool:
        client.send(message)
        return client.recv() == message

    proxy = world.proxy({"codex": [provider("one", base_url(server), websocket=True)]})
    assert await talk(threads, proxy.port, what)


@ensure_deferred
async def test_a_cut_is_an_abnormal_closure(world: World, threads: ThreadPool, server: Server) -> None:
    def what(client: ClientConnection) -> int:
        client.send("hello")
        assert client.recv() == "hello"
        reactor.callFromThread(cut)  # type: ignore[attr-defined]
        with pytest.raises(ConnectionClosed) as closed:
            client.recv()
        assert closed.value.rcvd is None
        return client.protocol.close_code or 0

    def cut() -> None:
        for channel in proxy.service.site.channels:
            channel.transport.abortConnection()

    proxy = world.proxy({"codex": [provider("one", base_url(server), websocket=True)]})
    assert await talk(threads, proxy.port, what) == 1006


@ensure_deferred
async def test_the_next_provider_takes_the_handshake(world: World, threads: ThreadPool, server: Server) -> None:
    def what(client: ClientConnection) -> object:
        client.send("hello")
        return client.recv()

    limited = world.upstream(answer(429, b"{}"))
    providers = [
        provider("limited", limited.base_url, websocket=True),
        provider("plain", limited.base_url),
        provider("good", base_url(server), websocket=True),
    ]
    proxy = world.proxy({"codex": providers})
    assert await talk(threads, proxy.port, what) == "hello"
    await proxy.logged("→ 101 via good")
    assert len(limited.requests) == 1
