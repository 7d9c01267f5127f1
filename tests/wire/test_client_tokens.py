"""Clients' tokens on the wire: who is let in, who is not and how it is told so, and that no token goes up."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

import clipal.upkeep
from clipal.config.client_token import ClientToken
from clipal.config.model import Carrier
from tests.proxy import Proxy, provider
from tests.seen import get, metrics, status
from tests.wire.test_tunnel import ACCEPTED, OPENING
from tests.wirekit.client import RawClient, RawResponse, request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.message import Fields
from tests.wirekit.steps import Hang, Send, Wait, answer, chunked
from tests.wirekit.upstream import ScriptedUpstream
from tests.world import World

HOST = (b"Host", b"127.0.0.1")
GOOD, WRONG = b"clp_" + b"g" * 43, b"clp_" + b"w" * 43
PATHS = {"claudecode": b"/v1/messages", "codex": b"/v1/responses", "gemini": b"/v1beta/models/m:generateContent"}
CARRIERS: dict[str, Fields] = {
    "Authorization": ((b"Authorization", b"Bearer " + GOOD),),
    "authorization in small letters": ((b"authorization", b"bearer  " + GOOD),),
    "x-api-key": ((b"X-Api-Key", GOOD),),
    "api-key": ((b"api-key", GOOD),),
    "x-goog-api-key": ((b"x-goog-api-key", GOOD),),
    "a good one beside a wrong one": ((b"Authorization", b"Bearer " + WRONG), (b"x-api-key", GOOD)),
    "a good one behind a wrong one of the same name": ((b"x-api-key", WRONG), (b"x-api-key", GOOD)),
    "a wrong one behind a good one of the same name": ((b"x-api-key", GOOD), (b"x-api-key", WRONG)),
}


def token(text: bytes = GOOD, name: str = "anna", **options: object) -> ClientToken:
    return ClientToken(name, sha256(text).digest(), **options)  # type: ignore[arg-type]


def serving(world: World, upstream: ScriptedUpstream, *tokens: ClientToken, **settings: object) -> Proxy:
    auth = settings.pop("auth", Carrier.AUTO)
    providers = [provider("one", upstream.base_url, auth=auth, websocket=True)]
    return world.proxy(dict.fromkeys(PATHS, providers), client_tokens=tokens or (token(),), **settings)


def asking(prefix: str, fields: Fields, query: bytes = b"") -> bytes:
    return request(b"POST", b"/" + prefix.encode() + PATHS[prefix] + query, (HOST, *fields), b"{}")


async def asked(
    world: World, proxy: Proxy, prefix: str = "claudecode", fields: Fields = (), query: bytes = b""
) -> RawResponse:
    client = await world.connect(proxy.port)
    client.send(asking(prefix, fields, query))
    return await client.read_response()


def shown(text: bytes) -> Fields:
    return ((b"Authorization", b"Bearer " + text),)


@pytest.mark.parametrize("auth", [Carrier.AUTO, Carrier.NONE], ids=["a key", "no key"])
@pytest.mark.parametrize("fields", CARRIERS.values(), ids=CARRIERS.keys())
@pytest.mark.parametrize("prefix", PATHS)
@ensure_deferred
async def test_one_good_token_is_enough_and_never_goes_up(
    world: World, prefix: str, fields: Fields, auth: Carrier
) -> None:
    upstream = world.upstream(answer(200, b"ok"))
    proxy = serving(world, upstream, auth=auth)
    assert (await asked(world, proxy, prefix, fields)).body == b"ok"
    (received,) = upstream.requests
    assert GOOD not in received.raw_head
    assert WRONG not in received.raw_head
    assert (b"key-of-one" in received.raw_head) == (auth is Carrier.AUTO)


@pytest.mark.parametrize("auth", [Carrier.AUTO, Carrier.NONE], ids=["a key", "no key"])
@pytest.mark.parametrize(
    ("query", "rest"),
    [
        (b"?key=" + GOOD, b""),
        (b"?alt=sse&key=" + GOOD, b"alt=sse"),
        (b"?%6Bey=" + GOOD + b"&alt=sse", b"alt=sse"),
        (b"?key=" + GOOD.replace(b"_", b"%5F") + b"&alt=sse", b"alt=sse"),
    ],
)
@pytest.mark.parametrize("prefix", PATHS)
@ensure_deferred
async def test_nor_does_one_in_the_query(world: World, prefix: str, query: bytes, rest: bytes, auth: Carrier) -> None:
    upstream = world.upstream(answer(200, b"ok"))
    proxy = serving(world, upstream, auth=auth)
    assert (await asked(world, proxy, prefix, (), query)).body == b"ok"
    (received,) = upstream.requests
    assert GOOD not in received.raw_head
    assert b"%5Fggg" not in received.raw_head
    assert rest in received.raw_head
    assert not [line for line in proxy.lines if "ggg" in line]


@ensure_deferred
async def test_a_query_without_a_token_is_as_it_came(world: World) -> None:
    upstream = world.upstream(answer(200, b"ok"))
    proxy = serving(world, upstream)
    assert (await asked(world, proxy, "codex", shown(GOOD), b"?key=own&&x=%20")).body == b"ok"
    assert b"/v1/responses?key=own&&x=%20 " in upstream.requests[0].raw_head


@pytest.mark.parametrize(
    ("prefix", "word"),
    [("claudecode", "authentication_error"), ("codex", "invalid_api_key"), ("gemini", "UNAUTHENTICATED")],
)
@pytest.mark.parametrize("fields", [(), shown(WRONG), shown(b""), ((b"x-api-key", GOOD + b"x"),)])
@ensure_deferred
async def test_without_a_good_one_the_answer_is_a_401_in_the_clients_shape(
    world: World, prefix: str, word: str, fields: Fields
) -> None:
    upstream = world.upstream(answer(200, b"ok"))
    proxy = serving(world, upstream)
    answered = await asked(world, proxy, prefix, fields)
    assert answered.status == 401
    assert answered.values(b"www-authenticate") == [b'Bearer realm="clipal"']
    assert word in answered.body.decode()
    assert upstream.requests == []
    (line,) = proxy.requests
    assert "from 127.0.0.1 → 401" in line
    assert not any("www" in line or "ggg" in line for line in proxy.lines)


@ensure_deferred
async def test_it_is_told_before_the_body_is_sent(world: World) -> None:
    proxy = serving(world, world.upstream(answer(200, b"ok")))
    client = await world.connect(proxy.port)
    fields = (HOST, (b"Content-Length", b"1000000"), (b"Expect", b"100-continue"))
    client.send(request(b"POST", b"/codex/v1/responses", fields))
    assert (await client.read_response()).status == 401


@pytest.mark.parametrize("target", [b"/", b"/nothing", b"/healthy", b"/Codex/v1/responses"])
@ensure_deferred
async def test_a_page_that_is_not_there_needs_a_token_too(world: World, target: bytes) -> None:
    proxy = serving(world, world.upstream(answer(200, b"ok")))
    assert (await get(proxy.port, target)).status == 401
    assert (await get(proxy.port, target, (HOST, *shown(GOOD)))).status == 404


@ensure_deferred
async def test_health_needs_none_and_on_this_machine_status_neither(world: World) -> None:
    proxy = serving(world, world.upstream(answer(200, b"ok")))
    for path in (b"/health", b"/status", b"/metrics"):
        assert (await get(proxy.port, path)).status == 200


@ensure_deferred
async def test_a_token_of_another_client_is_a_403(world: World) -> None:
    upstream = world.upstream(answer(200, b"ok"))
    proxy = serving(world, upstream, token(clients=frozenset(["codex"])), token(WRONG, "status", clients=frozenset()))
    answered = await asked(world, proxy, "claudecode", shown(GOOD))
    assert answered.status == 403
    assert json.loads(answered.body)["error"]["type"] == "permission_error"
    assert (await asked(world, proxy, "codex", shown(WRONG))).status == 403
    assert upstream.requests == []
    assert (await asked(world, proxy, "codex", shown(GOOD))).body == b"ok"
    both: Fields = ((b"x-api-key", WRONG), *shown(GOOD))
    assert (await asked(world, proxy, "codex", both)).body == b"ok"


@ensure_deferred
async def test_twenty_wrong_ones_make_their_address_wait_unless_it_has_a_good_one(world: World) -> None:
    proxy = serving(world, world.upstream(answer(200, b"ok")))
    for _ in range(20):
        assert (await asked(world, proxy, fields=shown(WRONG))).status == 401
    for fields in (shown(WRONG), ()):
        answered = await asked(world, proxy, "gemini", fields)
        assert answered.status == 429
        assert json.loads(answered.body)["error"]["status"] == "RESOURCE_EXHAUSTED"
        assert 55 <= int(answered.values(b"retry-after")[0]) <= 60
    assert (await asked(world, proxy, fields=shown(GOOD))).body == b"ok"


@ensure_deferred
async def test_requests_without_a_token_lead_to_no_429(world: World) -> None:
    proxy = serving(world, world.upstream(answer(200, b"ok")))
    for _ in range(25):
        assert (await asked(world, proxy)).status == 401


# /status


@pytest.mark.parametrize("path", [b"/status", b"/metrics"])
@ensure_deferred
async def test_a_token_with_status_sees_it_from_anywhere_and_no_other(world: World, path: bytes) -> None:
    proxy = serving(world, world.upstream(answer(200, b"ok")), token(status=True), token(WRONG, "other"))
    forwarded = (HOST, (b"X-Forwarded-For", b"192.0.2.1"))
    assert (await get(proxy.port, path, (*forwarded, *shown(GOOD)))).status == 200
    assert (await get(proxy.port, path + b"?key=" + GOOD, forwarded)).status == 200
    for fields in ((), shown(WRONG), shown(b"nobody")):
        assert (await get(proxy.port, path, (*forwarded, *fields))).status == 403


@ensure_deferred
async def test_its_name_is_in_log_status_and_metrics(world: World) -> None:
    proxy = serving(world, world.upstream(answer(200, b"ok")), token(clients=frozenset(["codex"]), max_streams=3))
    await asked(world, proxy, "codex", shown(GOOD))
    await asked(world, proxy, "gemini", shown(GOOD))
    await proxy.logged("token: anna")
    counted = await metrics(proxy)
    assert counted("clipal_token_requests_total", token="anna", status="200") == 1
    assert counted("clipal_token_requests_total", token="anna", status="403") == 1
    assert counted("clipal_refused_total", reason="token of another client") == 1
    (seen,) = (await status(proxy))["client_tokens"]
    assert seen == {
        "name": "anna",
        "clients": ["codex"],
        "status": False,
        "requests": 1,
        "refused": 1,
        "open_requests": 0,
    }
    text = json.dumps(await status(proxy)) + counted.text.decode() + "".join(proxy.lines)
    assert sha256(GOOD).hexdigest() not in text
    assert "ggg" not in text


@ensure_deferred
async def test_a_refusal_of_a_known_token_is_logged_with_its_name(world: World) -> None:
    limited = token(clients=frozenset(["codex"]), requests_per_minute=1)
    proxy = serving(world, world.upstream(answer(200, b"ok")), limited)
    assert (await asked(world, proxy, "gemini", shown(GOOD))).status == 403
    assert (await asked(world, proxy, "codex", shown(GOOD))).status == 200
    answered = await asked(world, proxy, "codex", shown(GOOD))
    assert answered.status == 429
    assert b"anna" not in answered.body
    refused = [line for line in proxy.lines if "refused" in line]
    assert ["(token: anna)" in line for line in refused] == [True, True]


# A token's own limits


@ensure_deferred
async def test_more_requests_than_a_token_has_in_a_minute_are_a_429(world: World) -> None:
    upstream = world.upstream(answer(200, b"ok"))
    proxy = serving(world, upstream, token(requests_per_minute=2), token(WRONG, "other"))
    client = await world.connect(proxy.port)
    for _ in range(2):
        client.send(asking("codex", shown(GOOD)))
        assert (await client.read_response()).body == b"ok"
    client.send(asking("codex", shown(GOOD)))
    answered = await client.read_response()
    assert answered.status == 429
    assert json.loads(answered.body)["error"]["code"] == "rate_limit_exceeded"
    seconds = int(answered.values(b"retry-after")[0])
    assert 55 <= seconds <= 60
    assert json.loads(answered.body)["error"]["message"].endswith(f" Please retry in {seconds}s.")
    client.send(asking("codex", shown(WRONG)))
    assert (await client.read_response()).body == b"ok"
    assert len(upstream.requests) == 3


async def streaming(world: World, proxy: Proxy, fields: Fields = ()) -> RawClient:
    """A client in the middle of an answer."""
    client = await world.connect(proxy.port)
    client.send(asking("codex", fields))
    await client.wait_for(b"beginning")
    return client


@ensure_deferred
async def test_more_streams_than_a_token_has_are_a_429_until_one_has_ended(world: World) -> None:
    go_on: Deferred[None] = Deferred()
    upstream = world.upstream((*chunked(b"beginning", last=False), Wait(go_on), Send(b"0\r\n\r\n")))
    proxy = serving(world, upstream, token(max_streams=1), token(WRONG, "other"))
    first = await streaming(world, proxy, shown(GOOD))
    answered = await asked(world, proxy, "codex", shown(GOOD))
    assert (answered.status, answered.values(b"retry-after")) == (429, [b"1"])
    await streaming(world, proxy, shown(WRONG))
    go_on.callback(None)
    assert (await first.read_response()).complete
    await streaming(world, proxy, shown(GOOD))


@ensure_deferred
async def test_more_streams_than_there_may_be_are_a_503_until_one_is_aborted(world: World) -> None:
    upstream = world.upstream((*chunked(b"beginning", last=False), Hang()))
    proxy = world.proxy({"codex": [provider("one", upstream.base_url)]}, max_streams=1)
    first = await streaming(world, proxy)
    answered = await asked(world, proxy, "codex")
    assert (answered.status, answered.values(b"retry-after")) == (503, [b"1"])
    assert (await get(proxy.port, b"/health")).status == 200
    first.abort()
    await proxy.logged("client left")
    await streaming(world, proxy)


# WebSocket


@ensure_deferred
async def test_a_handshake_needs_one_and_it_does_not_go_up(world: World) -> None:
    upstream = world.upstream((Send(ACCEPTED), Hang()))
    proxy = serving(world, upstream)
    plain = OPENING[:-1]
    protocol = b"realtime, openai-insecure-api-key." + GOOD
    for fields, status_ in (
        ((), 401),
        (shown(WRONG), 401),
        (shown(GOOD), 101),
        (((b"Sec-WebSocket-Protocol", protocol),), 101),
    ):
        client = await world.connect(proxy.port)
        client.send(request(b"GET", b"/codex/v1/responses", (*plain, *fields)))
        assert (await client.read_response(bodyless=status_ == 101)).status == status_
        client.abort()
    assert len(upstream.requests) == 2
    assert not any(GOOD in each.raw_head for each in upstream.requests)


@ensure_deferred
async def test_an_open_websocket_is_one_of_its_streams(world: World) -> None:
    upstream = world.upstream((Send(ACCEPTED), Hang()))
    proxy = serving(world, upstream, token(max_streams=1))
    first, second = [await world.connect(proxy.port) for _ in range(2)]
    handshake = request(b"GET", b"/codex/v1/responses", (*OPENING[:-1], *shown(GOOD)))
    first.send(handshake)
    assert (await first.read_response(bodyless=True)).status == 101
    second.send(handshake)
    assert (await second.read_response()).status == 429
    first.abort()
    await proxy.logged("101 via one")
    third = await world.connect(proxy.port)
    third.send(handshake)
    assert (await third.read_response(bodyless=True)).status == 101


# A saved config.yaml


@ensure_deferred
async def test_a_token_that_is_taken_out_of_the_file_is_good_until_the_file_is_read(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clipal.upkeep, "UPKEEP", 0.01)
    go_on: Deferred[None] = Deferred()
    upstream = world.upstream((*chunked(b"beginning", last=False), Wait(go_on), Send(b"0\r\n\r\n")))
    entries = {name: f'  - {{name: {name}, token: "{text.decode()}"}}\n' for name, text in (("a", GOOD), ("b", WRONG))}
    for name, text in (
        ("config.yaml", f"log_stdout: false\nclient_tokens:\n{''.join(entries.values())}"),
        ("codex.yaml", f"providers: [{{name: one, base_url: '{upstream.base_url}', api_key: key-of-one}}]\n"),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    proxy = Proxy.load(tmp_path)
    try:
        first = await streaming(world, proxy, shown(GOOD))
        (tmp_path / "config.yaml").write_text(f"log_stdout: false\nclient_tokens:\n{entries['b']}")
        await proxy.logged("Loaded the configuration")
        assert (await asked(world, proxy, "codex", shown(GOOD))).status == 401
        go_on.callback(None)
        assert (await first.read_response()).complete
        assert (await asked(world, proxy, "codex", shown(WRONG))).body == b"beginning"
    finally:
        await proxy.stop()
