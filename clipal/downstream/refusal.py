"""What clipal itself answers: JSON in the client's own error shape, whole heads and bodies as bytes."""

from __future__ import annotations

from http import HTTPStatus

from attrs import frozen

from clipal.dialects.dialect import Dialect, compact_json


@frozen
class OwnAnswer:
    """An answer of clipal's own.

    Attributes:
        dialect: the client's API; None where the request named no client.
        retry_after: whole seconds for Retry-After, or None.
        fields: further ones.
    """

    refused: HTTPStatus
    message: str
    request_id: str
    dialect: Dialect | None = None
    retry_after: int | None = None
    fields: tuple[tuple[bytes, bytes], ...] = ()

    def to_bytes(self, *, close: bool, with_body: bool = True) -> bytes:
        """The answer as it goes out.

        Parameters:
            close: whether the connection is closed behind it.
            with_body: False for what answers HEAD.
        """
        body = self._body()
        fields = [
            (b"Content-Type", b"application/json"),
            (b"Content-Length", b"%d" % len(body)),
            (b"x-request-id", self.request_id.encode("ascii")),
            *self.fields,
        ]
        if self.retry_after is not None:
            fields.append((b"Retry-After", b"%d" % self.retry_after))
        if close:
            fields.append((b"Connection", b"close"))
        reason = HTTPStatus(self.refused.value).phrase.encode("ascii")
        head = b"HTTP/1.1 %d %b\r\n" % (self.refused.value, reason)
        lines = b"".join(b"%b: %b\r\n" % field for field in fields)
        return b"%b%b\r\n%b" % (head, lines, body if with_body else b"")

    def _body(self) -> bytes:
        if self.dialect is not None:
            return self.dialect.error_body(self.refused, self.message, self.request_id)
        return compact_json({"error": {"message": self.message}, "request_id": self.request_id})
