"""Two providers on this machine, which fail when the scene wants them to."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Final

from attrs import frozen

_EVENTS: Final = 20
_USAGE: Final = {"input_tokens": 400, "cache_read_input_tokens": 11_000, "output_tokens": 1}


@frozen
class Phase:
    """What a provider does from some second on.

    Attributes:
        status: of its answers.
        fields: further ones.
        delay: seconds until its answers begin.
    """

    begins: float
    status: int = 200
    fields: tuple[tuple[str, str], ...] = ()
    delay: float = 0.15


class Provider:
    """One provider, served by threads.

    Parameters:
        phases: in the order of their times.
        clock: seconds since the scene began.
    """

    def __init__(self, phases: tuple[Phase, ...], clock: Callable[[], float]) -> None:
        self._phases = phases
        self._clock = clock
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                provider.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """As the phase of this moment has it."""
        now = self._clock()
        phase = [each for each in self._phases if each.begins <= now][-1]
        time.sleep(phase.delay * random.uniform(0.5, 1.5))
        if phase.status == 200:
            self._stream(request)
            return
        body = json.dumps({"type": "error", "error": {"type": "api_error", "message": "as the scene wants it"}})
        request.send_response(phase.status)
        for name, value in (*phase.fields, ("Content-Type", "application/json"), ("Content-Length", str(len(body)))):
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body.encode())

    def _stream(self, request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "text/event-stream")
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        _send(request, "message_start", {"message": {"role": "assistant", "content": [], "usage": _USAGE}})
        for _ in range(_EVENTS):
            _send(request, "content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": "word " * 4}})
            time.sleep(random.uniform(0.01, 0.06))
        _send(request, "message_delta", {"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 90}})
        _send(request, "message_stop", {})
        request.wfile.write(b"0\r\n\r\n")

    def close(self) -> None:
        """Ends its threads."""
        self._server.shutdown()
        self._server.server_close()


def _send(request: BaseHTTPRequestHandler, name: str, rest: dict[str, object]) -> None:
    event = f"event: {name}\ndata: {json.dumps({'type': name, **rest})}\n\n".encode()
    request.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))
