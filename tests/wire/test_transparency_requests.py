"""Requests pass unchanged: what a provider gets is what the client sent, but for the differences in `PERMITTED`.

A few hundred generated requests go through the proxy to a raw upstream, and bytes are compared.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clipal.config.model import Carrier
from tests.proxy import provider
from tests.wirekit.client import RawClient, request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import answer
from tests.wirekit.upstream import ScriptedUpstream
from tests.world import World

Field = tuple[bytes, bytes]
KEY = b"key-of-one"

PERMITTED = {
    b"host": "the provider's",
    b"authorization": "a credential: the provider's key in its place, or nothing",
    b"x-api-key": "a credential: the provider's key in its place, or nothing",
    b"api-key": "a credential: the provider's key in its place, or nothing",
    b"x-goog-api-key": "a credential: the provider's key in its place, or nothing",
    b"cookie": "a credential: dropped",
    b"chatgpt-account-id": "a credential: dropped",
    b"proxy-authorization": "a credential, and hop-by-hop: dropped",
    b"connection": "hop-by-hop: dropped, with every field that it names",
    b"keep-alive": "hop-by-hop: dropped",
    b"te": "hop-by-hop: dropped",
    b"trailer": "hop-by-hop: dropped",
    b"upgrade": "hop-by-hop: dropped",
    b"expect": "hop-by-hop: dropped",
    b"http2-settings": "hop-by-hop: dropped",
    b"proxy-connection": "hop-by-hop: dropped",
    b"transfer-encoding": "hop-by-hop: the body goes up with its length",
    b"content-length": "of the same body",
    b"sec-websocket-protocol": "as it came, but for an item that is a key",
}
"""Every field that may differ between the client's side and the provider's, and how; with underscores too."""


def permitted(name: bytes) -> bool:
    """Whether a field of this name may differ."""
    name = name.lower().replace(b"_", b"-")
    return name in PERMITTED or name.startswith(b"proxy-")


TOKEN = st.text(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~", min_size=1, max_size=20
)
NAMES = (
    TOKEN.map(str.encode)
    .filter(lambda name: name.lower() not in {b"origin", b"sec-fetch-site"})
    .filter(lambda name: not permitted(name))
)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=40).map(
    lambda value: value.encode("latin-1").strip(b" \t")
)
ORDINARY = st.tuples(NAMES, VALUES)
DROPPED = st.sampled_from(
    [
        (b"Cookie", b"a=b"),
        (b"chatgpt-account-id", b"mine"),
        (b"Proxy-Authorization", b"Basic mine"),
        (b"Proxy-Whatever", b"mine"),
        (b"Keep-Alive", b"timeout=5"),
        (b"TE", b"trailers"),
        (b"Trailer", b"X-Sum"),
        (b"Proxy-Connection", b"keep-alive"),
        (b"HTTP2-Settings", b"AAMAAABkAAQ"),
        (b"x_api_key", b"mine"),
        (b"Content_Length", b"7"),
        (b"Sec-WebSocket-Protocol", b"openai-insecure-api-key.mine"),
    ]
)
CREDENTIALS = st.sampled_from(
    [(b"Authorization", b"Bearer mine"), (b"X-Api-Key", b"mine"), (b"API-Key", b"mine"), (b"x-goog-api-key", b"mine")]
)
PATHS = st.text("abcXYZ019-._~!$&'()*+,;=:@%/?[]|{}<>^`\\\"", max_size=60).map(str.encode)
METHODS = st.sampled_from([b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"QUERY", b"PROPFIND"])


async def through(
    upstream: ScriptedUpstream, client: RawClient, data: bytes
) -> tuple[list[Field], bytes, bytes, bytes]:
    """Sends `data` through the proxy; what the provider got: fields, method, target, body."""
    upstream.requests.clear()
    client.send(data)
    response = await client.read_response()
    assert response.status == 200
    (got,) = upstream.requests
    return list(got.fields), got.method, got.target, got.body


@given(
    st.lists(st.one_of(ORDINARY, ORDINARY, ORDINARY, DROPPED, CREDENTIALS), max_size=12),
    PATHS,
    METHODS,
    st.none() | st.binary(max_size=200),
)
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@ensure_deferred
async def test_requests_go_up_as_they_came(
    world: World,
    sent: list[Field],
    path: bytes,
    method: bytes,
    body: bytes | None,
) -> None:
    upstream = world.upstream(answer())
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    raw = request(method, b"/claudecode/" + path, ((b"Host", b"localhost:1"), *sent), body)
    fields, got_method, target, got_body = await through(upstream, client, raw)
    assert (got_method, target, got_body) == (method, b"/" + path, body or b"")
    theirs = lambda field: not permitted(field[0])  # noqa: E731
    assert list(filter(theirs, fields)) == list(filter(theirs, sent)), "order, case, duplicates and values"
    values = b"\n".join(value for _, value in fields)
    assert b"mine" not in [value.removeprefix(b"Bearer ") for name, value in fields if not theirs((name, value))]
    assert values.count(KEY) == 1, "exactly one carrier"
    assert fields[0] == (b"Host", upstream.base_url.removeprefix("http://").encode())


FIELDS = ((b"Host", b"127.0.0.1"),)


@pytest.mark.parametrize(
    "target",
    [
        b"/v1/messages",
        b"",
        b"/",
        b"//v1//messages/",
        b"/a/../b/./c",
        b"/%2F%2f%41",
        b"/v1/messages?",
        b"/v1?a=1&a=2&b",
        b"/x?key=kept&y=%20+",
        b'/[|]{}^`"<>\\',
        b"/x?q=/?/[]|",
        b"?a",
        b";p/a:b@c",
    ],
)
@pytest.mark.parametrize("base", [b"", b"/api", b"/api/v1/", b"/api?token=t"])
@ensure_deferred
async def test_targets_are_appended_raw(world: World, target: bytes, base: bytes) -> None:
    if target.startswith(b";"):
        target = b"/" + target
    upstream = world.upstream(answer())
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url + base.decode())]})
    client = await world.connect(proxy.port)
    _, _, got, _ = await through(upstream, client, request(b"GET", b"/claudecode" + target, FIELDS))
    base_path, _, base_query = base.partition(b"?")
    path, mark, query = target.partition(b"?")
    joined = base_path.rstrip(b"/") + path or b"/"
    queries = b"&".join(filter(None, (base_query, query)))
    assert got == joined + (b"?" + queries if queries or mark else b"")


@pytest.mark.parametrize("base", ["", "/v1", "/api", "/api/v1", "/v1beta"])
@pytest.mark.parametrize("prefix", [b"", b"/v1"])
@pytest.mark.parametrize("resource", [b"/responses", b"/chat/completions", b"/models", b"/responses/resp_1/cancel"])
@ensure_deferred
async def test_codex_with_and_without_v1_on_both_sides(
    world: World,
    base: str,
    prefix: bytes,
    resource: bytes,
) -> None:
    upstream = world.upstream(answer())
    proxy = world.proxy({"codex": [provider("one", upstream.base_url + base)]})
    client = await world.connect(proxy.port)
    _, _, got, _ = await through(upstream, client, request(b"GET", b"/codex" + prefix + resource, FIELDS))
    version = b"" if base.rpartition("/")[2].startswith("v1") else b"/v1"
    assert got == base.encode() + version + resource


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 300_000, 3_000_000])
@pytest.mark.parametrize("framing", ["length", "chunked"])
@ensure_deferred
async def test_bodies_of_any_size_and_encoding_arrive_untouched(world: World, size: int, framing: str) -> None:
    body = bytes((n * 7 + n // 251) % 256 for n in range(4096)) * (size // 4096 + 1)
    body = body[:size]
    upstream = world.upstream(answer())
    proxy = world.proxy({"codex": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    fields = (*FIELDS, (b"Content-Encoding", b"zstd"))
    if framing == "length":
        data = request(b"POST", b"/codex/responses", fields, body)
    else:
        pieces = [body[at : at + 10_000] for at in range(0, size, 10_000)]
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        data = request(b"POST", b"/codex/responses", (*fields, (b"Transfer-Encoding", b"chunked")))
        data += chunks + b"0\r\nX-Trailer: dropped\r\n\r\n"
    got, _, _, arrived = await through(upstream, client, data)
    assert arrived == body
    assert (b"Content-Length", b"%d" % size) in got
    assert (b"Content-Encoding", b"zstd") in got
    assert b"X-Trailer" not in dict(got)


@ensure_deferred
async def test_fields_named_by_connection_stay_behind(world: World) -> None:
    upstream = world.upstream(answer())
    proxy = world.proxy({"claudecode": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    named = ((b"Connection", b"keep-alive, X-Hop"), (b"x-hop", b"1"), (b"X-Kept", b"2"), (b"connection", b"x-other"))
    fields = (*FIELDS, *named, (b"X-Other", b"3"), (b"Connection", b"Host, Content-Length"))
    got, *_ = await through(upstream, client, request(b"POST", b"/claudecode/x", fields, b"body"))
    names = [name.lower() for name, _ in got]
    assert names == [b"host", b"x-kept", b"content-length", b"x-api-key"]


STAYS_BEHIND = [
    *(name for name in PERMITTED if name not in {b"host", b"content-length", b"transfer-encoding", b"connection"}),
    b"proxy-status",
    b"x-hop",
]
SPELLINGS: dict[str, Callable[[bytes], bytes]] = {
    "hyphens": bytes.title,
    "underscores": lambda name: name.replace(b"-", b"_"),
    "one underscore": lambda name: b"_".join(name.rsplit(b"-", 1)).upper(),
}


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
@ensure_deferred
async def test_what_stays_behind_in_any_spelling(world: World, spell: Callable[[bytes], bytes]) -> None:
    """Servers of the CGI tradition make one variable of `x-api-key` and `x_api_key`."""
    upstream = world.upstream(answer())
    proxy = world.proxy({"codex": [provider("one", upstream.base_url, auth=Carrier.BEARER)]})
    client = await world.connect(proxy.port)
    names = [*map(spell, STAYS_BEHIND), b"Content_Length", b"Transfer_Encoding", b"proxy_authorization"]
    # An Upgrade that is granted nowhere, and an Expect that is met, are other tests'.
    names = [name for name in names if name.lower() not in {b"upgrade", b"expect", b"trailer"}]
    sent = [(name, b"openai-insecure-api-key.mine") for name in names]
    fields = (*FIELDS, (b"Connection", b"X-Hop"), *sent, (b"X_Kept", b"1"), (b"_", b"2"))
    got, *_ = await through(upstream, client, request(b"POST", b"/codex/v1/responses", fields, b"body"))
    assert b"mine" not in b"".join(value for _, value in got)
    assert {name.lower() for name, _ in got} == {b"host", b"authorization", b"x_kept", b"_", b"content-length"}


@pytest.mark.parametrize(
    ("sent", "goes_up"),
    [
        (b"realtime, openai-insecure-api-key.mine, openai-beta.realtime-v1", b"realtime, openai-beta.realtime-v1"),
        (b"OpenAI-Insecure-API-Key.mine,realtime", b"realtime"),
        (b"openai-insecure-api-key.mine", None),
        (b"a ,  b,c,", b"a ,  b,c,"),
        (b"x-openai-insecure-api-key.kept", b"x-openai-insecure-api-key.kept"),
    ],
)
@ensure_deferred
async def test_a_key_among_the_subprotocols_stays_behind(world: World, sent: bytes, goes_up: bytes | None) -> None:
    upstream = world.upstream(answer())
    proxy = world.proxy({"codex": [provider("one", upstream.base_url)]})
    client = await world.connect(proxy.port)
    fields = (*FIELDS, (b"Sec-WebSocket-Protocol", sent))
    got, *_ = await through(upstream, client, request(b"GET", b"/codex/v1/models", fields))
    assert dict(got).get(b"Sec-WebSocket-Protocol") == goes_up


@pytest.mark.parametrize(
    ("auth", "sent", "carrier"),
    [
        (Carrier.API_KEY, (b"Authorization", b"Bearer mine"), (b"api-key", KEY)),
        (Carrier.AUTO, (b"API-Key", b"mine"), (b"API-Key", KEY)),
        (Carrier.BEARER, (b"api-key", b"mine"), (b"Authorization", b"Bearer " + KEY)),
        (Carrier.NONE, (b"api-key", b"mine"), None),
    ],
)
@ensure_deferred
async def test_azures_carrier(
    world: World,
    auth: Carrier,
    sent: Field,
    carrier: Field | None,
) -> None:
    upstream = world.upstream(answer())
    proxy = world.proxy({"codex": [provider("one", upstream.base_url, auth=auth)]})
    client = await world.connect(proxy.port)
    got, *_ = await through(upstream, client, request(b"GET", b"/codex/v1/models", (*FIELDS, sent)))
    assert got[1:] == ([] if carrier is None else [carrier])
