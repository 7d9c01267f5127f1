"""`clipal`: serves in the foreground, as `twistd -n clipal` does."""

from __future__ import annotations

import sys

from twisted.application.app import startApplication
from twisted.application.service import Application
from twisted.logger import globalLogBeginner

from clipal import tap
from clipal.commands.program import Version


class Options(Version, tap.Options):
    """Those of `twistd clipal`, and `--version`."""

    synopsis = "Usage: clipal [options]\n       clipal COMMAND [options]"

    def __init__(self, commands: str) -> None:
        super().__init__()
        self.longdesc = commands


def run(options: Options) -> int:
    """Serves until SIGTERM or SIGINT."""
    _install_reactor()
    from twisted.internet import reactor

    service = tap.makeService(options)
    globalLogBeginner.beginLoggingTo([tap.observer()], redirectStandardIO=False)
    application = Application("clipal")
    service.setServiceParent(application)
    startApplication(application, False)
    reactor.run()
    return 0


def _install_reactor() -> None:
    """Our own where there is epoll, unless something has chosen another one."""
    if sys.platform.startswith("linux") and "twisted.internet.reactor" not in sys.modules:
        from clipal.transport.epoll import install

        install()
