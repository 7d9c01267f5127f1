"""`clipal upgrade`: lets the installed code take the place of the clipal that runs, without losing a request.

Workers are replaced by their parent. One process hands its sockets over to this one, which goes on in the foreground.
"""

from __future__ import annotations

import socket
import sys

from clipal import tap
from clipal.commands import serve
from clipal.commands.options import CommandOptions
from clipal.process.handover import OfferingKind, handover_path
from clipal.process.predecessor import Predecessor
from clipal.transport.tls_server import BadCertificate


class Options(CommandOptions, tap.Options):
    """Those of `clipal` itself: the new process reads the configuration with them."""

    synopsis = "Usage: clipal upgrade [options]"
    longdesc = (
        "Lets the installed code take the place of the clipal that runs. With `workers`, new ones replace the "
        "old ones, one by one. Else this process takes the sockets over and serves in the foreground, and the old one "
        "ends when its open requests have. No request is lost."
    )


def run(options: Options) -> int:
    """Serves, where a process was replaced; else the exit status."""
    if not hasattr(socket, "AF_UNIX"):  # Windows
        return _fail("nothing is handed over on this system: end the clipal that runs, and start it again")
    configuration = tap.load(options)
    path = handover_path(configuration.directory, configuration.settings.endpoints)
    try:
        predecessor = Predecessor.at(path)
        if predecessor is None:
            return _fail(f"there is nothing to upgrade: no clipal runs that offers it at {path}")
        if predecessor.kind is OfferingKind.SYSTEMD:
            return _fail("systemd runs this clipal: use `systemctl restart clipal` (with --user for a user's unit)")
        if predecessor.kind is OfferingKind.WORKERS:
            if not predecessor.roll():
                return _fail("the workers stay as they are: the next one did not start; its log says why")
            print("All workers run the installed code; the old ones end when their open requests have.")
            return 0
        return _take_over(options, predecessor)
    except (OSError, ValueError, KeyError, BadCertificate) as error:
        return _fail(f"the clipal that runs does not hand over: {error}")


def _take_over(options: Options, predecessor: Predecessor) -> int:
    listeners, status_listening = predecessor.take()
    return serve.run(
        options,
        lambda: tap.make_service(options, listeners, status_listening),
        serving=predecessor.drain,
    )


def _fail(problem: str) -> int:
    print(f"clipal: {problem}", file=sys.stderr)
    return 1
