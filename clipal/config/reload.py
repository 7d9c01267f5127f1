"""The LoopingCall's body: notices that a file has changed, reads all of them, and swaps the configuration whole.

If anything is wrong, the configuration in force stays, one error says where, and the next change is tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from attrs import evolve
from twisted.logger import Logger

from clipal.config.loader import CONFIG_FILE, Overrides, load_configuration
from clipal.config.model import Configuration, Settings
from clipal.config.problems import ConfigurationError

Stamp = tuple[int, int, int] | None
"""(modification time in ns, size in bytes, inode) of a file; None for one that is not there."""
Apply = Callable[[Configuration, frozenset[str]], None]

_FIXED: Final = ("listen_addr", "port", "log_dir", "log_retention_days", "log_stdout")
"""Settings that are read once, at the start."""


class Reloader:
    """Keeps a configuration up to date.

    Parameters:
        clients: the name of each client's file, by the client's prefix.
        current: the configuration in force.
        apply: takes a new one, and the prefixes of the clients whose file was saved anew.
    """

    _log = Logger()

    def __init__(
        self,
        directory: Path,
        clients: Mapping[str, str],
        overrides: Overrides,
        current: Configuration,
        apply: Apply,
    ) -> None:
        self._directory = directory
        self._clients = dict(clients)
        self._overrides = overrides
        self._current = current
        self._apply = apply
        self._stamps = self._look()
        self._pending: set[str] = set()  # changed, but not applied, for something is wrong

    def check(self) -> None:
        """Loads the files if any has changed since they were last looked at."""
        stamps = self._look()
        changed = {name for name, stamp in stamps.items() if stamp != self._stamps[name]}
        if changed:
            self._load(stamps, {prefix for prefix, name in self._clients.items() if name in changed})

    def reload_all(self) -> None:
        """Loads the files, changed or not, and begins afresh with every client."""
        self._load(self._look(), set(self._clients))

    def _load(self, stamps: dict[str, Stamp], reset: set[str]) -> None:
        """The stamps are older than what is read: a file that is being written is seen again by the next check."""
        self._stamps = stamps
        self._pending |= reset
        try:
            loaded = load_configuration(self._directory, self._clients, self._overrides, self._current.settings)
        except ConfigurationError as error:
            for problem in error.problems:
                self._log.error("The configuration stays as it was: {error}", error=str(problem))
            return
        reset, self._pending = self._pending, set()
        self._current = evolve(loaded, settings=self._running(loaded.settings))
        self._apply(self._current, frozenset(reset))
        for warning in loaded.warnings:
            self._log.warn("{warning}", warning=warning)
        clients = ", ".join(f"/{prefix}" for prefix in self._clients if prefix in reset) or "none"
        self._log.info("Loaded the configuration; clients that begin afresh: {clients}", clients=clients)

    def _running(self, settings: Settings) -> Settings:
        """`settings` with what only a restart changes as it is running."""
        running = {name: getattr(self._current.settings, name) for name in _FIXED}
        for name, value in running.items():
            if getattr(settings, name) != value:
                self._log.warn("A change of {name} takes effect at the next start", name=name)
        return evolve(settings, **running)

    def _look(self) -> dict[str, Stamp]:
        return {name: _stamp(self._directory / name) for name in (CONFIG_FILE, *self._clients.values())}


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
