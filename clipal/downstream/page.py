"""A request for one of clipal's own pages, in the form that twisted.web's Resources take."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.web.error import UnsupportedMethod
from twisted.web.http import HTTPChannel
from twisted.web.resource import IResource, getChildForRequest
from twisted.web.server import NOT_DONE_YET, Site
from twisted.web.server import Request as WebRequest

from clipal.downstream.admission import Refusal
from clipal.downstream.request import Request

_NOT_SERVED: Final = Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "This method is not served here.", "method")


class PageRequest(WebRequest):
    """A request of twisted.web, made from a client's `Request`.

    Attributes:
        asked: the client's request, which ends when this request ends.
    """

    def __init__(self, asked: Request, channel: HTTPChannel, site: Site) -> None:
        super().__init__(channel, parsePOSTFormSubmission=False)
        self.asked = asked
        self.site = site
        self._root = site.resource
        self.method = asked.method
        self.uri = asked.uri
        self.path = asked.path
        self.clientproto = b"HTTP/" + asked.head.version.encode("ascii")
        self.args = {}
        for name, value in asked.head.fields:
            self.requestHeaders.addRawHeader(name, value)
        asked.on_disconnect = self._client_disconnected

    def process(self) -> None:
        """Finds the Resource by the raw path. Its segments are not decoded, so each Resource has one spelling."""
        self.prepath = []
        self.postpath = self.path[1:].split(b"/")
        self.render(getChildForRequest(self._root, self))

    def render(self, resrc: IResource) -> None:
        """Renders the Resource as twisted.web does, but refuses an unsupported method without HTML."""
        try:
            body = resrc.render(self)
        except UnsupportedMethod as error:
            self.refuse(_NOT_SERVED, ((b"Allow", b", ".join(error.allowedMethods)),))
            return
        if body is NOT_DONE_YET:
            return
        self.setHeader(b"Content-Length", b"%d" % len(body))
        self.write(body)
        self.finish()

    def refuse(self, refusal: Refusal, fields: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        """Answers with `refusal`, counts it and logs it. The connection stays open."""
        self.note(refusal)
        self.asked.answer(refusal.status, refusal.message, retry_after=refusal.retry_after, fields=fields)

    def note(self, refusal: Refusal) -> None:
        """Counts and logs a refusal that a Resource answers itself."""
        asked = self.asked
        asked.channel.site.note_refusal(refusal, asked.head, asked.id, asked.peer)

    def write(self, data: bytes) -> None:
        """Writes as twisted.web does, and adds `Connection: close` where the connection ends with this answer."""
        if not self.startedWriting and self.asked.channel.closes_behind():
            self.setHeader(b"Connection", b"close")
        self.asked.started = True
        super().write(data)

    def _client_disconnected(self) -> None:
        self.connectionLost(self.asked.lost or Failure(ConnectionDone()))
