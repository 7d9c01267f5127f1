"""Which carrier a provider's key goes up in, and how `?key=` is replaced."""

from __future__ import annotations

import pytest

from clipal.config.model import Carrier
from clipal.config.secret import Secret
from clipal.upstream.credentials import KeyCarriers, client_carrier, with_query_key
from clipal.wire.fields import Credential
from clipal.wire.message import RequestHead
from clipal.wire.request_parser import RequestParser

X_API_KEY, BEARER, GOOG, QUERY = Carrier.X_API_KEY, Carrier.BEARER, Carrier.X_GOOG_API_KEY, Carrier.QUERY
AZURE = Carrier.API_KEY
CLIENTS = (X_API_KEY, BEARER, AZURE, GOOG, QUERY)
KINDS = {"sk-ant-oat01-x": BEARER, "sk-ant-api03-x": X_API_KEY, "AIzaSyX": GOOG}
KEYS = ("key", "sk-ant-", "sk-proj-x", "aiza", "x-sk-ant-oat", *KINDS)


def expected(key: str, auth: Carrier, client: Carrier) -> Carrier:
    """How a key travels: its own kind decides, else `auth`, else the client."""
    if auth is Carrier.NONE:
        return auth
    if key in KINDS:
        return KINDS[key]
    return client if auth is Carrier.AUTO else auth


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("auth", Carrier)
@pytest.mark.parametrize("key", KEYS)
def test_a_key_goes_up_in_the_carrier_of_its_kind_else_of_auth_else_of_the_client(
    key: str, auth: Carrier, client: Carrier
) -> None:
    assert KeyCarriers.prepare(Secret(key), auth).carrier(client) is expected(key, auth, client)


@pytest.mark.parametrize(
    ("carrier", "credential"),
    [
        (X_API_KEY, Credential(b"x-api-key", b"x-api-key", b"k&y")),
        (BEARER, Credential(b"authorization", b"Authorization", b"Bearer k&y")),
        (AZURE, Credential(b"api-key", b"api-key", b"k&y")),
        (GOOG, Credential(b"x-goog-api-key", b"x-goog-api-key", b"k&y")),
        (QUERY, Credential()),
        (Carrier.NONE, Credential()),
    ],
)
def test_each_carrier_has_its_field(carrier: Carrier, credential: Credential) -> None:
    assert KeyCarriers.prepare(Secret("k&y"), Carrier.AUTO).credential(carrier) == credential


@pytest.mark.parametrize(
    ("carrier", "query", "goes_up"),
    [
        (QUERY, None, b"key=k%26%2Fy"),
        (QUERY, b"", b"key=k%26%2Fy"),
        (QUERY, b"a=1", b"a=1&key=k%26%2Fy"),
        (QUERY, b"a=1&key=mine&b", b"a=1&key=k%26%2Fy&b"),
        (BEARER, None, None),
        (BEARER, b"", b""),
        (BEARER, b"key=mine", None),
        (BEARER, b"key=mine&alt=sse", b"alt=sse"),
        (Carrier.NONE, b"%6bey=mine&a", b"a"),
    ],
)
def test_the_clients_key_leaves_the_query_in_any_case(
    carrier: Carrier, query: bytes | None, goes_up: bytes | None
) -> None:
    assert KeyCarriers.prepare(Secret("k&/y"), Carrier.AUTO).query(carrier, query) == goes_up


@pytest.mark.parametrize(
    ("query", "replaced", "removed"),
    [
        (b"key=mine", b"key=K", None),
        (b"key", b"key=K", None),
        (b"key=", b"key=K", None),
        (b"%6bey=mine", b"key=K", None),
        (b"k%65%79=mine", b"key=K", None),
        (b"%6Bey=mine&alt=sse", b"key=K&alt=sse", b"alt=sse"),
        (b"alt=sse&key=a=b&x=%2F", b"alt=sse&key=K&x=%2F", b"alt=sse&x=%2F"),
        (b"key=a&b&key=c", b"key=K&b", b"b"),
        (b"&&key=a&", b"&&key=K&", b"&&"),
        (b"akey=1&keys=2&KEY=3&x=key", b"akey=1&keys=2&KEY=3&x=key&key=K", b"akey=1&keys=2&KEY=3&x=key"),
        (b"%256bey=1", b"%256bey=1&key=K", b"%256bey=1"),
        (b"a[]=|%zz", b"a[]=|%zz&key=K", b"a[]=|%zz"),
        (b"a&", b"a&key=K", b"a&"),
        (b"", b"key=K", b""),
    ],
)
def test_a_query_keeps_all_other_bytes(query: bytes, replaced: bytes, removed: bytes | None) -> None:
    assert with_query_key(query, b"K") == replaced
    assert with_query_key(query, None) == removed


def head(*fields: bytes) -> RequestHead:
    lines = b"".join(field + b"\r\n" for field in fields)
    found = RequestParser().feed(b"GET / HTTP/1.1\r\nHost: h\r\n" + lines + b"\r\n")[0]
    assert isinstance(found, RequestHead)
    return found


@pytest.mark.parametrize(
    ("fields", "query", "own", "carrier"),
    [
        ([b"x-api-key: a"], None, X_API_KEY, X_API_KEY),
        ([b"AUTHORIZATION: Bearer a"], None, X_API_KEY, BEARER),
        ([b"Authorization: Bearer a", b"X-Api-Key: b"], None, X_API_KEY, X_API_KEY),
        ([b"Authorization: Bearer a", b"X-Api-Key: b"], None, BEARER, BEARER),
        ([b"Authorization: Bearer a", b"X-Api-Key: b"], None, GOOG, X_API_KEY),
        ([b"API-Key: a"], None, BEARER, AZURE),
        ([b"api-key: a", b"Authorization: Bearer b"], None, BEARER, BEARER),
        ([b"x-goog-api-key: a"], b"key=b", GOOG, GOOG),
        ([b"Authorization: Bearer a"], b"key=b", GOOG, BEARER),
        ([], b"key=b", GOOG, QUERY),
        ([], b"alt=sse&%6bey=b", GOOG, QUERY),
        ([], b"alt=sse", GOOG, GOOG),
        ([], b"", GOOG, GOOG),
        ([], None, GOOG, GOOG),
        ([], b"key=b", BEARER, BEARER),
        ([], b"key=b", X_API_KEY, X_API_KEY),
    ],
)
def test_the_clients_carrier_is_its_own_if_it_uses_that(
    fields: list[bytes], query: bytes | None, own: Carrier, carrier: Carrier
) -> None:
    assert client_carrier(head(*fields), query, own) is carrier


def test_no_key_shows_in_a_repr() -> None:
    prepared = KeyCarriers.prepare(Secret("sk-secret"), Carrier.AUTO)
    assert "secret" not in repr(prepared)
    assert all("secret" not in repr(prepared.credential(carrier)) for carrier in Carrier)
