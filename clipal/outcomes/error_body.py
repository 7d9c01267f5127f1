"""Takes an error's body apart, as far as it says why. The body may hold anything, so it is not shown in any message."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import field, frozen

from clipal.dialects.dialect import FieldPairs, field_value
from clipal.outcomes.facts import Fact, quota_fact, rows
from clipal.outcomes.phrases import begins_with
from clipal.wire.coding import decode

DECODED: Final = 64 * 1024
"""Bytes of a body that are looked at."""

_WORDS: Final = ("code", "type", "status", "reason", "__type", "error_code", "errorCode")
_STATUSES: Final = ("status_code", "statusCode", "http_code", "http_status")
_MESSAGE: Final = 2048
_LONGEST_NUMBER: Final = 10**9
_NUMBER: Final = re.compile("[45][0-9][0-9]")
_STATUS_PHRASES: Final = frozenset(["not found", "request entity too large", "payload too large", "bad request"])
"""What web servers and frameworks write where an API writes its error."""


@frozen
class ErrorBody:
    """What a body says.

    Attributes:
        sent: whether the body had any bytes, readable or not.
        document: the JSON object that was sent; empty where something else was sent.
        error: the object in `document` that describes the error, or `document` itself; empty without a document.
        amazon: the error's type from Amazon Bedrock's header field; empty without that field.
    """

    text: bytes = field(repr=False)
    is_json: bool
    sent: bool = True
    document: Mapping[str, Any] = field(repr=False, factory=dict)
    error: Mapping[str, Any] = field(repr=False, factory=dict)
    amazon: str = field(repr=False, default="")

    @classmethod
    def read(cls, fields: FieldPairs, body: bytes) -> ErrorBody:
        """Takes `body` apart, which came with `fields` and has its content coding. Broken JSON raises nothing."""
        text = decode(body, field_value(fields, b"content-encoding") or b"", DECODED)
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            return cls(text, False, bool(body))
        amazon = (field_value(fields, b"x-amzn-errortype") or b"").decode("latin-1").partition(":")[0]
        return cls.of(document, text, amazon)

    @classmethod
    def of(cls, document: object, text: bytes = b"", amazon: str = "") -> ErrorBody:
        """Takes a JSON document apart."""
        if isinstance(document, list) and document:  # Google's streams answer with a list
            document = document[0]
        if not isinstance(document, dict):
            return cls(text, True, amazon=amazon)
        return cls(text, True, document=document, error=_error(document), amazon=amazon)

    # The parts

    def word(self, key: str) -> str:
        """The value of `key` in the error, in lower case; empty where the value is no text or number."""
        value = self.error.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LONGEST_NUMBER:
            return str(value)
        return value[:_MESSAGE].lower() if isinstance(value, str) else ""

    @property
    def message(self) -> str:
        """The error's message to people in lower case, without leading blanks."""
        for key in ("message", "msg", "status_msg", "detail"):
            message = self.word(key).lstrip()
            if message:
                return message
        return ""

    def details(self) -> Iterator[Mapping[str, Any]]:
        """Google's error details (google.rpc) that are objects."""
        details = self.error.get("details")
        if isinstance(details, list):
            yield from (each for each in details[:32] if isinstance(each, dict))

    def words(self) -> Iterator[str]:
        """The values that may be a vendor's word for the error."""
        for key in _WORDS:
            word = self.word(key)
            if word:
                yield word.rpartition("#")[2]
        if self.amazon:
            yield self.amazon
        for detail in self.details():
            reason = detail.get("reason")
            if isinstance(reason, str):
                yield reason

    def facts(self) -> frozenset[Fact]:
        """What the error's words and details say."""
        found = {row.fact for row in rows(self.words())}
        found.update(fact for quota in self._quotas() if (fact := quota_fact(quota)) is not None)
        metadata = self.error.get("metadata")
        if isinstance(metadata, dict) and "flagged_input" in metadata:  # OpenRouter's moderation
            found.add(Fact.REQUEST)
        return frozenset(found)

    def _quotas(self) -> Iterator[str]:
        for detail in self.details():
            violations = detail.get("violations")
            if is_a(detail, "google.rpc.QuotaFailure") and isinstance(violations, list):
                ids = (each.get("quotaId") for each in violations[:32] if isinstance(each, dict))
                yield from (each for each in ids if isinstance(each, str))

    def status(self) -> int:
        """The HTTP status that the error stands for if it came without one.

        The status is 500 where no word is known and no number names a status: the provider failed and does not say
        why.
        """
        for word in self.words():
            if _NUMBER.fullmatch(word):
                return int(word)
            row = next(rows([word]), None)
            if row is not None and row.fact is not Fact.STATUS:
                return row.status
        general = next(rows(self.words()), None)
        if general is not None:
            return general.status
        for key in _STATUSES:
            if _NUMBER.fullmatch(self.word(key)):
                return int(self.word(key))
        for fact, status in ((Fact.KEY, 401), (Fact.QUOTA, 402), (Fact.MODEL, 404)):
            if begins_with(self.message, fact):
                return status
        return 500

    @property
    def names_status(self) -> bool:
        """Whether the error names an error's status as a number."""
        return any(map(_NUMBER.fullmatch, map(self.word, ("code", "status", *_STATUSES))))

    @property
    def has_api_shape(self) -> bool:
        """Whether an API wrote the error, and not a web server that lacks the path."""
        document = self.document
        error = document.get("error")
        if isinstance(error, str):
            return error.strip().lower() not in _STATUS_PHRASES
        if isinstance(error, dict | list):
            return bool(error)
        if "base_resp" in document or document.get("type") == "error" or document.get("object") == "error":
            return True
        return bool(document.get("message")) and any(document.get(key) for key in ("code", "type", "__type"))


def is_a(detail: Mapping[str, Any], kind: str) -> bool:
    """Whether one of Google's error details has the type `kind`, such as `google.rpc.RetryInfo`."""
    name = detail.get("@type")
    return isinstance(name, str) and name.endswith(kind)


def _error(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where the error stands: under `error` (of the `response` that failed), in MiniMax's `base_resp`, or the root."""
    base = document.get("base_resp")
    if isinstance(base, dict) and base.get("status_code"):
        return {"code": f"minimax{str(base['status_code'])[:16]}", "message": base.get("status_msg")}
    response = document.get("response")
    if isinstance(response, dict) and "error" in response:
        document = response
    for key in ("error", "errors", "detail"):
        error = document.get(key)
        if isinstance(error, list) and error:
            error = error[0]
        if isinstance(error, dict):
            return _nested(error) if key == "detail" else error
        if key == "error" and error is not None:  # a text; the other keys stand beside it
            return {"message": error, **document}
    return document


def _nested(detail: Mapping[str, Any]) -> Mapping[str, Any]:
    error = detail.get("error")
    return error if isinstance(error, dict) else detail
