"""What clipal must know of one client to connect it: its program, its files, and the settings in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from attrs import frozen

from clipal.connect.edits import Setting
from clipal.connect.formats.syntax import Syntax
from clipal.connect.login import Login


@frozen
class ClientFile:
    """One file, and what must stand in it."""

    path: Path
    syntax: Syntax
    settings: tuple[Setting, ...]


@frozen
class ClientProgram:
    """One client.

    Attributes:
        name: its prefix, as on clipal's command line.
        title: its name for people.
        program: what it is started with.
        directory: where its configuration is, given the home directory and the environment.
        files: its files, given that directory, clipal's URL without a path (`http://127.0.0.1:3333`), and the token
            that clipal asks for; None for none.
        login: its login at its maker, which is not used while it is connected.
    """

    name: str
    title: str
    program: str
    directory: Callable[[Path, Mapping[str, str]], Path]
    files: Callable[[Path, str, str | None], tuple[ClientFile, ...]]
    login: Login


def directory_in(variable: str, default: str) -> Callable[[Path, Mapping[str, str]], Path]:
    """The directory that a variable of the environment names, if it is set, else `default` in the home directory."""

    def directory(home: Path, environment: Mapping[str, str]) -> Path:
        named = environment.get(variable)
        return Path(named).absolute() if named else home / default

    return directory
