"""Where a key or a token comes from: its text, a variable of the environment, a file, or the system's keyring.

`${NAME}` stands for a variable, `$$` for a dollar. `file:PATH` is the whole content of a file, `keyring:SERVICE/USER`
what the system's keyring has. All are read whenever the configuration is. A ValueError's text names the variable, the
file or the entry, and never repeats a value.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Final

from attrs import frozen

from clipal.config.nodes import Node, Scalar
from clipal.config.secret import Secret

_LONGEST: Final = 64 * 1024
"""Bytes of a file that is taken for a key."""
_DOLLAR: Final = re.compile(r"\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)\})?")
_VISIBLE: Final = re.compile(r"[\x21-\x7e]*")
_PLACEHOLDER: Final = re.compile(
    r"(?:[a-z0-9]{1,12}[-_])*x{3,}"  # sk-ant-xxx, AIza-xxx, xxx: all that the templates have
    r"|(?:[a-z0-9]{1,12}[-_])*(?:\.{3,}|\u2026)"
    r"|<[^<>]*>|(?:[a-z]+[-_])*your[-_](?:[a-z0-9]+[-_])*(?:key|token)(?:[-_]here)?|change[-_]?me|replace[-_]?me",
    re.IGNORECASE,
)


class Missing(ValueError):
    """What a reference names is not there."""


def is_placeholder(key: Secret) -> bool:
    """Whether it is what a template has in a key's place, such as `sk-ant-xxx`."""
    return _PLACEHOLDER.fullmatch(key.reveal().decode("utf-8", "replace")) is not None


@frozen
class References:
    """Reads keys and tokens.

    Attributes:
        directory: of the configuration, where a relative path begins.
    """

    directory: Path

    def key(self, node: Node) -> Secret:
        """The key that `node` is or refers to; empty where nothing is written.

        Raises:
            Missing: what it refers to is not there.
            ValueError: it is no key.
        """
        if isinstance(node, Scalar) and node.value is None:
            return Secret(b"")
        if not isinstance(node, Scalar):
            raise ValueError("must be text; put it in quotes")
        return self.resolve(node.text.strip())

    def resolve(self, text: str) -> Secret:
        """The key that `text` is or refers to. Raises as `key` does."""
        kind, colon, rest = text.partition(":")
        if colon and kind == "file":
            return self._file(rest.strip())
        if colon and kind == "keyring":
            return _keyring(rest.strip())
        if colon and kind == "command":
            raise ValueError("a key cannot come from a command; write it to a file, and use file:PATH")
        return Secret(_checked(_expanded(text), ""))

    def file(self, node: Node) -> Path | None:
        """A file's path; None for an empty text."""
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            raise ValueError("must be text; put it in quotes")
        return self.path(node.text.strip()) if node.text.strip() else None

    def path(self, text: str) -> Path:
        """Where a file is: a relative path among the credentials that systemd passed, else below the directory.

        Raises:
            ValueError: it is no path.
        """
        if not text or not text.isprintable():
            raise ValueError("must be a path of printable characters")
        try:
            path = Path(text).expanduser()
        except RuntimeError:
            raise ValueError("must not begin with the ~ of a user who has no home directory") from None
        credentials = os.environ.get("CREDENTIALS_DIRECTORY")
        if credentials and not path.is_absolute() and (Path(credentials) / path).exists():
            return Path(credentials) / path
        return self.directory / path

    def _file(self, text: str) -> Secret:
        path = self.path(text)
        content = read_small_file(path)
        content = content.removesuffix("\n").removesuffix("\r")
        if not content:
            raise Missing(f"the file {path} is empty")
        return Secret(_checked(content, f"the file {path}: "))


def read_small_file(path: Path, longest: int = _LONGEST) -> str:
    """The content of a file that holds one key or some certificates.

    Parameters:
        longest: how many bytes it may have.

    Raises:
        Missing: it is not there, or cannot be read.
        ValueError: it is no file of text, or too long. The text names it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # a FIFO must not stop the reload
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ValueError(f"{path} is no regular file")
            content = file.read(longest + 1)
    except OSError as error:
        raise Missing(f"the file {path} cannot be read: {error.strerror}") from None
    if len(content) > longest:
        raise ValueError(f"the file {path} is longer than {longest // 1024} kB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"the file {path} holds no text") from None


def _expanded(text: str) -> str:
    """`text` with each variable's value in its place; a value is taken as it is."""

    def value(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        name = found[1]
        if name is None:
            raise ValueError("a $ that begins no ${NAME}; write ${NAME} for a variable, or $$ for a dollar")
        if name not in os.environ:
            raise Missing(f"the environment variable {name} is not set")
        got = os.environ[name].strip()
        if not got:
            raise Missing(f"the environment variable {name} is empty")
        return _checked(got, f"the environment variable {name}: ")

    return _DOLLAR.sub(value, text)


def _checked(key: str, where: str) -> str:
    """`key`, which becomes a part of a header field."""
    if not _VISIBLE.fullmatch(key):
        raise ValueError(f"{where}a key must be of visible ASCII characters, without spaces")
    return key


def _keyring(text: str) -> Secret:
    service, _, user = text.rpartition("/")
    if not service or not user:
        raise ValueError("write keyring:SERVICE/USER")
    entry = f"{service}/{user}"
    try:
        import keyring
    except ImportError:
        raise ValueError("keyring: needs the extra clipal[keyring]; pip install 'clipal[keyring]'") from None
    try:
        found = keyring.get_password(service, user)
    except Exception:  # each backend has errors of its own
        raise Missing(f"the keyring could not be asked for {entry}") from None
    if not found:
        raise Missing(f"the keyring has no entry {entry}")
    return Secret(_checked(found.strip(), f"the keyring's entry {entry}: "))
