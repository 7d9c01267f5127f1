"""What `clipal connect` knows of a client program: its name, its files, and the settings in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from attrs import frozen

from clipal.connect.edits import Setting
from clipal.connect.formats.syntax import Syntax
from clipal.connect.login import Login


@frozen
class ClientFile:
    """One file, and the settings that it needs."""

    path: Path
    syntax: Syntax
    settings: tuple[Setting, ...]


@frozen
class ClientProgram:
    """One client program.

    Attributes:
        name: the client's prefix, as on clipal's command line.
        title: the name for people.
        program: the name of the executable.
        directory: returns the client's directory for a home directory and an environment.
        files: returns the client's files for that directory, clipal's URL without a path (`http://127.0.0.1:3333`), and
            the token that clipal asks for (None for none).
        login: the login at the client's vendor, which is not used while the client is connected.
    """

    name: str
    title: str
    program: str
    directory: Callable[[Path, Mapping[str, str]], Path]
    files: Callable[[Path, str, str | None], tuple[ClientFile, ...]]
    login: Login


def directory_in(variable: str, default: str) -> Callable[[Path, Mapping[str, str]], Path]:
    """The directory that the environment's `variable` names; `default` in the home directory if it is not set."""

    def directory(home: Path, environment: Mapping[str, str]) -> Path:
        named = environment.get(variable)
        return Path(named).absolute() if named else home / default

    return directory
