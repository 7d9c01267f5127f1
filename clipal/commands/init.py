"""`clipal init`: writes commented configuration files, and overwrites no file.

At a terminal it asks which clients and providers they are for; options say the same for scripts. Without either it
writes templates, the files of `examples/`. A file is made and opened in one step, which fails where the file exists,
so that no race can overwrite it. The file is made with mode 0600, because keys are in it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from twisted.python import usage

from clipal.commands.called import called
from clipal.commands.dialogue import Dialogue
from clipal.commands.init_options import Options
from clipal.commands.options import command
from clipal.commands.recipes import client_file, for_client
from clipal.config.directory import configuration_directory
from clipal.config.loader import load_configuration
from clipal.config.original import unread_files
from clipal.config.problems import ConfigurationError
from clipal.config.settings_file import CONFIG_FILE
from clipal.dialects.dialect import Dialect
from clipal.dialects.registry import DIALECTS

_NEXT = """
Next:
  1. Put your keys into {clients}, and remove the providers that you do not use.
  2. Run `{serve}`.
  3. Point the clients at it: `{connect}`, or by hand, with the lines of docs/setup.md.
"""


def run(options: Options) -> int:
    """Writes the files that are not there yet, and says what it did.

    Returns:
        the exit status: 0, or 1 with a line on standard error where something could not be written or answered.
    """
    directory = configuration_directory(options["config-dir"])
    chosen = options.asks or bool(options.clients or options.providers)
    try:
        contents = _chosen(options, directory) if chosen else _templates()
    except EOFError:
        print("\nclipal: nothing is written, for not all was answered", file=sys.stderr)
        return 1
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for line in _write_all(directory, contents):
            print(line)
    except OSError as error:
        print(f"clipal: {_problem(error, directory)}", file=sys.stderr)
        return 1
    clients = [each for each in DIALECTS if each.config_file in contents]
    if chosen:
        return _begin(options, clients)
    names = ", ".join(each.config_file for each in clients)
    where = options.where
    print(_NEXT.format(clients=names, serve=f"{called()}{where}", connect=f"{called()} connect{where}"), end="")
    return 0


def _templates() -> dict[str, bytes]:
    return {name: template(name) for name in [CONFIG_FILE, *(each.config_file for each in DIALECTS)]}


def _chosen(options: Options, directory: Path) -> dict[str, bytes]:
    """The files for the clients and providers that options and answers name, by their names.

    Raises:
        EOFError: there are no more answers.
    """
    dialogue = Dialogue(directory, options.references, options.base_urls)
    contents = {CONFIG_FILE: template(CONFIG_FILE)}
    for dialect in _clients(options, directory, dialogue):
        recipes = options.providers.get(dialect.prefix)
        if recipes is None:
            recipes = dialogue.recipes(dialect) if options.asks else for_client(dialect.prefix)[:1]
        providers = [dialogue.provider(each, asks=options.asks) for each in dict.fromkeys(recipes)]
        contents[dialect.config_file] = client_file(dialect, providers)
    return contents


def _clients(options: Options, directory: Path, dialogue: Dialogue) -> list[Dialect]:
    """Those that are meant; one that has its file is not asked about."""
    named = options.clients or options.providers
    if named:
        return [each for each in DIALECTS if each.prefix in named]
    lacking = [each for each in DIALECTS if not os.path.lexists(directory / each.config_file)]
    if not lacking:
        print(f"Each client has its file in {directory} already.")
        return []
    return dialogue.clients(lacking)


def _begin(options: Options, clients: list[Dialect]) -> int:
    """Offers to connect the clients, looks at the whole, and says how to start."""
    names = [each.prefix for each in clients]
    words = [] if options["config-dir"] is None else ["--config-dir", options["config-dir"]]
    if names and (options.asks or options["connect"]):
        print()
        _also("connect", [*words, *(["--yes"] if options["connect"] else []), *names])
    print()
    _also("check", words if options["offline"] else [*words, "--online"])
    unready = "" if _loads(options) else " It does not start before the errors above are mended."
    print(f"\nNext: run `{called()}{options.where}`.{unready}")
    return 0


def _loads(options: Options) -> bool:
    names = {dialect.prefix: dialect.config_file for dialect in DIALECTS}
    try:
        load_configuration(configuration_directory(options["config-dir"]), names)
    except ConfigurationError:
        return False
    return True


def _also(name: str, words: list[str]) -> None:
    """Runs another command; what it finds wrong is told, and the files stay."""
    module = command(name)
    options = module.Options()
    try:
        options.parseOptions(words)
        module.run(options)
    except usage.UsageError as error:
        print(f"clipal: {error}", file=sys.stderr)
    except SystemExit as error:
        print(error, file=sys.stderr)


def _write_all(directory: Path, contents: Mapping[str, bytes]) -> list[str]:
    """Writes the files: what was done to each. Where one cannot be written, none of them stays."""
    made: list[Path] = []
    told = []
    try:
        for name, content in contents.items():
            told.append(_write(directory / name, content, made))
    except BaseException:  # Ctrl-C too
        for path in made:
            path.unlink(missing_ok=True)
        raise
    return told


def _write(path: Path, content: bytes, made: list[Path]) -> str:
    """Writes a file, unless the user has one there of this or another name; returns what it did."""
    others = unread_files(path)
    if others and not os.path.lexists(path):
        other = others[0]
        return f"left out {path}: {other.name} is there, which clipal does not read; rename it to {path.name}"
    if not write_new(path, content):
        return f"kept {path} (it exists)"
    made.append(path)
    return f"wrote {path}"


def template(name: str) -> bytes:
    """The template of the configuration file `name`."""
    return (files("clipal.commands") / "templates" / name).read_bytes()


def write_new(path: Path, content: bytes) -> bool:
    """Makes a file that only its owner can read.

    Returns:
        whether the file was made; False where something of this name exists, also a broken link.

    Raises:
        OSError: the file could not be made or written; then there is no file.
    """
    try:
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    except FileExistsError:
        return False
    try:
        with open(made, "wb") as file:
            file.write(content)
    except BaseException:
        path.unlink()  # else the next try would keep half a file
        raise
    return True


def _problem(error: OSError, directory: Path) -> str:
    """What went wrong, for the operator."""
    if isinstance(error, FileExistsError | NotADirectoryError):
        return f"cannot write to {directory}: it, or a part of its path, is no directory"
    return f"cannot write to {directory}: {(error.strerror or 'not possible').lower()}"
