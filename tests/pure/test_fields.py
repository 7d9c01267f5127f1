"""The fields of a head on their way through the proxy: what their names decide is remembered, and no value is."""

from __future__ import annotations

import pytest

from clipal.wire.fields import Credential, request_fields, response_head
from clipal.wire.message import Fields, RequestHead, ResponseHead

KEY = Credential(b"authorization", b"Authorization", b"Bearer provider's")


def upwards(fields: Fields, credential: Credential = KEY) -> Fields:
    keys = [name.lower() for name, _ in fields]
    table = {name.lower(): value for name, value in fields}
    head = RequestHead("1.1", fields, keys, table, True, False, b"POST", b"/", False)
    return request_fields(head, b"provider", credential, 5)


@pytest.mark.parametrize("many", [0, 100], ids=["a set of names that is remembered", "one that is not"])
def test_each_request_has_its_own_values(many: int) -> None:
    more = [(b"X-%d" % number, b"") for number in range(many)]
    for value in (b"one", b"two", b"three"):
        fields = [(b"Host", value), (b"X-Mine", value), (b"x-api-key", value), (b"Content-Length", b"3"), *more]
        assert upwards(fields) == [
            (b"Host", b"provider"), (b"X-Mine", value), (b"Authorization", b"Bearer provider's"),
            (b"Content-Length", b"5"), *more,
        ]  # fmt: skip


def test_the_same_names_may_lose_other_fields_by_their_connection() -> None:
    for named, kept in ((b"close", [b"X-One", b"X-Two"]), (b"x-one", [b"X-Two"]), (b"x-two", [b"X-One"])):
        fields = [(b"Host", b"a"), (b"Connection", named), (b"X-One", b"1"), (b"X-Two", b"2")]
        assert [name for name, _ in upwards(fields)] == [b"Host", *kept, b"Authorization"]


def test_a_key_takes_the_place_of_the_first_one_that_the_client_shows() -> None:
    shown = [(b"X-Api-Key", b"a"), (b"B", b"b"), (b"AUTHORIZATION", b"c"), (b"Host", b"h"), (b"D", b"d")]
    names = [name for name, _ in upwards(shown)]
    assert names == [b"Authorization", b"B", b"Host", b"D"]
    assert upwards(shown[1:])[1] == (b"AUTHORIZATION", b"Bearer provider's"), "the client's own spelling"
    assert [name for name, _ in upwards(shown, Credential())] == [b"B", b"Host", b"D"]


def test_each_answer_has_its_own_values() -> None:
    for value in (b"one", b"two"):
        for chunked, trailer in ((True, b"Trailer: x\r\n"), (False, b"")):
            fields = [(b"Keep-Alive", value), (b"X-Mine", value), (b"Trailer", b"x")]
            keys = [name.lower() for name, _ in fields]
            head = ResponseHead(
                "1.1", fields, keys, dict(zip(keys, keys, strict=True)), True, False, 200, b"OK", False, True
            )
            written = response_head(head, chunked=chunked, connection=None)
            framing = b"Transfer-Encoding: chunked\r\n" if chunked else b""
            assert written == b"HTTP/1.1 200 OK\r\nX-Mine: " + value + b"\r\n" + trailer + framing + b"\r\n"
