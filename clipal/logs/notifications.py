"""Desktop notifications for an operator who does not look at the log.

They are an observer of the log, so that no part that serves requests knows of them. Sending runs in a thread of its
own. When it fails, one line in the log says so; when it hangs, requests are served all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from queue import SimpleQueue
from threading import Thread
from time import time
from typing import Final, TypeAlias

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import ILogObserver, LogEvent, Logger, formatEvent, globalLogPublisher
from zope.interface import implementer

from clipal.config.settings import NotificationSettings
from clipal.logs.line import LineSeverity, severity
from clipal.logs.redaction import Redactor

QUIET: Final = 10.0
"""Seconds in which the same text is shown once, because a provider that is down fails many requests."""

Send: TypeAlias = Callable[[str], object]
"""Shows a text on the desktop; runs in a thread, and may raise."""


@implementer(ILogObserver)
class Notifications:
    """Shows events of `min_level` and above, and switches of provider.

    Parameters:
        settings: of the configuration.
        redactor: takes the secrets out of the text.
        show: shows a text, without blocking.
    """

    _log = Logger()

    def __init__(
        self,
        settings: NotificationSettings,
        redactor: Redactor,
        show: Callable[[str], object],
    ) -> None:
        self._least = LineSeverity[settings.min_level.name]
        self._switches = settings.provider_switch
        self._redactor = redactor
        self._show = show
        self._shown: dict[str, float] = {}

    def __call__(self, event: LogEvent) -> None:
        """Shows the event, if its level or its switch of provider asks for that."""
        if event.get("log_namespace", "").startswith(__name__):
            return
        switch = self._switches and event.get("switched")
        if not switch and (severity(event) < self._least or "id" in event):
            return
        self.show(self._redactor.redact(formatEvent(event)), float(event.get("log_time", 0.0)))

    def show(self, text: str, when: float | None = None) -> None:
        """Shows a text, if it was not shown a short while before."""
        when = time() if when is None else when
        self._shown = {each: shown for each, shown in self._shown.items() if 0 <= when - shown < QUIET}
        if text and text not in self._shown:
            self._shown[text] = when
            self._show(text)


def sender() -> Send:
    """What shows a text, with the library of the extra `clipal[notify]`.

    Raises:
        ImportError: it is not installed.
    """
    from desktop_notifier import DesktopNotifierSync

    desktop = DesktopNotifierSync(app_name="clipal")
    return lambda text: desktop.send(title="clipal", message=text)


class NotificationThread:
    """One thread that sends texts, started with the first text; while it is busy, up to three texts wait.

    It is a daemon thread, so that a desktop that does not answer keeps no process alive.
    """

    _log = Logger()

    def __init__(self, reactor: IReactorFromThreads, send: Send) -> None:
        self._reactor = reactor
        self._send = send
        self._texts: SimpleQueue[str | None] = SimpleQueue()
        self._started = False
        self._waiting = 0
        self._failed = False

    def __call__(self, text: str) -> None:
        """Sends `text`, unless three texts are waiting already."""
        if self._waiting >= 3:
            return
        self._waiting += 1
        self._texts.put(text)
        if not self._started:
            self._started = True
            Thread(target=self._run, name="notifications", daemon=True).start()

    def _run(self) -> None:
        """Runs in the thread."""
        while (text := self._texts.get()) is not None:
            problem = None
            try:
                self._send(text)
            except Exception as error:
                problem = type(error).__name__
            self._reactor.callFromThread(self._sent, problem)

    def _sent(self, problem: str | None) -> None:
        self._waiting -= 1
        if problem is not None and not self._failed:
            self._failed = True
            self._log.warn("Desktop notifications do not work here: {kind}", kind=problem)

    def stop(self) -> None:
        """Lets the thread end after the texts that wait."""
        self._texts.put(None)


class Desktop(Service):
    """Notifications as the configuration in force wants them: none, or an observer of the log and its thread.

    Parameters:
        show: shows texts in place of this process; None where this process does.
    """

    _log = Logger()

    def __init__(self, reactor: IReactorFromThreads, show: Callable[[str], object] | None = None) -> None:
        self._reactor = reactor
        self._show = show
        self._settings = NotificationSettings()
        self._redactor = Redactor()
        self._running: tuple[Notifications, NotificationThread | None] | None = None

    def follow(self, settings: NotificationSettings, secrets: Iterable[str]) -> None:
        """Begins, ends or changes the notifications; `secrets` are taken out of them."""
        self._redactor.set_secrets(secrets)
        if settings == self._settings:
            return
        self.close()
        self._settings = settings
        if settings.enabled:
            self._begin()

    def show(self, text: str) -> None:
        """Shows what another process wants shown."""
        if self._running is not None:
            self._running[0].show(text)

    def _begin(self) -> None:
        try:
            thread = NotificationThread(self._reactor, sender()) if self._show is None else None
        except ImportError:
            self._log.warn("Desktop notifications need the extra: pip install 'clipal[notify]'")
        except Exception as error:
            self._log.warn("Desktop notifications do not work here: {kind}", kind=type(error).__name__)
        else:
            show = self._show or thread
            assert show is not None
            observer = Notifications(self._settings, self._redactor, show)
            globalLogPublisher.addObserver(observer)
            self._running = observer, thread

    def stopService(self) -> None:
        super().stopService()
        self.close()

    def close(self) -> None:
        """Ends the notifications."""
        running, self._running = self._running, None
        if running is not None:
            observer, thread = running
            globalLogPublisher.removeObserver(observer)
            if thread is not None:
                thread.stop()
