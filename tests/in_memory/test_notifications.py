"""Desktop notifications: which events are shown, how often, and that nothing depends on them."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event

import pytest
from twisted.internet.defer import Deferred, DeferredQueue
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.task import deferLater
from twisted.logger import ILogObserver, LogEvent, Logger, LogLevel, globalLogPublisher
from zope.interface import implementer

from clipal.config import settings as configured
from clipal.logs.notifications import QUIET, Desktop, Notifications, NotificationThread
from clipal.logs.redaction import Redactor
from tests.proxy import provider
from tests.wirekit.client import request
from tests.wirekit.marks import ensure_deferred
from tests.wirekit.steps import answer
from tests.wirekit.waiting import reactor
from tests.world import World

WARN = configured.NotificationSettings(True, configured.LogLevel.WARN)
INFO = configured.NotificationSettings(True, configured.LogLevel.INFO)
ERROR = configured.NotificationSettings(True, configured.LogLevel.ERROR)
SILENT = configured.NotificationSettings(True, configured.LogLevel.ERROR, provider_switch=False)


@implementer(ILogObserver)
class Heard(list[str]):
    """The kinds of failures that were logged."""

    def __call__(self, event: LogEvent) -> None:
        if "kind" in event:
            self.append(event["kind"])


def event(level: LogLevel, text: str = "news", at: float = 0.0, **fields: object) -> dict[str, object]:
    return {"log_level": level, "log_format": text, "log_time": at, "log_namespace": "clipal.x", **fields}


@pytest.mark.parametrize(
    ("settings", "given", "shown"),
    [
        (ERROR, event(LogLevel.error), True),
        (ERROR, event(LogLevel.critical), True),
        (ERROR, event(LogLevel.warn), False),
        (WARN, event(LogLevel.warn), True),
        (WARN, event(LogLevel.info), False),
        (INFO, event(LogLevel.info), True),
        (INFO, event(LogLevel.debug), False),
        (INFO, event(LogLevel.info, id="a request's"), False),
        (INFO, event(LogLevel.info, log_namespace="twisted.web.server.Site"), False),
        (ERROR, event(LogLevel.info, switched=True), True),
        (SILENT, event(LogLevel.info, switched=True), False),
        (WARN, event(LogLevel.warn, id="a request's"), False),
        (WARN, event(LogLevel.warn, log_namespace="clipal.logs.notifications.NotificationThread"), False),
    ],
)
def test_what_is_shown(settings: configured.NotificationSettings, given: dict[str, object], shown: bool) -> None:
    texts: list[str] = []
    Notifications(settings, Redactor(), texts.append)(given)
    assert bool(texts) is shown


def test_the_same_is_shown_once_in_a_while() -> None:
    texts: list[str] = []
    observer = Notifications(ERROR, Redactor(), texts.append)
    for at in (0.0, 1.0, QUIET - 1, QUIET + 1):
        observer(event(LogLevel.error, at=at))
    assert len(texts) == 2


def test_no_secret_is_shown() -> None:
    texts: list[str] = []
    Notifications(ERROR, Redactor(["sk-secret-key"]), texts.append)(event(LogLevel.error, "no sk-secret-key here"))
    assert texts == ["no [redacted] here"]


@ensure_deferred
async def test_sending_happens_elsewhere_and_a_failure_is_said_once() -> None:
    heard = Heard()
    globalLogPublisher.addObserver(heard)
    tried: Deferred[None] = Deferred()

    def send(text: str) -> None:
        if text == "third":
            IReactorFromThreads(reactor).callFromThread(tried.callback, None)
        raise OSError("no desktop")

    thread = NotificationThread(IReactorFromThreads(reactor), send)
    for text in ("first", "second", "third", "one too many"):
        thread(text)
    await tried
    thread.stop()
    await deferLater(reactor, 0.01)
    globalLogPublisher.removeObserver(heard)
    assert heard == ["OSError"]


@ensure_deferred
async def test_a_desktop_that_does_not_answer_keeps_nothing_from_ending() -> None:
    begun, let_go = Event(), Event()

    def send(text: str) -> None:
        begun.set()
        let_go.wait(30)

    thread = NotificationThread(IReactorFromThreads(reactor), send)
    thread("first")
    assert begun.wait(5)
    began = time.monotonic()
    thread.stop()
    waited = time.monotonic() - began
    let_go.set()
    await deferLater(reactor, 0.01)
    assert waited < 15


@ensure_deferred
async def test_a_switch_of_provider_is_shown(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[str] = []
    arrived = Event()

    def sender() -> Callable[[str], object]:
        def send(text: str) -> None:
            shown.append(text)
            arrived.set()

        return send

    monkeypatch.setattr("clipal.logs.notifications.sender", sender)
    first, second = world.upstream(answer(500, b"")), world.upstream(answer(200, b"hello"))
    proxy = world.proxy(
        {"claudecode": [provider("one", first.base_url), provider("two", second.base_url)]},
        notifications=configured.NotificationSettings(enabled=True),
    )
    client = await world.connect(proxy.port)
    client.send(request(b"POST", b"/claudecode/v1/messages", body=b"{}"))
    assert (await client.read_response()).status == 200
    assert arrived.wait(5)
    assert shown == ["claudecode: two answers now, in place of one"]


@pytest.mark.parametrize(
    ("problem", "said"),
    [(ImportError(), "need the extra: pip install"), (OSError("no bus"), "do not work here: OSError")],
)
@ensure_deferred
async def test_without_a_desktop_it_says_so_and_serves(
    world: World, monkeypatch: pytest.MonkeyPatch, problem: Exception, said: str
) -> None:
    def sender() -> None:
        raise problem

    monkeypatch.setattr("clipal.logs.notifications.sender", sender)
    proxy = world.proxy({}, notifications=configured.NotificationSettings(enabled=True))
    client = await world.connect(proxy.port)
    client.send(request(b"GET", b"/health"))
    assert (await client.read_response()).status == 200
    assert [line for line in proxy.lines if said in line]


@ensure_deferred
async def test_a_reload_begins_changes_and_ends_them(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    arrived: DeferredQueue[str] = DeferredQueue()

    def send(text: str) -> None:
        IReactorFromThreads(reactor).callFromThread(arrived.put, text)

    monkeypatch.setattr("clipal.logs.notifications.sender", lambda: send)
    news, desktop = Logger("clipal.x"), Desktop(IReactorFromThreads(reactor))
    news.error("before")
    desktop.follow(ERROR, ["old-secret"])
    desktop.follow(ERROR, ["new-secret"])
    news.error("it is new-secret")
    shown.append(await arrived.get())
    desktop.follow(WARN, ["new-secret"])
    news.warn("changed")
    shown.append(await arrived.get())
    desktop.follow(configured.NotificationSettings(), [])
    news.error("behind")
    desktop.follow(ERROR, [])
    news.error("last")
    shown.append(await arrived.get())
    desktop.close()
    assert shown == ["it is [redacted]", "changed", "last"]
