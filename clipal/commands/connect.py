"""`clipal connect`: changes the clients' own settings files so that the clients use this clipal.

The command shows the difference first and asks. The former content is kept for `clipal disconnect`. A client whose
files cannot be read or understood is left alone, and the others are connected all the same.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from attrs import field, frozen
from twisted.python import usage

from clipal import tap
from clipal.commands.address import base_url_elsewhere, own_base_url
from clipal.commands.called import directory_option
from clipal.commands.options import CommandOptions, hint
from clipal.config.directory import configuration_directory, missing_directory
from clipal.config.loader import check_configuration
from clipal.config.references import References
from clipal.connect.client import ClientProgram
from clipal.connect.diff import show
from clipal.connect.files import FileError, remove_leftovers
from clipal.connect.plan import RECORDS, Plan, connection
from clipal.connect.record import Record, load_record
from clipal.connect.registry import PROGRAMS
from clipal.dialects.registry import DIALECTS


class Options(CommandOptions, tap.Options):
    """Which clients, and whether to ask; clipal's address comes from the configuration, or from `--url`."""

    synopsis = f"Usage: clipal connect [options] [{'|'.join(PROGRAMS)} ...]"
    longdesc = "Points clients at this clipal: those that are named, else all that are found on this machine."
    names = tuple(PROGRAMS)
    optFlags = [
        ["yes", "y", "Do not ask."],
        ["print", None, "Only show what would be written."],
    ]
    optParameters = [
        ["home", None, None, "Home directory of the clients' files (default: yours)."],
        ["url", "u", None, "Where clipal is, as https://HOST, in place of the configuration's address."],
        ["token", None, None, "A token of client_tokens for the clients to send; also '${NAME}' or file:PATH."],
    ]

    def parseArgs(self, *clients: str) -> None:
        """Takes the clients' names."""
        self["clients"] = checked(clients)


def checked(names: Sequence[str]) -> tuple[str, ...]:
    """The clients' names without repetitions.

    Raises:
        usage.UsageError: there is no client of one of these names.
    """
    for name in names:
        if name not in PROGRAMS:
            raise usage.UsageError(f"there is no client {name!r}; {hint(name, PROGRAMS, 'the clients are')}")
    return tuple(dict.fromkeys(names))


def run(options: Options) -> int:
    """Connects the clients.

    Returns:
        the exit status: 1 where a chosen client is not connected in the end, else 0.
    """
    url = options["url"]
    missing = missing_directory(options["config-dir"])
    if url is not None and missing is not None:  # without it, the settings are read, which fails then
        raise usage.UsageError(str(missing))
    base = own_base_url(tap.load_settings_of(options)) if url is None else base_url_elsewhere(url)
    where = _Where.of(options)
    directory = configuration_directory(options["config-dir"])
    token = given_token(options["token"], directory)
    records = directory / RECORDS
    clients = [PROGRAMS[name] for name in options["clients"]] or where.found()
    if not clients:
        print("clipal: no client is found here; name those that you want to connect", file=sys.stderr)
        return 1
    for line in _lacking_providers(options, directory, clients) if url is None else ():
        print(f"clipal: warning: {line}", file=sys.stderr)
    statuses = [_Connecting(options, client, where, base, token, records).run() for client in clients]
    return max(statuses)


def _lacking_providers(options: Options, directory: Path, clients: Sequence[ClientProgram]) -> Iterator[str]:
    """A sentence for each of the clients for which clipal has no provider to ask, so far."""
    files = {dialect.prefix: dialect.config_file for dialect in DIALECTS}
    configured = check_configuration(directory, files, options.overrides)[0].clients
    for client in clients:
        if not any(each.is_asked for each in configured[client.name].providers):
            lacking = f"{configured[client.name].path} has no provider that can be asked"
            yield f"{lacking}, and until it has, {client.title} gets an error from clipal"


def alone(title: str, turn: Callable[[], int]) -> int:
    """Runs one client's turn: the exit status. An error is printed, and the next client has its turn all the same."""
    try:
        return turn()
    except BrokenPipeError:  # the reader of standard output has ended, and so does the command
        raise
    except FileError as error:
        problem = str(error)
    except OSError as error:
        problem = f"{error.filename or title}: {(error.strerror or 'not possible').lower()}"
    except Exception as error:  # a bug; the exception's text is not shown, because it may quote the file
        problem = f"unexpected {type(error).__name__}, a bug in clipal; please report it"
    print(f"clipal: {problem}; {title} is left as it was", file=sys.stderr)
    return 1


def given_token(text: str | None, directory: Path) -> str | None:
    """The token that `--token` gives or refers to; None without the option.

    Raises:
        usage.UsageError: the option gives no token.
    """
    if text is None:
        return None
    try:
        token = References(directory).resolve(text.strip()).reveal().decode("ascii")
    except ValueError as error:
        raise usage.UsageError(f"--token: {error}") from None
    if not token or token.lower().startswith("sha256:"):
        raise usage.UsageError("--token: it takes the token itself, as `clipal token new` shows it, and not its hash")
    return token


@frozen
class _Where:
    """The home directory and the environment that say where the clients' files are."""

    home: Path
    environment: dict[str, str]

    @classmethod
    def of(cls, options: Options) -> _Where:
        """With `--home`, the environment does not count, because its directories are outside of that home."""
        if options["home"] is not None:
            return cls(Path(options["home"]).absolute(), {})
        return cls(Path(os.path.expanduser("~")).absolute(), dict(os.environ))

    def directory(self, client: ClientProgram) -> Path:
        return client.directory(self.home, self.environment)

    def found(self) -> list[ClientProgram]:
        """The clients that are installed; prints which are not."""
        clients = []
        for client in PROGRAMS.values():
            directory = self.directory(client)
            if shutil.which(client.program) or _is_directory(directory):
                clients.append(client)
            else:
                print(f"skipped {client.title}: there is neither a program {client.program} nor {directory}")
        return clients


def _is_directory(path: Path) -> bool:
    """Whether `path` is a directory, or cannot be examined; then reading it will tell the error."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True


@frozen
class _Connecting:
    """One client's turn."""

    options: Options
    client: ClientProgram
    where: _Where
    base: str
    token: str | None = field(repr=False)
    records: Path

    def run(self) -> int:
        return alone(self.client.title, self._run)

    def _run(self) -> int:
        path = self.records / f"{self.client.name}.json"
        files = tuple(self.client.files(self.where.directory(self.client), self.base, self.token))
        if not self.options["print"]:
            for each in (path, *(file.path for file in files)):
                remove_leftovers(each)
        record = load_record(path)
        plan = connection(files, record or Record(path))
        if not plan.files:
            by = "" if record is not None else ", by hand or with another --config-dir"
            print(f"{self.client.title} is already connected{by}")
            return 0
        show(plan)
        self._say_what_else_changes(plan)
        if self.options["print"]:
            return 0
        if not self.options["yes"] and not self._agreed():
            return 1
        plan.carry_out()
        self._done()
        return 0

    def _say_what_else_changes(self, plan: Plan) -> None:
        edits = (edit for file in plan.files for edit in file.done.edits)
        login, title = self.client.login, self.client.title
        if login.is_replaced(self.where.directory(self.client), edits):
            print(f"While {title} is connected, {login.words} is not used: clipal sends the keys of your providers.")

    def _agreed(self) -> bool:
        if not sys.stdin.isatty():
            print(f"clipal: {self.client.title}: no terminal to ask on; use --yes to write this", file=sys.stderr)
            return False
        try:
            answer = input(f"Write this for {self.client.title}? Values that stay are not shown. [y/N] ")
        except EOFError:
            answer = ""
        agreed = answer.strip().lower() in ("y", "yes")
        if not agreed:
            print(f"{self.client.title} is left as it was")
        return agreed

    def _done(self) -> None:
        name = self.client.name
        undoing = f"clipal disconnect{directory_option(self.options['config-dir'])} {name}"
        print(f"connected {self.client.title} to {self.base}/{name}; `{undoing}` puts back what was there")
