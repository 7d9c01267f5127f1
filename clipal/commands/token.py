"""`clipal token new`: makes a token for a person who may use this clipal, and its entry for `config.yaml`.

The token is shown once. The entry has only the token's hash, so that the file does not give the token away.
"""

from __future__ import annotations

import json
import re
import secrets
from hashlib import sha256
from typing import Final

from twisted.python import usage

from clipal.commands.options import CommandOptions, hint
from clipal.connect.registry import PROGRAMS

PREFIX: Final = "clp_"
_NEW: Final = "new"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")


class Options(CommandOptions):
    """Whose the token is, and what it allows."""

    synopsis = "Usage: clipal token new [options] NAME"
    longdesc = "Makes a token, shows it once, and shows the entry for client_tokens in config.yaml."
    names = (_NEW,)
    optFlags = [
        ["status", None, "Let it read /status and /metrics too."],
        ["status-only", None, "Let it read /status and /metrics, and send no requests to providers."],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["clients"] = []

    def opt_client(self, name: str) -> None:
        """Let it use this client only (may be given several times; default: all)."""
        if name not in PROGRAMS:
            raise usage.UsageError(f"there is no client {name!r}; {hint(name, PROGRAMS, 'the clients are')}")
        self["clients"].append(name)

    def parseArgs(self, what: str = "", *names: str) -> None:
        """Takes what to do, and the name."""
        if what != _NEW:
            raise usage.UsageError("it is `clipal token new NAME`")
        if len(names) != 1 or not _NAME.fullmatch(names[0]):
            raise usage.UsageError("a token needs a name of 1 to 64 letters, digits, or any of _ . @ -, as in anna")
        self["name"] = names[0]
        if self["status-only"] and self["clients"]:
            raise usage.UsageError("a token with --status-only is for no client; leave --client out")


def run(options: Options) -> int:
    """Makes the token: the exit status."""
    token = PREFIX + secrets.token_urlsafe(32)
    print(f"Give this to {options['name']}; it is shown only here:\n\n  {token}\n")
    print("Put this into config.yaml; where client_tokens is there already, leave the first line out:\n")
    print(entry(options, token), end="")
    return 0


def entry(options: Options, token: str) -> str:
    """The entry of `config.yaml` for `token`."""
    lines = [
        "client_tokens:",
        f"  - name: {json.dumps(options['name'])}",
        f'    token: "{hashed(token)}"',
    ]
    if options["clients"]:
        lines.append(f"    clients: [{', '.join(dict.fromkeys(options['clients']))}]")
    if options["status-only"]:
        lines.append("    clients: []")
    if options["status"] or options["status-only"]:
        lines.append("    status: true")
    return "\n".join(lines) + "\n"


def hashed(token: str) -> str:
    """The hash that stands in `config.yaml` in a token's place."""
    return f"sha256:{sha256(token.encode('ascii')).hexdigest()}"
