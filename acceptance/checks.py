"""The checks of the rows.

A check takes what was seen of a row, and returns a few words about what happened. It raises `FailedError` where an
expectation is not met.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from acceptance.answers import BEGINNING, text_of
from acceptance.stage import PROVIDERS, Seen, key_of
from acceptance.tool_calls import tool_result
from tests.wirekit.upstream import RecordedRequest

DUMMY: Final = b"any-value"
"""The key that `clipal connect` gives to a client."""


Check: TypeAlias = Callable[[Seen], str]


class FailedError(Exception):
    """A row does not meet an expectation; the text names it."""


def require(true: object, otherwise: str) -> None:
    """Raises `FailedError` with the text `otherwise`, unless `true` is true."""
    if not true:
        raise FailedError(otherwise)


def plain(seen: Seen) -> str:
    """The first provider's answer, whole, after one request."""
    _answered(seen, "first")
    _arrived(seen, first=1, second=0)
    return "1 request; the first provider's answer, whole"


def failed_over(seen: Seen) -> str:
    """The client asked once and has the second provider's answer; the first one was asked before."""
    return _failed_over(seen, first=1)


def failed_over_unreached(seen: Seen) -> str:
    """As `failed_over`, where no request can arrive at the first provider."""
    return _failed_over(seen, first=0)


def _failed_over(seen: Seen, first: int) -> str:
    _answered(seen, "second")
    _arrived(seen, first=first, second=1)
    trail = re.search(r"→ 200 via second\b.*attempts: 2 \((first: .*)\)", seen.asked[0])
    require(trail is not None, f"clipal logged something else: {seen.asked[0]}")
    assert trail is not None
    require("The vendor said" not in seen.ended.said, "the first provider's error is in the client's output")
    bodies = {request.body for name in PROVIDERS for request in seen.requests[name]}
    require(len(bodies) == 1, "the second provider got another body than the first")
    return f"1 request; {trail[1]}; the second provider's answer, whole"


def used_tool(seen: Seen) -> str:
    """The client sent two requests, the second with the tool's result, and has the answer."""
    _answered(seen, "first", asked=2)
    _arrived(seen, first=2, second=0)
    before, after = seen.requests["first"]
    require(not tool_result(seen.client.api, before), "the first request already has a tool's result")
    require(seen.note in tool_result(seen.client.api, after), "the second request lacks what the tool has read")
    return "2 requests; the second has the tool's result; answer whole"


def noticed_cut(seen: Seen) -> str:
    """An answer was cut. The client reports an error, or has asked again and has one provider's whole answer."""
    _credentials(seen)
    require(_cut(seen), "clipal has not seen the cut")
    whole = [name for name in PROVIDERS if text_of(name) in seen.ended.stdout]
    count = len(seen.asked)
    if seen.ended.status == 0:
        require(count > 1, "it ended with 0 after one request, which was cut off")
        require(whole, f"it ended with 0 without a whole answer: {_tail(seen.ended.stdout)}")
        again = "; what came before the cut is printed too" if _beginnings(seen) > 1 else ""
        return f"{count} requests; asked again by itself; the {whole[0]} provider's answer, whole{again}; status 0"
    _failed(seen)
    require(not whole, "it ended with an error, but has a whole answer")
    return f"{_requests(count)}; status {seen.ended.status}: “{_last_line(seen)}”"


def never_whole(seen: Seen) -> str:
    """Every answer was cut, and the client has failed; it does not take a part for the answer."""
    _credentials(seen)
    require(seen.asked and _cut(seen) == len(seen.asked), "clipal has not seen every answer cut")
    _failed(seen)
    return f"{_requests(len(seen.asked))}, each cut off; status {seen.ended.status}"


def raised(seen: Seen) -> str:
    """The SDK raised an exception, and did not take the part before the cut for the answer."""
    from acceptance.sdk import RAISED

    _credentials(seen)
    require(_cut(seen), "clipal has not seen the cut")
    require(seen.ended.status == RAISED, f"it raised nothing, but ended with {seen.ended.status}")
    found = re.search(r"^raised ([\w.]+)", seen.ended.stderr, re.MULTILINE)
    require(found is not None, f"it raised nothing: {_tail(seen.ended.stderr)}")
    assert found is not None
    return f"{_requests(len(seen.asked))}; {found[1]}"


def told_why(seen: Seen, reason: str) -> str:
    """The client failed, and its output has clipal's message, which names both providers.

    Parameters:
        reason: why each of them failed, in clipal's words.
    """
    _credentials(seen)
    _failed(seen)
    message = f"No provider of {seen.client.api.dialect.title} could answer: first: {reason}; second: {reason}."
    require(message in " ".join(seen.ended.said.split()), f"clipal's message is not in it: {_tail(seen.ended.said)}")
    for name in PROVIDERS:
        require(seen.requests[name], f"the {name} provider was not asked")
    return f"{_requests(len(seen.asked))}; status {seen.ended.status}; it prints “{message}”"


def told_why_at_once(seen: Seen) -> str:
    """As `told_why`, after one request, because both providers asked for a cooldown of an hour."""
    happened = told_why(seen, "429 rate limit, resting 1h")
    require(len(seen.asked) == 1, f"the client asked {_requests(len(seen.asked))}, not 1")
    return happened


def gave_up_at_once(seen: Seen) -> str:
    """The client failed after one request, and prints the id of the line in clipal's log that has the reason."""
    _credentials(seen)
    _failed(seen)
    require(len(seen.asked) == 1, f"the client asked {_requests(len(seen.asked))}, not 1")
    found = re.search(r"(exceeded retry limit, last status: 429 Too Many Requests), request id: (\S+)", seen.ended.said)
    require(found is not None, f"it does not say so: {_tail(seen.ended.said)}")
    assert found is not None
    require(f"[{found[2]}]" in seen.asked[0], "the request id is not the one in clipal's log")
    return f"1 request; status {seen.ended.status}; it prints “{found[1]}” and the id of clipal's log line"


def fell_back_to_post(seen: Seen) -> str:
    """The WebSocket was refused with 426, and a POST came after it; no upgrade arrived at a provider."""
    _answered(seen, "first")
    _arrived(seen, first=1, second=0)
    asked = f"refused GET /{seen.client.prefix}/v1/responses "
    refused = [line for line in seen.log if asked in line and " → 426 " in line]
    require(len(refused) == 1, f"{len(refused)} upgrades were refused with 426, not 1")
    between = _logged_at(seen.asked[0]) - _logged_at(refused[0])
    require(between >= timedelta(0), "the POST was answered before the upgrade was refused")
    milliseconds = between / timedelta(milliseconds=1)
    return f"1 upgrade, 426; the POST answered {milliseconds:.0f} ms later; answer whole"


def tunnelled(seen: Seen) -> str:
    """The client talked to the second provider by WebSocket, after the first one had refused the handshake."""
    _answered(seen, "second")
    for name in PROVIDERS:
        found = len(seen.requests[name])
        require(found == 1, f"{found} handshakes arrived at the {name} provider, not 1")
        _handshake(seen, name, seen.requests[name][0])
    trail = re.search(r"→ 101 via second\b.* attempts: 2 \((first: .*)\)", seen.asked[0])
    require(trail is not None, f"clipal logged something else: {seen.asked[0]}")
    assert trail is not None
    body = seen.requests["second"][0].body
    require(seen.prompt.encode() in body, "the question did not arrive at the second provider")
    return f"1 WebSocket; {trail[1]}; the second provider's answer, whole; no POST"


def _handshake(seen: Seen, name: str, request: RecordedRequest) -> None:
    carrier, before = seen.client.carrier
    require(request.method == b"GET", f"a {request.method.decode()} arrived at the {name} provider")
    require(request.values(b"upgrade") == [b"websocket"], f"no handshake arrived at the {name} provider")
    require(request.values(carrier) == [before + key_of(name).encode()], f"the {name} provider did not get its key")


def _logged_at(line: str) -> datetime:
    """The moment at the beginning of a line of clipal's log."""
    return datetime.strptime(line.split(" ", 1)[0], "%Y-%m-%dT%H:%M:%S.%f%z")


def _failed(seen: Seen) -> None:
    """The client ended in time, with an error."""
    require(seen.ended.status is not None, f"it did not end within {seen.ended.seconds:.0f} s")
    require(seen.ended.status != 0, f"it ended with 0, and printed: {_tail(seen.ended.stdout)}")


def _cut(seen: Seen) -> int:
    """How many answers clipal has seen break off."""
    return sum("provider broke off in the body" in line for line in seen.asked)


def _answered(seen: Seen, provider: str, asked: int = 1) -> None:
    """The client ended with 0 and the whole answer of `provider`, no other provider's, after so many requests."""
    ended = seen.ended
    require(ended.status is not None, f"it did not end within {ended.seconds:.0f} s: {_tail(ended.said)}")
    require(ended.status == 0, f"it ended with {ended.status}: {_tail(ended.said)}")
    require(
        text_of(provider) in ended.stdout, f"its output is not the {provider} provider's answer: {_tail(ended.said)}"
    )
    for other in PROVIDERS:
        require(other == provider or text_of(other) not in ended.said, f"its output has the {other} provider's answer")
    require(len(seen.asked) == asked, f"the client asked {_requests(len(seen.asked))}, not {asked}")


def _arrived(seen: Seen, first: int, second: int) -> None:
    """So many requests arrived at each provider, and `_credentials` is true of all of them."""
    for name, count in zip(PROVIDERS, (first, second), strict=True):
        found = len(seen.requests[name])
        require(found == count, f"{found} requests arrived at the {name} provider, not {count}")
    _credentials(seen)


def _credentials(seen: Seen) -> None:
    """Each request has the right target, the provider's own key, and no other key."""
    for name in PROVIDERS:
        for request in seen.requests[name]:
            _credentials_of(seen, name, request)


def _credentials_of(seen: Seen, name: str, request: RecordedRequest) -> None:
    carrier, before = seen.client.carrier
    require(request.method == b"POST", f"a {request.method.decode()} arrived at the {name} provider")
    require(request.target == seen.client.target, f"the target at the {name} provider was {request.target!r}")
    require(request.values(carrier) == [before + key_of(name).encode()], f"the {name} provider did not get its key")
    require(DUMMY not in request.raw_head, f"the client's own key arrived at the {name} provider")
    others = [key_of(other).encode() for other in PROVIDERS if other != name]
    require(not any(key in request.raw_head for key in others), f"the {name} provider got another one's key")
    require(seen.prompt.encode() in request.body, f"the question did not arrive at the {name} provider")


def _beginnings(seen: Seen) -> int:
    """How often the beginning of an answer is in the output."""
    return seen.ended.stdout.count(BEGINNING)


def _requests(count: int) -> str:
    return "1 request" if count == 1 else f"{count} requests"


def _last_line(seen: Seen) -> str:
    lines = [line.strip() for line in seen.ended.stderr.splitlines() if line.strip()]
    return lines[-1][:120] if lines else "nothing on standard error"


def _tail(text: str) -> str:
    return " ".join(text.split())[-300:] or "(nothing)"
