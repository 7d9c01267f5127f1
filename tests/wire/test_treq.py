"""The client towards providers is treq's: its verbs, and its functions on what comes of them."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import treq
from twisted.web.client import FileBodyProducer
from twisted.web.http_headers import Headers

from clipal.config.model import BaseURL, ProviderConfig
from clipal.config.secret import Secret
from clipal.config.settings import Settings
from clipal.dialects.anthropic import ANTHROPIC
from clipal.upstream.agent import Agent
from clipal.upstream.provider_agent import ProviderAgent, TransparentClient
from clipal.upstream.target import Target
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import answer, chunked
from tests.wirekit.upstream import ScriptedUpstream
from tests.wirekit.waiting import reactor
from tests.world import World


def client_of(upstream: ScriptedUpstream) -> TransparentClient:
    target = Target.from_base_url(BaseURL("http", "127.0.0.1", upstream.port))
    return TransparentClient(Agent(reactor, target, connect_timeout=5))


@ensure_deferred
async def test_its_functions_take_the_answers(world: World) -> None:
    upstream = world.upstream(chunked(b'{"a": ', b"1}"))
    client, url = client_of(upstream), upstream.base_url
    assert await treq.content(await client.get(f"{url}/content")) == b'{"a": 1}'
    assert await treq.json_content(await client.get(f"{url}/json")) == {"a": 1}
    assert await treq.text_content(await client.get(f"{url}/text")) == '{"a": 1}'
    pieces: list[bytes] = []
    await treq.collect(await client.get(f"{url}/collect"), pieces.append)
    assert b"".join(pieces) == b'{"a": 1}'
    assert len(upstream.connections) == 1


@ensure_deferred
async def test_its_verbs_send_what_they_are_given(world: World) -> None:
    upstream = world.upstream(answer(200, b"hello"))
    client, url = client_of(upstream), upstream.base_url
    host = upstream.base_url.removeprefix("http://").encode()
    fields: Any = {"X-One": "1", "X-Two": ["2", "3"]}
    await treq.content(await client.post(f"{url}/x?a=%2F", data=b"body", headers=fields))
    sent = upstream.requests[-1]
    assert (sent.method, sent.target, sent.body) == (b"POST", b"/x?a=%2F", b"body")
    assert [sent.values(name) for name in (b"host", b"x-one", b"x-two")] == [[host], [b"1"], [b"2", b"3"]]
    await treq.content(await client.put(url, headers=Headers({"X-One": ["1"]})))
    await treq.content(await client.request("delete", f"{url}/x", headers=[(b"hOsT", b"me")]))
    put, deleted = upstream.requests[-2:]
    assert (put.method, put.target, put.values(b"x-one"), put.values(b"host")) == (b"PUT", b"/", [b"1"], [host])
    assert (deleted.method, deleted.fields) == (b"DELETE", ((b"hOsT", b"me"),))
    head = await client.head(url)
    assert (head.code, await treq.content(head)) == (200, b"")


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.get("http://h/", params={"a": "b"}),
        lambda client: client.get("http://h/", auth=("a", "b")),
        lambda client: client.get("http://h/", timeout=5),
        lambda client: client.get("http://h/", allow_redirects=True),
        lambda client: client.get("http://h/", unbuffered=False),
        lambda client: client.post("http://h/", json={}),
        lambda client: client.post("http://h/", data={"a": "b"}),
        lambda client: client.post("http://h/", files={}),
        lambda client: client.get("http://h/", cookies={"a": "b"}),
    ],
)
@ensure_deferred
async def test_what_it_cannot_do_is_an_error(world: World, ask: Callable[[Any], object]) -> None:
    upstream = world.upstream()
    with pytest.raises(TypeError):
        ask(client_of(upstream))
    assert not upstream.connections


def agent_of(upstream: ScriptedUpstream, **settings: Any) -> ProviderAgent:
    url = BaseURL("http", "127.0.0.1", upstream.port, b"/base")
    config = ProviderConfig("one", url, api_keys=(Secret(b"sk-provider"),), **settings)
    return ProviderAgent(reactor, config, ANTHROPIC, Settings(Path("logs")))


@ensure_deferred
async def test_a_provider_is_an_agent_that_adds_its_credentials_and_model_names(world: World) -> None:
    upstream = world.upstream(answer(200, b'{"a": 1}'))
    agent = agent_of(upstream, models={"sonnet": "theirs"})
    client = TransparentClient(agent)
    url = f"{upstream.base_url}/v1/messages?beta=true"
    answered = await client.post(url, data=b'{"model": "sonnet"}', headers=Headers({"x-api-key": ["mine"]}))
    assert await treq.json_content(answered) == {"a": 1}
    sent = upstream.requests[-1]
    assert (sent.target, sent.body) == (b"/base/v1/messages?beta=true", b'{"model": "theirs"}')
    assert [value for name, value in sent.fields if name.lower() == b"x-api-key"] == [b"sk-provider"]
    agent.close()


def test_a_provider_refuses_what_it_cannot_send(world: World) -> None:
    upstream = world.upstream(answer(200, b""))
    agent = agent_of(upstream)
    with pytest.raises(ValueError, match="origin"):
        agent.request(b"GET", b"http://elsewhere.example/")
    with pytest.raises(TypeError, match="no body"):
        agent.request(b"POST", f"{upstream.base_url}/".encode(), None, FileBodyProducer(BytesIO(b"x")))
