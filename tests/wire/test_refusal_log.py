"""Refusals that anybody can cause fill no log: ten lines a minute for each kind, and a sum."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

import pytest
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from zope.interface import implementer

from clipal.downstream import refusal_log
from clipal.downstream.admission import Refusal
from clipal.downstream.refusal_log import RefusalLog
from tests.wirekit.client import request
from tests.wirekit.marks import ensure_deferred
from tests.world import World

FOREIGN = Refusal(HTTPStatus.FORBIDDEN, "foreign", "host")
BROKEN = Refusal(HTTPStatus.BAD_REQUEST, "broken", "not HTTP")


@implementer(ILogObserver)
class Lines:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, event: LogEvent) -> None:
        self.lines.append(formatEvent(event))


@pytest.fixture
def lines() -> Iterator[list[str]]:
    observer = Lines()
    globalLogPublisher.addObserver(observer)
    yield observer.lines
    globalLogPublisher.removeObserver(observer)


def test_ten_of_a_kind_have_a_line_and_the_others_a_sum_at_the_end_of_each_minute(lines: list[str]) -> None:
    clock = Clock()
    log = RefusalLog(clock)
    for _ in range(2):
        assert [log.has_line(FOREIGN, "10.0.0.1") for _ in range(30)] == [True] * 10 + [False] * 20
        assert log.has_line(FOREIGN, "10.0.0.2")
        assert log.has_line(BROKEN, "10.0.0.1")
        clock.advance(59)
        assert lines == []
        clock.advance(1)
        assert lines == ["refused 20 more requests from 10.0.0.1 in this minute → 403: foreign"]
        lines.clear()
    assert clock.getDelayedCalls() == []


def test_few_refusals_leave_no_timer_and_no_sum(lines: list[str]) -> None:
    clock = Clock()
    log = RefusalLog(clock)
    for _ in range(30):
        assert log.has_line(FOREIGN, "10.0.0.1")
        assert clock.getDelayedCalls() == []
        clock.advance(10)
    assert lines == []


def test_kinds_without_end_are_bounded(lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusal_log, "KINDS", 5)
    log = RefusalLog(Clock())
    told = sum(log.has_line(FOREIGN, f"10.0.0.{number}") for number in range(200))
    assert told == 5 + 10
    log.sum_up()
    assert lines == ["refused 185 more requests from other addresses in this minute → 403: foreign"]


@ensure_deferred
async def test_a_web_pages_requests_fill_no_log(world: World) -> None:
    proxy = world.proxy({})
    target = b"/claudecode/" + b"y" * 8000
    for _ in range(25):
        client = await world.connect(proxy.port)
        client.send(request(b"GET", target, ((b"Host", b"localhost"), (b"Origin", b"http://evil.example"))))
        assert (await client.read_response()).status == 403
        client.abort()
    own = [line for line in proxy.lines if line.startswith("refused GET ")]
    assert len(own) == 10
    assert all(len(line) < 500 for line in own)
    assert target[:200].decode() + "… from 127.0.0.1 → 403" in own[0]
    proxy.service.site._refusals.sum_up()
    (line,) = [line for line in proxy.lines if "more requests" in line]
    assert line.startswith(
        "refused 15 more requests from 127.0.0.1 in this minute → 403: clipal does not serve web pages'"
    )
