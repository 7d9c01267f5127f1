"""A connection that ends: how often it is looked at while its client takes nothing, and for how long."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from twisted.internet.task import Clock
from twisted.internet.tcp import Connection

from clipal.downstream import closing
from clipal.downstream.closing import Closing


class Transport:
    """One whose client takes nothing."""

    aborted: bool
    closed: bool

    def __init__(self) -> None:
        self.aborted = self.closed = False
        self.registerProducer = self.unregisterProducer = self.loseWriteConnection = lambda *_: None

    def abortConnection(self) -> None:
        self.aborted = True

    def loseConnection(self) -> None:
        self.closed = True


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What each look finds: the last number, again and again."""
    left = [1000]
    found: list[int] = []

    def unsent(_: object) -> int:
        found.append(left[-1])
        return left[-1]

    monkeypatch.setattr(closing, "unsent", unsent)
    return found


def test_a_client_that_takes_nothing_is_looked_at_seldom(looks: list[int]) -> None:
    """Three hundred of them cost a third of a core when each was looked at a hundred times a second."""
    clock, transport = Clock(), Transport()
    ends = Closing(clock, cast("Connection", transport), 600.0)
    ends.close()
    clock.pump([0.01] * 6000)
    assert 10 < len(looks) < 100
    ended = [transport.aborted]
    clock.pump([1.0] * 545)
    assert [*ended, transport.aborted] == [False, True]
    ends.lost()


def test_a_client_that_takes_all_is_closed_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    left = [1000]
    monkeypatch.setattr(closing, "unsent", lambda _: left[0])
    clock, transport = Clock(), Transport()
    ends = Closing(clock, cast("Connection", transport), 600.0)
    ends.close()
    clock.pump([0.01] * 500)
    for left[0] in (500, 0):
        clock.pump([0.01] * 125)
    assert transport.closed
    ends.lost()


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_where_the_system_does_not_tell_nothing_is_unacknowledged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    with (tmp_path / "no socket").open("wb") as file:
        transport = SimpleNamespace(getHandle=lambda: file)
        assert closing.unacknowledged(cast("Connection", transport)) == 0
