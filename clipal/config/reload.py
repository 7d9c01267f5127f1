"""Notices that a configuration file has changed, reads all of them, and swaps the configuration whole.

If anything is wrong, the configuration in force stays and one error says where. A change counts as taken only when it
has been applied: until then each look tries it again, and an error that repeats itself is logged once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from attrs import evolve
from twisted.logger import Logger

from clipal.config.loader import load_configuration
from clipal.config.model import Configuration
from clipal.config.overrides import Overrides
from clipal.config.problems import ConfigurationError
from clipal.config.settings import Settings
from clipal.config.settings_file import CONFIG_FILE
from clipal.config.stamps import Stamp, look

Apply = Callable[[Configuration, frozenset[str]], None]

READ_ONCE: Final = (
    "listen_addr", "port", "listen", "tls", "status_listen", "workers",
    "log_dir", "log_retention_days", "log_max_bytes", "log_stdout",
)  # fmt: skip
"""Settings that are read once, at the start."""


class Reloader:
    """Keeps a configuration up to date.

    Parameters:
        clients: the name of each client's file, by the client's prefix.
        current: the configuration in force.
        apply: takes a new one, and the prefixes of the clients whose file was saved anew, or what it refers to. Where
            it raises, the change is tried again at the next look.
        wall: seconds since the epoch.

    Attributes:
        current: the configuration in force.
        loaded: when it was taken, in seconds since the epoch.
        error: why the files as they stand now were not taken; None where they were.
        succeeded: how often a new configuration was taken, the first one not counted.
        failed: how often one was not.
    """

    _log = Logger()

    def __init__(
        self,
        directory: Path,
        clients: Mapping[str, str],
        overrides: Overrides,
        current: Configuration,
        apply: Apply,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._directory = directory
        self._clients = dict(clients)
        self._overrides = overrides
        self.current = current
        self._apply = apply
        self._stamps = dict(self._look() if current.stamps is None else current.stamps)
        self._missing: set[str] = set()
        self._reset_all = False
        self._told: object = None
        self._warned = set(current.warnings)  # said at the start, and not again
        self._wall = wall
        self.loaded = wall()
        self.error: str | None = None
        self.succeeded = self.failed = 0

    def check(self) -> None:
        """Loads the files if any differs from what the configuration in force was read from."""
        stamps = self._look()
        changed = {name for name, stamp in stamps.items() if stamp != self._stamps[name]}
        missing = {name for name in changed if stamps[name] is None}
        just_missing, self._missing = missing - self._missing, missing
        if just_missing:  # perhaps an editor that is about to rename its new file: the next look will tell
            return
        if changed or self._reset_all:
            self._load(stamps, changed)
        else:
            self.error = None

    def reload_all(self) -> None:
        """Loads the files, changed or not, and begins afresh with every client."""
        self._reset_all = True
        self._told = None  # the operator asked, so the same error is logged again
        self.check()

    def _load(self, stamps: Mapping[str, Stamp], changed: set[str]) -> None:
        reset = frozenset(prefix for prefix, name in self._clients.items() if self._reset_all or name in changed)
        try:
            loaded = load_configuration(self._directory, self._clients, self._overrides, self.current.settings)
            if self._changed_meanwhile(stamps):
                return
            reset |= self._referring_elsewhere(loaded)
            current = evolve(loaded, settings=self._running(loaded.settings))
            self._apply(current, reset)
        except ConfigurationError as error:
            if not self._changed_meanwhile(stamps):
                self._tell_error(stamps, error)
        except Exception as error:
            self._tell_bug(stamps, error)
        else:
            self._applied(loaded, current, stamps, reset)

    def _look(self) -> dict[str, Stamp]:
        return look(self._directory, (CONFIG_FILE, *self._clients.values()))

    def _changed_meanwhile(self, stamps: Mapping[str, Stamp]) -> bool:
        """Whether a file was saved while all were read: what was read may be half of it, and the next look reads it."""
        return self._look() != stamps

    def _referring_elsewhere(self, loaded: Configuration) -> set[str]:
        """The clients whose file may be as it was, but a key, a certificate or a proxy that it refers to is not."""
        return {prefix for prefix, client in loaded.clients.items() if client != self.current.clients.get(prefix)}

    def _applied(
        self, loaded: Configuration, current: Configuration, stamps: Mapping[str, Stamp], reset: frozenset[str]
    ) -> None:
        self.current, self._stamps = current, dict(stamps)
        self._reset_all, self._told = False, None
        self.loaded, self.error = self._wall(), None
        self.succeeded += 1
        for name in READ_ONCE:
            if getattr(loaded.settings, name) != getattr(current.settings, name):
                self._log.warn("A change of {name} takes effect at the next start", name=name)
        for warning in loaded.warnings:
            if warning not in self._warned:
                self._log.warn("{warning}", warning=warning)
        self._warned.update(loaded.warnings)
        clients = ", ".join(f"/{prefix}" for prefix in self._clients if prefix in reset) or "none"
        self._log.info("Loaded the configuration; clients that begin afresh: {clients}", clients=clients)

    def _running(self, settings: Settings) -> Settings:
        """`settings` with what only a restart changes as it is running."""
        return evolve(settings, **{name: getattr(self.current.settings, name) for name in READ_ONCE})

    # Errors, each of them once for each state of the files

    def _tell_error(self, stamps: Mapping[str, Stamp], error: ConfigurationError) -> None:
        if self._is_news(stamps, error):
            for problem in error.problems:
                self._log.error("The configuration stays as it was: {error}", error=str(problem))

    def _tell_bug(self, stamps: Mapping[str, Stamp], error: Exception) -> None:
        if self._is_news(stamps, error):
            self._log.failure("Bug while a new configuration was taken; it is tried again")

    def _is_news(self, stamps: Mapping[str, Stamp], error: Exception) -> bool:
        told, self._told = self._told, (dict(stamps), type(error), str(error))
        if isinstance(error, ConfigurationError):
            self.error = error.first
        else:
            self.error = f"bug in clipal ({type(error).__name__}); its log has the details"
        if told == self._told:
            return False
        self.failed += 1
        return True
