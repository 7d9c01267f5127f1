"""`clipal`: serves in the foreground, as `twistd -n clipal` does."""

from __future__ import annotations

import sys
from collections.abc import Callable

from twisted.application.app import startApplication
from twisted.application.service import Application
from twisted.logger import ILogObserver, globalLogBeginner
from twisted.python import usage

from clipal import tap
from clipal.commands.options import CommandOptions, command, listing
from clipal.service import Clipal


class Options(CommandOptions, tap.Options):
    """The options of `twistd clipal`; the help also lists the commands."""

    synopsis = "Usage: clipal [options]\n       clipal COMMAND [options]"
    longdesc = "Without a command, clipal serves in the foreground."

    def getUsage(self, width: int | None = None) -> str:
        """Twisted's text, and the commands."""
        return f"{super().getUsage(width)}\n{listing()}"

    def parseArgs(self, *names: str) -> None:
        """Takes no names, because a name is meant as a command.

        Raises:
            usage.UsageError: there is a name.
        """
        for name in names:
            command(name)
            raise usage.UsageError(f"{name!r} is a command, and stands before other names")


def run(
    options: tap.Options,
    make: Callable[[], Clipal] | None = None,
    serving: Callable[[], None] | None = None,
) -> int:
    """Serves until SIGTERM or SIGINT.

    Parameters:
        make: makes the service, where it is not the one that twistd would make.
        serving: called once it serves.
    """
    _install_reactor()
    from twisted.internet import reactor

    service = tap.make_service(options) if make is None else make()
    if serving is not None:
        service.serving.addCallback(lambda _: serving())
    application = Application("clipal")
    service.setServiceParent(application)
    globalLogBeginner.beginLoggingTo([application.getComponent(ILogObserver)], redirectStandardIO=False)
    startApplication(application, False)
    reactor.run()
    return 0


def _install_reactor() -> None:
    """Installs clipal's reactor on Linux, unless another one is installed."""
    if sys.platform.startswith("linux") and "twisted.internet.reactor" not in sys.modules:
        from clipal.transport.epoll import install

        install()
