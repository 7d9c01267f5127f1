"""What the tests of selection and of rests ask, and whom: upstreams whose bodies say who they are."""

from __future__ import annotations

from tests.proxy import Proxy, StartProxy, provider
from tests.wirekit.client import RawClient, request
from tests.wirekit.message import Fields
from tests.wirekit.steps import answer
from tests.wirekit.upstream import ScriptedUpstream

FAILED = answer(500, b"")
BY_PREFIX = {"claudecode": b"/v1/messages", "codex": b"/v1/responses", "gemini": b"/v1beta/models/m:generateContent"}


def named(name: bytes) -> Fields:
    """The field with which Claude Code names its session."""
    return ((b"X-Claude-Code-Session-Id", name),)


async def ask(client: RawClient, prefix: str = "claudecode", fields: Fields = (), body: bytes = b"{}") -> bytes:
    """Who answered, as the upstreams of these tests say in their bodies."""
    every = ((b"Host", b"127.0.0.1"), *fields)
    client.send(request(b"POST", b"/" + prefix.encode() + BY_PREFIX[prefix], every, body))
    return (await client.read_response()).body


def ranked(proxies: StartProxy, *upstreams: ScriptedUpstream, prefix: str = "claudecode", **settings: object) -> Proxy:
    """A proxy whose providers `one`, `two`, … are each better than the next."""
    names = ("one", "two", "three")
    providers = [
        provider(name, up.base_url, priority=at) for at, (name, up) in enumerate(zip(names, upstreams, strict=False))
    ]
    return proxies({prefix: providers}, **settings)
