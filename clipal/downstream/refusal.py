"""The bytes of a refusal: a head, and JSON in the client's own error shape."""

from __future__ import annotations

from http import HTTPStatus

from clipal.dialects.dialect import Dialect, compact_json


def refusal_bytes(
    status: HTTPStatus,
    message: str,
    request_id: str,
    dialect: Dialect | None,
    *,
    close: bool,
    with_body: bool,
    retry_after: int | None = None,
    fields: tuple[tuple[bytes, bytes], ...] = (),
) -> bytes:
    """The head and the body of a refusal.

    Parameters:
        dialect: the client's API; None where the request named no client.
        close: whether the connection is closed after it.
        with_body: False in answer to HEAD.
        retry_after: whole seconds for Retry-After, or None.
        fields: further fields.
    """
    if dialect is not None:
        body = dialect.error_body(status, message, request_id)
    else:
        body = compact_json({"error": {"message": message}, "request_id": request_id})
    all_fields = [
        (b"Content-Type", b"application/json"),
        (b"Content-Length", b"%d" % len(body)),
        (b"x-request-id", request_id.encode("ascii")),
        *fields,
    ]
    if retry_after is not None:
        all_fields.append((b"Retry-After", b"%d" % retry_after))
    if close:
        all_fields.append((b"Connection", b"close"))
    head = b"HTTP/1.1 %d %b\r\n" % (status.value, HTTPStatus(status.value).phrase.encode("ascii"))
    lines = b"".join(b"%b: %b\r\n" % field for field in all_fields)
    return b"%b%b\r\n%b" % (head, lines, body if with_body else b"")
