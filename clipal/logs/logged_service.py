"""What the services of whole processes have in common: their log, and what they say of their end."""

from __future__ import annotations

from twisted.application.service import MultiService
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized

from clipal.logs.observer import Logs


class LoggedService(MultiService):
    """The service of a whole process.

    Parameters:
        logs: whose level and secrets follow the configuration.
        is_the_log: whether `logs` becomes the only log of the application that this service is put into.
    """

    _log = Logger()

    def __init__(self, logs: Logs, *, is_the_log: bool) -> None:
        super().__init__()
        self._logs = logs
        self._is_the_log = is_the_log

    def setServiceParent(self, parent: object) -> None:
        """Gives an application the log that twistd asks it for."""
        if self._is_the_log and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self._logs)
        super().setServiceParent(parent)

    def reopen_log(self) -> None:
        """Closes the log file, which a program that rotates logs has moved away; the next line opens a new file."""
        self._logs.close()
        self._log.info("Opened the log anew")

    def say_stopped(self, cut: int) -> None:
        """Logs the last line, with how many requests were cut."""
        if cut:
            what = "1 open request was" if cut == 1 else f"{cut} open requests were"
            self._log.warn("Stopped; {what} cut", what=what)
        else:
            self._log.info("Stopped; no open request was cut")
