"""The rows: what the providers do, and the check of the result. A new row is an entry in this table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from attrs import frozen

from acceptance import checks
from acceptance.answers import answering, calling_tool, cutting, failing_as_event, failing_compressed, refusing
from acceptance.clients import Client, Place
from acceptance.stage import DeadPort, Seen, Upstream, Way
from acceptance.websocket import WebSocketUpstream
from tests.wirekit.upstream import Script, ScriptedUpstream

ROW_LIMIT: Final = 75.0
"""Seconds for a client, unless its row says otherwise."""

Provided: TypeAlias = Callable[[Client, Place], Upstream]
"""Starts a provider of a row."""


@frozen
class Scenario:
    """One row for each client that `fits`.

    Attributes:
        first: the provider that is asked first.
        second: the other one.
        fits: whether the row is for a client.
        impatient: whether the client is told to try only once or twice.
        arguments: further arguments for the client.
        limit: seconds for the client.
        websocket: whether the providers are said to speak WebSocket.
    """

    title: str
    first: Provided
    second: Provided
    check: checks.Check
    fits: Callable[[Client], bool]
    impatient: bool = False
    arguments: tuple[str, ...] = ()
    limit: float = ROW_LIMIT
    websocket: bool = False

    def way(self, client: Client) -> Way:
        """How a client is started."""
        if not self.impatient:
            return Way(self.limit, self.arguments, websocket=self.websocket)
        arguments = (*self.arguments, *client.impatient)
        return Way(self.limit, arguments, dict(client.impatient_variables), self.websocket)


def _answering(name: str) -> Provided:
    return lambda client, place: ScriptedUpstream.start(answering(client.api, name))


def _refusing(status: int, *fields: tuple[bytes, bytes]) -> Provided:
    return lambda client, place: ScriptedUpstream.start(refusing(client.api, status, fields))


def _cutting(name: str, times: int = 1) -> Provided:
    return lambda client, place: ScriptedUpstream.start(cutting(client.api, name, times))


def _failing_as_event(client: Client, place: Place) -> Upstream:
    return ScriptedUpstream.start(failing_as_event(client.api, "first"))


def _failing_compressed(client: Client, place: Place) -> Upstream:
    return ScriptedUpstream.start(failing_compressed(client.api, "first"))


def _calling_tool(client: Client, place: Place) -> Upstream:
    assert client.tool is not None
    script: Script = calling_tool(client.api, "first", client.tool(place))
    return ScriptedUpstream.start(script)


def _dead_port(client: Client, place: Place) -> Upstream:
    return DeadPort()


_FIRST: Final = _answering("first")
_SECOND: Final = _answering("second")
_ALWAYS: Final = 1000
_WAIT: Final = (b"Retry-After", b"3600")
_WEBSOCKET: Final = ("-c", "model_providers.clipal.supports_websockets=true")
_HOUR: Final = "both providers: 429 for an hour"


def _everyone(client: Client) -> bool:
    return True


def _programs(client: Client) -> bool:
    return client.connects


def _codex(client: Client) -> bool:
    return client.name == "codex"


def _all_but_codex(client: Client) -> bool:
    return client.connects and not _codex(client)


def _streaming_sdks(client: Client) -> bool:
    return client.streams and not client.connects


def _told_503(seen: Seen) -> str:
    return checks.told_why(seen, "503 unavailable")


SCENARIOS: Final = (
    Scenario("a plain answer", _FIRST, _SECOND, checks.plain, _everyone),
    Scenario("a tool call", _calling_tool, _SECOND, checks.used_tool, _programs),
    Scenario("first provider: 401", _refusing(401), _SECOND, checks.failed_over, _programs),
    Scenario("first provider: 429", _refusing(429), _SECOND, checks.failed_over, _everyone),
    Scenario("first provider: 529", _refusing(529), _SECOND, checks.failed_over, _programs),
    Scenario("first provider: nobody listens", _dead_port, _SECOND, checks.failed_over_unreached, _programs),
    Scenario("first provider: 200, then an error event", _failing_as_event, _SECOND, checks.failed_over, _programs),
    Scenario("first provider: a compressed error event", _failing_compressed, _SECOND, checks.failed_over, _programs),
    Scenario("first provider: cut in mid-stream", _cutting("first"), _SECOND, checks.noticed_cut, _programs),
    Scenario(
        "both providers: every answer cut in mid-stream",
        _cutting("first", _ALWAYS),
        _cutting("second", _ALWAYS),
        checks.never_whole,
        _programs,
        impatient=True,
    ),
    Scenario("both providers: 503", _refusing(503), _refusing(503), _told_503, _programs, impatient=True),
    Scenario(_HOUR, _refusing(429, _WAIT), _refusing(429, _WAIT), checks.told_why_at_once, _all_but_codex),
    Scenario(_HOUR, _refusing(429, _WAIT), _refusing(429, _WAIT), checks.gave_up_at_once, _codex),
    Scenario(
        "WebSocket switched on",
        _FIRST,
        _SECOND,
        checks.fell_back_to_post,
        _codex,
        arguments=_WEBSOCKET,
    ),
    Scenario(
        "WebSocket switched on, providers too",
        _refusing(429),
        lambda client, place: WebSocketUpstream(client.api, "second"),
        checks.tunnelled,
        _codex,
        arguments=_WEBSOCKET,
        websocket=True,
    ),
    Scenario("first provider: cut in mid-stream", _cutting("first", _ALWAYS), _SECOND, checks.raised, _streaming_sdks),
)
"""In the order in which they are played for each client."""
