"""Nothing leaks: no key, token, query, prompt or answer in any log at debug, in our own errors or in a repr."""

from __future__ import annotations

import gc
import signal
from pathlib import Path

import pytest

from clipal.downstream.request import Request
from clipal.upstream.credentials import KeyCarriers
from clipal.wire.fields import Credential
from clipal.wire.message import Head
from tests.proxy import provider
from tests.wirekit.client import request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.process import PYTHON, free_port
from tests.wirekit.steps import Reset, Send, Steps, answer, chunked
from tests.world import World

KEY = "sk-secret-of-provider"
SECRETS = (KEY, "client-token", "secret-prompt", "secret-answer", "secret-query", "secret-cookie")
FIELDS = (
    (b"Host", b"127.0.0.1"),
    (b"Authorization", b"Bearer client-token"),
    (b"x-api-key", b"client-token"),
    (b"Cookie", b"secret-cookie"),
)

ANSWERS: dict[str, Steps] = {
    "an answer": answer(200, b"secret-answer"),
    "an echo of the key": answer(401, b'{"error":{"message":"bad key sk-secret-of-provider"}}'),
    "an echo in the reason": (Send(b"HTTP/1.1 500 sk-secret-of-provider\r\nContent-Length: 0\r\n\r\n"),),
    "an echo in a field": answer(429, b"{}", ((b"X-Key", KEY.encode()), (b"Retry-After", b"sk-secret-of-provider"))),
    "garbage with the key": (Send(b"sk-secret-of-provider\r\n\r\n"),),
    "a cut": (*chunked(b"secret-answer", last=False), Reset()),
    "a line break": (Send(b"HTTP/1.1 503 a\tb\r\nRetry-After: 1\r\nContent-Length: 1\r\n\r\nx"),),
}


@pytest.mark.parametrize("way", ["clipal", "malformed"])
@pytest.mark.parametrize("script", ANSWERS.values(), ids=ANSWERS.keys())
@ensure_deferred
async def test_no_secret_is_in_the_log_or_in_our_errors(
    script: Steps,
    way: str,
    world: World,
    tmp_path: Path,
) -> None:
    first, second = world.upstream(script), world.upstream(script)
    providers = "".join(
        f"  - {{name: p{number}, base_url: '{each.base_url}', api_key: {KEY}}}\n"
        for number, each in enumerate((first, second))
    )
    (tmp_path / "claude-code.yaml").write_text(f"providers:\n{providers}")
    port = free_port()
    program = world.program(
        PYTHON, "-m", "clipal", "--config-dir", str(tmp_path), "--port", str(port), "--log-level", "debug"
    )
    await program.wait_for_output("Listening on")
    client = await world.connect(port)
    target = b"/claudecode/v1/messages?key=secret-query&x=secret-query"
    data = request(b"POST", target, FIELDS, b"secret-prompt")
    client.send(data if way == "clipal" else data.replace(b"Content-Length", b"Content-Length: 1\r\nContent-Length"))
    response = await client.read_response()
    program.signal(signal.SIGTERM)
    await program.ended()
    (log,) = (tmp_path / "logs").iterdir()
    printed = log.read_text() + bytes(program.stdout).decode() + bytes(program.stderr).decode()
    assert not [secret for secret in SECRETS if secret in printed]
    if response.values(b"x-request-id"):
        assert not [secret for secret in SECRETS if secret.encode() in response.raw]
        assert response.values(b"x-request-id")[0].decode() in printed


@ensure_deferred
async def test_one_event_is_one_line_whatever_the_path(world: World, tmp_path: Path) -> None:
    port = free_port()
    program = world.program(PYTHON, "-m", "clipal", "--config-dir", str(tmp_path), "--port", str(port))
    await program.wait_for_output("Listening on")
    client = await world.connect(port)
    for path in (b"/claudecode/%0a%0dINFO", b"/claudecode/[{x}]", b"/claudecode/{path}{0}%s"):
        client.send(request(b"GET", path))
        assert (await client.read_response()).status == 503
    program.signal(signal.SIGTERM)
    await program.ended()
    (log,) = (tmp_path / "logs").iterdir()
    lines = log.read_text().splitlines()
    assert len([line for line in lines if " → 503 " in line]) == 3
    assert all(line.startswith("20") for line in lines)


@ensure_deferred
async def test_no_repr_shows_a_secret(world: World) -> None:
    upstream = world.upstream(chunked(b"begin", last=False))
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url, KEY)]})
    client = await world.connect(proxy.port)
    client.send(request(b"POST", b"/claudecode/x?key=secret-query", FIELDS, b"secret-prompt"))
    await client.wait_for(b"begin")
    kinds = (Request, Head, KeyCarriers, Credential)
    seen = [each for each in gc.get_objects() if isinstance(each, kinds)]
    assert {type(each).__name__ for each in seen} >= {"Request", "RequestHead", "ResponseHead", "KeyCarriers"}
    shown = " ".join(map(repr, seen)) + repr(proxy.service.failovers["claudecode"].route.config)
    assert not [secret for secret in SECRETS if secret in shown]
