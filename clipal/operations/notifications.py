"""Desktop notifications: what an operator would want to know while looking elsewhere.

An observer of the log, so that nothing that serves requests knows of it. Sending runs in a thread of its own and may
fail, or hang, without anybody but one line in the log being the worse for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.logger import ILogObserver, LogEvent, Logger, LogLevel, formatEvent
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool
from zope.interface import implementer

from clipal.config import model
from clipal.operations.redaction import Redactor

QUIET: Final = 10.0
"""Seconds in which the same text is shown once: a provider that is down fails many requests."""

Send: TypeAlias = Callable[[str], object]
"""Shows a text on the desktop; runs in a thread, and may raise."""

_LEVELS: Final = {model.LogLevel.WARN: (LogLevel.warn, LogLevel.error, LogLevel.critical)}
_ERRORS: Final = (LogLevel.error, LogLevel.critical)


@implementer(ILogObserver)
class Notifications:
    """Shows events of `min_level` and above, and switches of provider.

    Parameters:
        settings: of the configuration.
        redactor: takes the secrets out of what is shown.
        show: shows a text, without blocking.
    """

    _log = Logger()

    def __init__(
        self,
        settings: model.Notifications,
        redactor: Redactor,
        show: Callable[[str], object],
    ) -> None:
        self._levels = _LEVELS.get(settings.min_level, _ERRORS)
        self._switches = settings.provider_switch
        self._redactor = redactor
        self._show = show
        self._shown: dict[str, float] = {}

    def __call__(self, event: LogEvent) -> None:
        """Shows the event, if it is one to be shown; never raises."""
        if event.get("log_namespace", "").startswith(__name__):
            return
        switch = self._switches and event.get("switched")
        if not switch and (event.get("log_level") not in self._levels or "id" in event):
            return
        text = self._redactor.redact(formatEvent(event))
        when = float(event.get("log_time", 0.0))
        self._shown = {each: shown for each, shown in self._shown.items() if 0 <= when - shown < QUIET}
        if text and text not in self._shown:
            self._shown[text] = when
            self._show(text)


def sender() -> Send:
    """Shows a text with the library of the extra `clipal[notify]`.

    Raises:
        ImportError: it is not installed.
    """
    from desktop_notifier import DesktopNotifierSync

    desktop = DesktopNotifierSync(app_name="clipal")
    return lambda text: desktop.send(title="clipal", message=text)


class NotificationThread:
    """One thread that sends, started with the first text; what comes while it is busy waits, up to a few."""

    _log = Logger()

    def __init__(self, reactor: IReactorFromThreads, send: Send) -> None:
        self._reactor = reactor
        self._send = send
        self._pool = ThreadPool(0, 1, "notifications")
        self._waiting = 0
        self._failed = False

    def __call__(self, text: str) -> None:
        """Sends `text`, unless a few are waiting already."""
        if self._waiting >= 3:
            return
        if not self._pool.started:
            self._pool.start()
        self._waiting += 1
        sending = deferToThreadPool(self._reactor, self._pool, self._send, text)
        sending.addErrback(self._said_once)
        sending.addBoth(self._done)

    def _done(self, _: object) -> None:
        self._waiting -= 1

    def _said_once(self, failure: Failure) -> None:
        if not self._failed:
            self._failed = True
            self._log.warn("Desktop notifications do not work here: {kind}", kind=type(failure.value).__name__)

    def stop(self) -> None:
        """Ends the thread."""
        if self._pool.started:
            self._pool.stop()
