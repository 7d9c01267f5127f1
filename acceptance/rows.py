"""The run: each client is connected, plays all scenarios that fit it, and is disconnected again.

The rows are played one after the other. Each row has a limit of time, and so has the run.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from attrs import define, field
from twisted.internet.defer import CancelledError
from twisted.internet.threads import deferToThread

from acceptance.checks import FailedError, require
from acceptance.clients import Client
from acceptance.files import Files
from acceptance.report import Report, Row
from acceptance.scenarios import SCENARIOS, Scenario
from acceptance.stage import Stage

RUN_LIMIT: Final = 600.0
"""Seconds after which no further row begins."""


@define
class Run:
    """One run.

    Parameters:
        words: only scenarios with one of these in their title are played; without words, all are.
    """

    stage: Stage
    report: Report
    words: Sequence[str]
    _begun: float = field(factory=time.monotonic)

    async def all_of(self, clients: Sequence[Client]) -> None:
        """Plays all rows of some clients."""
        self.report.begin()
        for client in clients:
            await self._one(client)
        self.report.end()

    async def _one(self, client: Client) -> None:
        files = Files(self.stage.place.home, client)
        if client.connects:
            await self._set_up(client, files)
        for scenario in SCENARIOS:
            if scenario.fits(client) and self._chosen(scenario):
                await self._play(client, scenario)
        if client.connects:
            await self._take_back(client, files)

    def _chosen(self, scenario: Scenario) -> bool:
        return not self.words or any(word.casefold() in scenario.title.casefold() for word in self.words)

    async def _set_up(self, client: Client, files: Files) -> None:
        files.write()
        place = self.stage.place
        connect = ("connect", "--yes", "--home", str(place.home), client.prefix)
        await self._command(client, connect, lambda: f"wrote {files.connected(place.base)}")

    async def _take_back(self, client: Client, files: Files) -> None:
        await self._command(client, ("disconnect", client.prefix), files.taken_back)

    async def _command(self, client: Client, words: Sequence[str], check: Callable[[], str]) -> None:
        """Adds a row for one of clipal's commands, and checks its effect."""

        async def row() -> tuple[str, float]:
            ended = await deferToThread(self.stage.clipal, *words)
            require(ended.status == 0, f"status {ended.status}: {ended.said}")
            return check(), ended.seconds

        await self._row(client, f"`clipal {words[0]}`", row)

    async def _play(self, client: Client, scenario: Scenario) -> None:
        async def row() -> tuple[str, float]:
            require(time.monotonic() - self._begun < RUN_LIMIT, f"not played: {RUN_LIMIT:.0f} s are over")
            place = self.stage.place
            providers = (scenario.first(client, place), scenario.second(client, place))
            seen = await self.stage.play(client, providers, scenario.way(client))
            return scenario.check(seen), seen.ended.seconds

        await self._row(client, scenario.title, row)

    async def _row(self, client: Client, scenario: str, row: Callable[[], Awaitable[tuple[str, float]]]) -> None:
        """Adds a row to the report: what happened and the client's seconds, or why it failed."""
        begun = time.monotonic()
        try:
            happened, seconds = await row()
            passed = True
        except CancelledError:  # the run is ended early
            raise
        except Exception as error:  # an unexpected error fails this row only; the others are played all the same
            known = isinstance(error, FailedError)
            happened = str(error) if known else f"{type(error).__name__}: {error}"
            passed, seconds = False, time.monotonic() - begun
        self.report.add(Row(client.title, client.version, scenario, happened, passed, seconds))
