"""What is given damaged input, and the rules that hold whatever it is: one function for each, by name."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote_to_bytes

from python_socks._protocols.errors import ReplyError
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport
from twisted.protocols.haproxy import proxyEndpoint
from zope.interface import implementer

from clipal.config.client_token import ClientToken
from clipal.config.forward_proxy import bypasses, parse_proxy
from clipal.config.nodes import parse_document
from clipal.config.problems import ConfigurationError
from clipal.config.reach import ForwardProxy
from clipal.config.references import References
from clipal.connect.edits import SYNTAXES, Changed, Setting, edited, undone
from clipal.connect.formats.syntax import UnreadableFile
from clipal.dialects.registry import DIALECTS
from clipal.dialects.sse import Scanner
from clipal.downstream.tokens import Tokens
from clipal.failover.beginning import Beginning, MediaType
from clipal.failover.gate import HOLD
from clipal.outcomes.classification import classify
from clipal.outcomes.error_body import ErrorBody
from clipal.outcomes.outcome import Action
from clipal.outcomes.retry_after import LONGEST_WAIT, explicit_wait, rate_limit_wait
from clipal.transport.proxy_dialogue import HostUnreached, Progress, ProxyFailed, ask_http, ask_socks
from clipal.wire.message import END, BadMessage, RequestHead, ResponseHead
from clipal.wire.request_parser import RequestParser
from clipal.wire.response_parser import ResponseParser
from tests.codings import SPELLINGS

Target: TypeAlias = Callable[[bytes], None]
_NOW = 1_764_000_000.0
_SECRET = "sk-planted-5ecret"
_STATUSES = (400, 401, 402, 403, 404, 413, 429, 500, 503, 529)


def cuts(data: bytes) -> Iterable[list[bytes]]:
    """`data` as it may come: byte by byte, in threes, in two halves."""
    yield [data[at : at + 1] for at in range(len(data))]
    yield [data[at : at + 3] for at in range(0, len(data), 3)]
    yield [data[: len(data) // 2], data[len(data) // 2 :]]


def _joined(items: Iterable[Any]) -> list[Any]:
    """Items with neighbouring bytes put together: where a body is cut says nothing."""
    joined: list[Any] = []
    for item in items:
        if isinstance(item, bytes) and joined and isinstance(joined[-1], bytes):
            joined[-1] += item
        else:
            joined.append(item)
    return [_plain(item) for item in joined]


def _plain(item: Any) -> object:
    """What two items are compared by: a head's fields, and of a refusal no words."""
    if isinstance(item, BadMessage):
        return "refused"
    return (repr(item), list(item.fields)) if isinstance(item, RequestHead | ResponseHead) else repr(item)


def request_parser(data: bytes) -> None:
    """However a request comes cut, it means the same."""

    def parse(pieces: Iterable[bytes]) -> list[Any]:
        parser, items = RequestParser(), []
        for piece in pieces:
            items += parser.feed(piece)
            while items and items[-1] is END and (rest := parser.take_rest()):
                items += parser.feed(rest)
        return _joined(items)

    whole = parse([data])
    assert all(parse(pieces) == whole for pieces in cuts(data))


def response_parser(data: bytes) -> None:
    """However an answer comes cut, it means the same, at its end too."""

    def parse(pieces: Iterable[bytes]) -> list[Any]:
        parser = ResponseParser()
        parser.expect(b"POST")
        items = _joined(item for piece in pieces for item in parser.feed(piece))
        with suppress(AssertionError):
            items.append(_plain(parser.eof()))
        return items

    whole = parse([data])
    assert all(parse(pieces) == whole for pieces in cuts(data))


def sse(data: bytes) -> None:
    """However a stream comes cut, its events are the same."""

    def scan(pieces: Iterable[bytes]) -> list[tuple[bytes, bytes]]:
        scanner = Scanner()
        return [(event.event, event.data) for piece in pieces for event in scanner.feed(piece)]

    whole = scan([data])
    assert all(scan(pieces) == whole for pieces in cuts(data))


def gate(data: bytes) -> None:
    """In every coding and dialect, the gate decides or holds, and never raises; damaged codings too."""
    for spelling, encode in SPELLINGS:
        encoded = b"".join(encode([data]))
        for body in (encoded, encoded[:-3], data):
            for dialect in DIALECTS:
                for kind in MediaType:
                    beginning = Beginning(dialect, b"/v1/messages", kind, spelling, True)
                    for piece in (body[: len(body) // 2], body[len(body) // 2 :]):
                        if piece and beginning.feed(piece) is not HOLD:
                            break
                    else:
                        assert beginning.end() is not HOLD


def facts(data: bytes) -> None:
    """An error's body always means something, and its words are not repeated."""
    for status in _STATUSES:
        outcome = classify(status, [(b"content-type", b"application/json")], data, _NOW)
        assert isinstance(outcome.action, Action)
        assert outcome.reason.isascii()
        assert len(outcome.reason) < 60
        assert outcome.wait is None or 0 <= outcome.wait <= max(LONGEST_WAIT, 3600)


def hints(data: bytes) -> None:
    """A wait is none, or a number of seconds that is bounded; whatever the fields say."""
    fields = [(name.strip(), value) for name, _, value in (line.partition(b":") for line in data.split(b"\n"))]
    for body in (b"", data):
        error = ErrorBody.read(fields, body)
        for wait in (explicit_wait(fields, error, _NOW), rate_limit_wait(fields, error, _NOW)):
            assert wait is None or (math.isfinite(wait) and 0 < wait <= LONGEST_WAIT)


def yaml(data: bytes) -> None:
    """A file is read, or wrong in our own words."""
    with suppress(ConfigurationError):
        parse_document(Path("file.yaml"), data)
    said = ""
    try:
        parse_document(Path("file.yaml"), data + b"\n\x07" + _SECRET.encode())
    except ConfigurationError as error:
        said = str(error)
    assert _SECRET not in said


def client_files(data: bytes) -> None:
    """A client's file is edited so that nothing else changes, and back to the same bytes; or refused."""
    text = data.decode("utf-8", "replace")
    for name, syntax in SYNTAXES.items():
        path = ("ANTHROPIC_BASE_URL",) if name == "dotenv" else ("env", "ANTHROPIC_BASE_URL")
        try:
            done = edited(syntax, text, [Setting(path, "http://127.0.0.1:3333")])
        except UnreadableFile:
            continue
        with suppress(Changed, UnreadableFile):
            back = undone(syntax, done.text, done)
            assert syntax.read(back.removeprefix("\ufeff") or syntax.blank) == syntax.read(
                text.removeprefix("\ufeff") if text.removeprefix("\ufeff").strip() else syntax.blank
            )


def references(data: bytes) -> None:
    """A key is found, or what is wrong is said without any part of it."""
    text = data.decode("utf-8", "surrogateescape").replace("keyring:", "")
    os.environ["CLIPAL_FUZZ"] = _SECRET
    for written in (text, f"${{CLIPAL_FUZZ}}{text}", f"{text}{_SECRET}$"):
        said = ""
        try:
            secret = References(Path("/nonexistent")).resolve(written)
        except ValueError as error:
            said = str(error)
        else:
            assert secret.reveal().isascii()
            assert str(secret) == "***"
        assert _SECRET not in said or written.startswith("file:")


def forward_proxies(data: bytes) -> None:
    """A proxy's URL and NO_PROXY are read or refused; what a proxy says opens a tunnel, or is its fault."""
    text = data.decode("utf-8", "replace")
    bypasses(text, "api.example.com", 443)
    with suppress(ValueError):
        parse_proxy(text, bare=True)
    for ask in (ask_http, ask_socks):
        steps, came = ask(ForwardProxy("http", "proxy", 1), "api.example.com", 443, Progress()), data
        with suppress(ProxyFailed, HostUnreached, StopIteration, ValueError, ReplyError):
            _, wanted = next(steps)
            while (length := wanted(came)) is not None:
                reply, came = came[:length], came[length:]
                _, wanted = steps.send(reply)


def tokens(data: bytes) -> None:
    """A token is found only where it is written, and is taken out of a query."""
    token = ClientToken("one", sha256(_SECRET.encode()).digest())
    known = Tokens([token])
    head = next((item for item in RequestParser().feed(data) if isinstance(item, RequestHead)), None)
    if head is not None and known.shown(head).tokens:
        assert _SECRET.encode() in b" ".join(map(unquote_to_bytes, (head.target, *(value for _, value in head.fields))))
    query = known.without_tokens(data.replace(b"\n", b"&"))
    assert query is None or not any(unquote_to_bytes(pair) == b"key=" + _SECRET.encode() for pair in query.split(b"&"))


@implementer(IStreamServerEndpoint)
class _Endpoint:
    """Takes what `proxyEndpoint` wraps around a factory."""

    factory: Any = None

    def listen(self, protocolFactory: Any) -> Deferred[Any]:
        self.factory = protocolFactory
        return succeed(None)


def proxy_header(data: bytes) -> None:
    """HAProxy's header is read or ends the connection, however it comes cut.

    Twisted's parser raises a ValueError for a port that is no number; the reactor ends the connection for it.
    """
    for pieces in ([data], *cuts(data)):
        endpoint, transport, factory = _Endpoint(), StringTransport(), Factory.forProtocol(Protocol)
        factory.noisy = False
        proxyEndpoint(endpoint).listen(factory)
        wrapped = endpoint.factory.buildProtocol(None)
        wrapped.makeConnection(transport)
        with suppress(ValueError):
            for piece in pieces:
                if not transport.disconnecting:
                    wrapped.dataReceived(piece)
            assert wrapped.getPeer() is not None


def json_answers(data: bytes) -> None:
    """What the gate takes for JSON is judged as any answer, nested however deep."""
    with suppress(ValueError, RecursionError):
        json.loads(data)
    gate(b"[" * 50 + data)


TARGETS: dict[str, Target] = {
    each.__name__: each
    for each in (
        request_parser,
        response_parser,
        sse,
        gate,
        json_answers,
        facts,
        hints,
        yaml,
        client_files,
        references,
        forward_proxies,
        tokens,
        proxy_header,
    )
}
