"""A provider that speaks the Responses API over WebSocket, as Codex wants it (measured with 0.169.0).

The client's first message warms the connection up (`generate: false`), and the next ones are turns. The answer consists
of the events of a stream, each in a text frame. The server is that of the `websockets` package, in threads of its own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from threading import Thread
from typing import Any

from twisted.internet.threads import deferToThread
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from acceptance.answers import pieces_of
from clipal.demo.answers import Api, Said
from tests.wirekit.upstream import RecordedRequest


class WebSocketUpstream:
    """Answers every turn with the text of `provider`.

    Attributes:
        requests: the handshakes; the body of each is all messages that followed it.
    """

    def __init__(self, api: Api, provider: str) -> None:
        self.requests: list[RecordedRequest] = []
        self._api = api
        self._provider = provider
        self._server = serve(self._talk, "127.0.0.1", 0, max_size=None)
        self._thread = Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def base_url(self) -> str:
        """Its URL without a path."""
        return f"http://127.0.0.1:{self._server.socket.getsockname()[1]}"

    async def close(self) -> None:
        """Ends the server."""
        await deferToThread(self._server.shutdown)
        await deferToThread(self._thread.join)

    def _talk(self, connection: ServerConnection) -> None:
        number = len(self.requests)
        self.requests.append(_recorded(connection, b""))
        messages = b""
        with suppress(ConnectionClosed):  # Codex ends without a close frame
            for message in connection:
                messages += message.encode() if isinstance(message, str) else message
                self.requests[number] = _recorded(connection, messages)
                for document in self._answers(json.loads(message)):
                    connection.send(json.dumps(document))

    def _answers(self, message: dict[str, Any]) -> Iterator[dict[str, Any]]:
        said = Said(message.get("model", ""), int(time.time()), pieces_of(self._provider))
        if message.get("generate") is not False:
            for event in self._api.events(said):
                yield json.loads(event.partition(b"data: ")[2])
            return
        whole = {**self._api.whole(said), "output": []}
        yield {"type": "response.created", "response": {**whole, "status": "in_progress"}}
        yield {"type": "response.completed", "response": whole}


def _recorded(connection: ServerConnection, messages: bytes) -> RecordedRequest:
    request = connection.request
    assert request is not None
    fields = tuple((name.encode(), value.encode()) for name, value in request.headers.raw_items())
    head = b"".join(b"%b: %b\r\n" % field for field in fields)
    return RecordedRequest(head, b"GET", request.path.encode(), fields, messages, 0)
