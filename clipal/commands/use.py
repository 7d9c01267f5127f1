"""`clipal use`: pins a client to one of its providers, or lets it fail over again.

The command edits `mode` and `pinned_provider` in the client's file, and no other byte. The running clipal notices that.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from twisted.python import usage

from clipal.commands.effect import show_effect
from clipal.commands.options import hint
from clipal.commands.running import RunningOptions
from clipal.config.client_file import provider_names
from clipal.config.model import ClientConfig
from clipal.config.pinning import with_pin
from clipal.config.problems import ConfigurationError
from clipal.connect.files import FileError, Replacement, read_settings_file, remove_leftovers, write_all
from clipal.connect.registry import PROGRAMS
from clipal.status.document import StatusReport

AUTO: Final = "auto"


class Options(RunningOptions):
    """Which client, and which provider."""

    synopsis = f"Usage: clipal use [options] {'|'.join(PROGRAMS)} PROVIDER|auto"
    names = (*PROGRAMS, AUTO)
    longdesc = (
        "Pins a client to one provider: it alone is asked, and nothing fails over. With auto, all providers are used "
        "again. This edits the client's file, and takes effect at once."
    )

    def parseArgs(self, *names: str) -> None:
        """Takes the names."""
        if len(names) != 2:
            raise usage.UsageError("use takes a client, and one of its providers or auto")
        client, provider = names
        if client not in PROGRAMS:
            raise usage.UsageError(f"there is no client {client!r}; {hint(client, PROGRAMS, 'the clients are')}")
        self["client"], self["provider"] = client, provider


def run(options: Options) -> int:
    """Pins the client: the exit status, 1 where the file was not edited or the running clipal kept the old pin."""
    client, provider = options["client"], None if options["provider"] == AUTO else options["provider"]
    configuration = options.configuration()
    address = options.address(configuration)
    path = configuration.clients[client].path
    try:
        before = _content(path)
        after = with_pin(
            path, before, None
        )  # raises for mistakes of the file, which come before those of the command line
        if provider is not None:
            _check(configuration.clients[client], client, provider, provider_names(path, before))
            after = with_pin(path, before, provider)
        if after != before:
            remove_leftovers(path)
            write_all([Replacement(path, before, after)])
    except (ConfigurationError, FileError) as error:
        print(f"clipal: {error}", file=sys.stderr)
        return 1
    print(_done(path, client, provider, changed=after != before))
    mode = "auto" if provider is None else "manual"

    def seen(report: StatusReport) -> bool:
        found = report["clients"][client]
        return bool((found["mode"], found["pinned"]) == (mode, provider))

    return show_effect(address, configuration, [client], seen)


def _content(path: Path) -> bytes:
    content = read_settings_file(path)
    if content is None:
        raise FileError(path, None, "does not exist; run `clipal init` to write a template")
    return content


def _check(config: ClientConfig, client: str, provider: str, written: Sequence[str]) -> None:
    """Raises a UsageError where `provider` could not be asked.

    Parameters:
        written: the names in the client's file. One of them may not be in `config`: a variable that its key needs may
            be set for the running clipal, and not here. Then only the running clipal can say whether it takes the pin.
    """
    if provider not in written:
        others = hint(provider, [*written, AUTO], "its providers are") if written else "it has none"
        raise usage.UsageError(f"{client} has no provider {provider!r}; {others}")
    known = {each.name: each for each in config.providers}
    if provider not in known:
        return
    if not known[provider].enabled:
        raise usage.UsageError(f"the provider {provider!r} has `enabled: false` in {config.path}")
    if not known[provider].is_asked:
        raise usage.UsageError(f"the provider {provider!r} has the template's key in {config.path}")


def _done(path: Path, client: str, provider: str | None, *, changed: bool) -> str:
    if provider is None:
        did = "uses all of its providers again" if changed else "used all of its providers already"
    else:
        did = f"is pinned to {provider}" if changed else f"was pinned to {provider} already"
    return f"{path}: {client} {did}"
