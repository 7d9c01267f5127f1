"""What clipal must know about one client's API, and nothing more.

A dialect is a stateless value. Whatever differs between Claude Code, Codex CLI and Gemini CLI is asked of a dialect; no
other module compares a client's name.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import Enum
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from attrs import field, frozen

from clipal.config.model import Carrier
from clipal.dialects.model_name import ModelName
from clipal.dialects.token_counts import TokenCounts

FieldPairs = Sequence[tuple[bytes, bytes]]
"""Header fields as they stand on the wire: names with their own case, in order, duplicates too."""
FieldTable = Mapping[bytes, bytes]
"""The last value of each header field, by its lower-case name."""

_STREAM: Final = b'"stream"'
_TRUE: Final = re.compile(_STREAM + rb"[ \t\r\n]*:[ \t\r\n]*true")
_SESSION_LENGTH: Final = 256
SESSION_FIELD: Final = b"x-session-id"
"""Where OpenCode, Qwen Code and others name their session, whichever API they speak."""


class EventKind(Enum):
    """What one server-sent event of an answer tells the gate."""

    PREAMBLE = "preamble"
    """Says nothing yet: the answer may still turn out to be an error."""
    CONTENT = "content"
    """The answer has begun: nothing can fail over any more."""
    ERROR = "error"
    """The provider gave up."""
    END = "end"
    """The answer is over without any content."""
    UNKNOWN = "unknown"
    """Not understood: the gate opens, and the answer goes to the client as it is."""


@frozen
class EventMeaning:
    """One event, understood.

    Attributes:
        error: for an ERROR, the JSON object that describes it, for `clipal.outcomes`; never in the repr, because a
            provider may repeat a key or a prompt in it.
        ping: for a PREAMBLE, whether the event only keeps the connection open, and is no sign of progress.
    """

    kind: EventKind
    error: Mapping[str, Any] | None = field(default=None, repr=False)
    ping: bool = field(default=False, eq=False)


PREAMBLE = EventMeaning(EventKind.PREAMBLE)
PING = EventMeaning(EventKind.PREAMBLE, ping=True)
CONTENT = EventMeaning(EventKind.CONTENT)
END_EVENT = EventMeaning(EventKind.END)
UNKNOWN = EventMeaning(EventKind.UNKNOWN)


@frozen
class Unavailable:
    """How a client is told that no provider could answer.

    Attributes:
        status: 429 or 503.
        retry_after: whole seconds for a Retry-After field, or None for no such field.
    """

    status: HTTPStatus
    retry_after: int | None


@frozen
class TimeLimits:
    """Seconds until the first byte of an answer's body, where no setting says otherwise.

    Attributes:
        stream: for a request that asks for a stream.
        whole: for any other.
    """

    stream: float = 120.0
    whole: float = 600.0


class Dialect(ABC):
    """One client's API.

    Attributes:
        prefix: the first path segment, which is also the client's name in logs: `claudecode`.
        config_file: the name of its file in the configuration directory: `claude-code.yaml`.
        title: its name for people: `Claude Code`.
        carrier: where a key travels when neither the provider nor the client's own request says so.
        key_in_query: whether a client may send its key as `?key=` in the query.
        session_fields: the header fields, in lower case, in which a session is named: the client's own ones first.
        builds_on_answers: whether a request may build on an earlier answer that only its provider knows.
        first_event_timeout: seconds for which the gate waits for the event that decides, if no setting says otherwise;
            the client is known to wait as long.
    """

    prefix: str
    config_file: str
    title: str
    carrier: Carrier
    key_in_query: bool = False
    session_fields: tuple[bytes, ...] = (SESSION_FIELD,)
    builds_on_answers: bool = False
    first_event_timeout: float

    @abstractmethod
    def error_body(self, status: HTTPStatus, message: str, request_id: str) -> bytes:
        """An error of clipal's own as JSON in this API's shape; the client shows `message` to its user."""

    def unavailable(self, *, rate_limited: bool, wait: float | None) -> Unavailable:
        """How to say that every provider failed.

        Parameters:
            rate_limited: whether all of them did because of a rate limit.
            wait: seconds until the first of them can be asked again, None if that is not known.
        """
        status = HTTPStatus.TOO_MANY_REQUESTS if rate_limited else HTTPStatus.SERVICE_UNAVAILABLE
        return Unavailable(status, whole_seconds(wait))

    @abstractmethod
    def counts_tokens(self, path: bytes) -> bool:
        """Whether `path` (raw, behind the prefix, no query) only counts tokens."""

    def asks_for_stream(self, path: bytes, query: bytes, fields: FieldTable, ends: bytes) -> bool:
        """Whether the request asks for a stream: by its path, Accept or a plain search, never by a parse.

        Claude Code asks for streams with `Accept: application/json`, so a body that is not encoded is searched.
        A `"stream": true` deep in a body is taken for the real one; the request then has the shorter of two timeouts.

        Parameters:
            ends: the beginning and the end of the body; the large parts stand between them.
        """
        if b"text/event-stream" in fields.get(b"accept", b"").lower():
            return True
        if b"content-encoding" in fields and fields[b"content-encoding"].lower() not in (b"", b"identity"):
            return False
        at = ends.rfind(_STREAM)  # from the end, because Claude Code writes it there
        while at >= 0:
            if _TRUE.match(ends, at):
                return True
            at = ends.rfind(_STREAM, 0, at)
        return False

    def is_probe(self, path: bytes) -> bool:
        """Whether a request for `path` only tests whether a server is there."""
        return False

    def time_limits(self, fields: FieldTable) -> TimeLimits:
        """How long a provider may take, so that another one can be asked before the client gives up."""
        return _TIME_LIMITS

    def upstream_path(self, path: bytes, base_path: bytes) -> bytes:
        """The path to append to a provider's base path; only Codex's `/v1` ever differs from `path`."""
        return path

    def model_in_path(self, path: bytes) -> ModelName | None:
        """The model that `path` (raw, behind the prefix, no query) names; None where it names none."""
        return None

    def model_segment(self, name: str) -> bytes:
        """A model's name as it stands in a path, percent-encoded."""
        return quote(name, safe="").encode("ascii")

    def names_model_in_body(self, path: bytes) -> bool:
        """Whether the body of a request to `path` names its model, as its top-level `"model"`."""
        return True

    def session(self, fields: FieldTable) -> bytes | None:
        """The name of the agent session that a request belongs to; None without one.

        A name has 1 to 256 bytes, because clipal remembers it.
        """
        for name in self.session_fields:
            value = fields.get(name)
            if value and len(value) <= _SESSION_LENGTH:
                return value
        return None

    def previous_answer(self, body: bytes) -> bytes | None:
        """The id of an earlier answer that the request builds on, which only one provider knows; None without one."""
        return None

    def made_answer(self, beginning: bytes) -> bytes | None:
        """The id of an answer, which `previous_answer` finds in a later request; None if `beginning` has none.

        Parameters:
            beginning: of the answer's body.
        """
        return None

    def says_nothing(self, document: object) -> bool:
        """Whether a complete answer in JSON has no content."""
        return False

    @abstractmethod
    def tokens(self, beginning: bytes, end: bytes, path: bytes) -> TokenCounts | None:
        """What an answer says that it cost; None where it does not say, or not within what is known of it.

        Parameters:
            beginning: the first 2 KiB of its body, or all of a shorter one.
            end: the last 8 KiB, likewise.
            path: the request's raw path behind the prefix.
        """

    @abstractmethod
    def meaning(self, event: bytes, data: bytes, path: bytes) -> EventMeaning:
        """What one server-sent event means.

        Parameters:
            event: the `event:` field, empty where there was none.
            data: the `data:` lines, joined with LF.
            path: the request's raw path behind the prefix, which tells one API's formats apart.

        Must not raise, whatever the bytes are.
        """


_TIME_LIMITS: Final = TimeLimits()


def field_value(fields: FieldPairs, name: bytes) -> bytes | None:
    """The value of the first field called `name` (lower case); None where there is none."""
    return next((value for key, value in fields if key.lower() == name), None)


def whole_seconds(wait: float | None) -> int | None:
    """`wait` rounded up to what Retry-After can say (RFC 9110, 10.2.3): at least 1 s; None stays None."""
    return None if wait is None else max(1, -int(-wait // 1))


def compact_json(value: object) -> bytes:
    """`value` as JSON without spaces, in ASCII."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")
