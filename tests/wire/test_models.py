"""A provider's own names for models, and providers that have only some models, over sockets."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

import pytest
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogPublisher
from zope.interface import provider as provider_of

from tests.asking import FAILED
from tests.proxy import provider
from tests.wirekit.client import RawClient, request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.message import Fields
from tests.wirekit.steps import answer
from tests.world import World

HOST = (b"Host", b"127.0.0.1")
MESSAGES = b"/claudecode/v1/messages"
FABLES = {"claude-sonnet-5": "anthropic/claude-sonnet-5"}
SPACED = b'\xef\xbb\xbf{ "system" : "say \\"model\\": \\"claude-sonnet-5\\"" ,\n\t%b}\n'
OK = answer(200, b"{}")


async def post(client: RawClient, target: bytes, body: bytes, *fields: tuple[bytes, bytes]) -> tuple[int, bytes]:
    client.send(request(b"POST", target, (HOST, *fields), body))
    response = await client.read_response()
    return response.status, response.body


@pytest.fixture
def debug_lines() -> Iterator[list[str]]:
    """What is logged at debug during a test."""
    lines: list[str] = []

    @provider_of(ILogObserver)
    def observe(found: LogEvent) -> None:
        if found["log_level"] is LogLevel.debug:
            lines.append(formatEvent(found))

    globalLogPublisher.addObserver(observe)
    yield lines
    globalLogPublisher.removeObserver(observe)


# models


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"model":"claude-sonnet-5","x":1}', b'{"model":"anthropic/claude-sonnet-5","x":1}'),
        (
            SPACED % b'"\\u006dodel":"claude\\u002dsonnet-5"',
            SPACED % b'"\\u006dodel":"anthropic/claude-sonnet-5"',
        ),
        (
            b'{"tools":[{"model":"claude-sonnet-5"}],"model":"claude-sonnet-5"}',
            b'{"tools":[{"model":"claude-sonnet-5"}],"model":"anthropic/claude-sonnet-5"}',
        ),
        (b'{"model":"a","model":"claude-sonnet-5"}', b'{"model":"a","model":"anthropic/claude-sonnet-5"}'),
        (b'{"model":"claude-opus-5"}', b'{"model":"claude-opus-5"}'),
        (b'{"model":7}', b'{"model":7}'),
        (b'{"messages":[]}', b'{"messages":[]}'),
        (b'["model","claude-sonnet-5"]', b'["model","claude-sonnet-5"]'),
        (b'{"model":"claude-sonnet-5"', b'{"model":"claude-sonnet-5"'),
        (b"", b""),
    ],
)
@ensure_deferred
async def test_only_the_top_level_model_of_a_body_changes(world: World, body: bytes, expected: bytes) -> None:
    upstream = world.upstream(OK)
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url, models=FABLES)]})
    await post(await world.connect(proxy.port), MESSAGES, body)
    (asked,) = upstream.requests
    assert asked.body == expected
    assert [value for name, value in asked.fields if name.lower() == b"content-length"] == [b"%d" % len(expected)]


@ensure_deferred
async def test_a_star_stands_for_all_other_models(world: World) -> None:
    upstream = world.upstream(OK, OK)
    models = {"*": "glm-5", "claude-haiku-5": 'glm "air" \u00e9'}
    client = await world.connect(world.proxy({"claudecode": [provider("one", upstream.base_url, models=models)]}).port)
    for name in ("claude-opus-5", "claude-haiku-5"):
        await post(client, MESSAGES, json.dumps({"model": name}).encode())
    assert [json.loads(asked.body)["model"] for asked in upstream.requests] == ["glm-5", 'glm "air" \u00e9']


@ensure_deferred
async def test_each_provider_gets_its_own_name(world: World) -> None:
    ups = [world.upstream(FAILED), world.upstream(FAILED), world.upstream(OK)]
    providers = [
        provider("one", ups[0].base_url, models={"m": "first/m"}),
        provider("two", ups[1].base_url),
        provider("three", ups[2].base_url, models={"*": "third"}),
    ]
    proxy = world.proxy({"codex": providers})
    await post(await world.connect(proxy.port), b"/codex/v1/responses", b'{"model":"m"}')
    assert [up.requests[0].body for up in ups] == [b'{"model":"first/m"}', b'{"model":"m"}', b'{"model":"third"}']


@ensure_deferred
async def test_a_model_behind_a_large_prompt_in_many_pieces(world: World) -> None:
    upstream = world.upstream(OK)
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url, models=FABLES)]})
    client = await world.connect(proxy.port)
    prompt = b'{"prompt":"' + b'a prompt with \\"model\\" in it, ' * 500_000 + b'",'
    body = prompt + b'"model":"claude-sonnet-5"}'
    client.send(b"POST %b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" % MESSAGES)
    for begin in range(0, len(body), 1_000_000):
        piece = body[begin : begin + 1_000_000]
        client.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        await client.drained()
    client.send(b"0\r\n\r\n")
    assert (await client.read_response()).status == 200
    assert upstream.requests[0].body == prompt + b'"model":"anthropic/claude-sonnet-5"}'


@pytest.mark.parametrize("coding", [b"gzip", b"ZSTD"])
@ensure_deferred
async def test_a_compressed_body_goes_up_as_it_is(
    world: World,
    debug_lines: list[str],
    coding: bytes,
) -> None:
    """It is said once, however many providers are asked."""
    first, second = world.upstream(FAILED), world.upstream(OK)
    providers = [
        provider("one", first.base_url, models={"*": "x"}),
        provider("two", second.base_url, models={"*": "y"}, serves=("nothing",)),
    ]
    body = gzip.compress(b'{"model":"claude-sonnet-5"}')
    client = await world.connect(world.proxy({"claudecode": providers}).port)
    assert (await post(client, MESSAGES, body, (b"Content-Encoding", coding)))[0] == 200
    assert [first.requests[0].body, second.requests[0].body] == [body, body]
    assert [line for line in debug_lines if "is compressed" in line] == [
        "claudecode: the body of a request is compressed, so it goes up as it is, whatever model it names"
    ]


@ensure_deferred
async def test_a_body_that_is_no_json_object_goes_up_as_it_is(world: World, debug_lines: list[str]) -> None:
    upstream = world.upstream(OK)
    client = await world.connect(
        world.proxy({"claudecode": [provider("one", upstream.base_url, models={"*": "x"})]}).port
    )
    await post(client, MESSAGES, b"model=claude")
    assert upstream.requests[0].body == b"model=claude"
    assert sum("not a JSON object" in line for line in debug_lines) == 1
    assert not any("model=claude" in line for line in debug_lines)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/v1beta/models/gemini-3-pro:generateContent", b"/v1beta/models/google%2Fgemini-3:generateContent"),
        (
            b"/v1beta/models/gemini%2D3-pro:streamGenerateContent?alt=sse&key=x",
            b"/v1beta/models/google%2Fgemini-3:streamGenerateContent?alt=sse&key=key-of-one",
        ),
        (b"/v1beta//a%2Fb/models/other%20x:countTokens?", b"/v1beta//a%2Fb/models/other%20x:countTokens?"),
        (b"/v1beta/cachedContents", b"/v1beta/cachedContents"),
    ],
)
@ensure_deferred
async def test_gemini_names_the_model_in_the_path(world: World, target: bytes, expected: bytes) -> None:
    """Only that part of the path changes, and the body never does."""
    upstream = world.upstream(OK)
    one = provider("one", upstream.base_url, models={"gemini-3-pro": "google/gemini-3"})
    body = b'{"model":"gemini-3-pro"}'
    await post(await world.connect(world.proxy({"gemini": [one]}).port), b"/gemini" + target, body)
    (asked,) = upstream.requests
    assert (asked.target, asked.body) == (expected, body)


@ensure_deferred
async def test_googles_openai_endpoints_name_the_model_in_the_body(world: World) -> None:
    upstream = world.upstream(OK)
    client = await world.connect(world.proxy({"gemini": [provider("one", upstream.base_url, models={"*": "x"})]}).port)
    await post(client, b"/gemini/v1beta/openai/chat/completions", b'{"model":"gemini-3"}')
    assert upstream.requests[0].body == b'{"model":"x"}'


# serves


@ensure_deferred
async def test_a_provider_is_passed_over_for_a_model_that_it_does_not_serve(world: World) -> None:
    """Patterns are for the client's names. A request that names no model is everybody's."""
    first, second = world.upstream(OK, OK), world.upstream(OK, OK)
    providers = [
        provider("one", first.base_url, serves=("claude-*", "gpt-5"), models={"claude-x": "x"}),
        provider("two", second.base_url),
    ]
    client = await world.connect(world.proxy({"codex": providers}).port)
    for body in (b'{"model":"gpt-5.1"}', b'{"model":"claude-x"}', b'{"input":"m"}', b'{"model":"Claude-x"}'):
        await post(client, b"/codex/v1/responses", body)
    assert [asked.body for asked in first.requests] == [b'{"model":"x"}', b'{"input":"m"}']
    assert [asked.body for asked in second.requests] == [b'{"model":"gpt-5.1"}', b'{"model":"Claude-x"}']


@ensure_deferred
async def test_what_is_preferred_for_one_model_says_nothing_about_another(world: World) -> None:
    """The third provider must not become preferred for `a` because the second one answered `b`."""
    ups = [world.upstream(OK, OK, OK), world.upstream(OK, OK), world.upstream()]
    serving = (("a",), ("b",), ("a",))
    providers = [
        provider(name, up.base_url, serves=serves)
        for name, up, serves in zip(("one", "two", "three"), ups, serving, strict=True)
    ]
    proxy = world.proxy({"claudecode": providers})
    client = await world.connect(proxy.port)
    for name in (b"a", b"b", b"a", b"b", b"a"):
        await post(client, MESSAGES, b'{"model":"%b"}' % name, (b"X-Claude-Code-Session-Id", b"s"))
    assert [len(up.requests) for up in ups] == [3, 2, 0]
    assert not [line for line in proxy.lines if "in place of" in line]


@ensure_deferred
async def test_the_maker_of_an_answer_is_known_for_every_model(world: World) -> None:
    """The first provider has `b` too, but knows nothing of an answer that the second one made for `a`."""
    first = world.upstream()
    second = world.upstream(answer(200, b'{"id":"resp_1"}'), OK)
    providers = [
        provider("one", first.base_url, serves=("b",)),
        provider("two", second.base_url, serves=("a", "b")),
    ]
    client = await world.connect(world.proxy({"codex": providers}).port)
    await post(client, b"/codex/v1/responses", b'{"model":"a"}')
    await post(client, b"/codex/v1/responses", b'{"model":"b","previous_response_id":"resp_1"}')
    assert [len(first.requests), len(second.requests)] == [0, 2]


@pytest.mark.parametrize(
    ("prefix", "target"),
    [
        ("claudecode", b"/v1/messages"),
        ("codex", b"/v1/responses"),
        ("gemini", b"/v1beta/models/m-9:generateContent"),
    ],
)
@ensure_deferred
async def test_where_no_provider_serves_the_model_the_answer_names_it(world: World, prefix: str, target: bytes) -> None:
    first, second = world.upstream(), world.upstream()
    providers = [provider("one", first.base_url, serves=("a",)), provider("two", second.base_url, serves=("b*",))]
    proxy = world.proxy({prefix: providers})
    client = await world.connect(proxy.port)
    status, body = await post(client, b"/" + prefix.encode() + target, b'{"model":"m-9"}')
    message = json.loads(body)["error"]["message"]
    assert status == 503
    assert 'serves the model "m-9"' in message
    assert "one: does not serve the model; two: does not serve the model" in message
    assert not first.requests + second.requests
    assert "attempts: 0" in proxy.requests[0]


@ensure_deferred
async def test_a_provider_without_the_model_is_no_last_resort_and_is_not_waited_for(world: World) -> None:
    """Nobody waits for a provider that will not be asked either."""
    first, second = world.upstream(answer(429, b"{}", fields=((b"Retry-After", b"50"),))), world.upstream()
    providers = [provider("one", first.base_url, serves=("a",)), provider("two", second.base_url, serves=("b",))]
    client = await world.connect(world.proxy({"claudecode": providers}).port)
    fields: Fields = ()
    for expected in (429, 429):
        status, body = await post(client, MESSAGES, b'{"model":"a"}', *fields)
        assert status == expected
    assert b"two" not in body
    assert not second.requests


# WebSockets


@pytest.mark.parametrize("option", [{"models": {"*": "x"}}, {"serves": ("gpt-*",)}])
@ensure_deferred
async def test_a_websocket_does_not_reach_a_provider_whose_models_differ(
    world: World, option: dict[str, object]
) -> None:
    """Its frames name the model: the client is told to send a POST."""
    upstream = world.upstream()
    one = provider("one", upstream.base_url, websocket=True, **option)
    client = await world.connect(world.proxy({"codex": [one]}).port)
    upgrade = (
        (b"Connection", b"Upgrade"),
        (b"Upgrade", b"websocket"),
        (b"Sec-WebSocket-Version", b"13"),
        (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    )
    client.send(request(b"GET", b"/codex/v1/responses", (HOST, *upgrade)))
    assert (await client.read_response()).status == 426
    assert not upstream.requests
