"""What `clipal init` asks at a terminal. Nothing is written before all of it is answered."""

from __future__ import annotations

import getpass
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from clipal.commands.options import hint
from clipal.commands.recipes import Chosen, Recipe, for_client
from clipal.config.base_url import parse_base_url
from clipal.config.references import Missing, References
from clipal.connect.registry import PROGRAMS
from clipal.dialects.dialect import Dialect

_REFERENCE: Final = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}|(?:file|keyring):.+")


def is_reference(text: str) -> bool:
    """Whether it says where a key is, and is no key."""
    return _REFERENCE.fullmatch(text) is not None


class Dialogue:
    """Asks, and remembers what was answered, so that nothing is asked twice.

    Parameters:
        directory: of the configuration.
        keys: references to keys that are known, by the recipe's name.
        urls: base URLs that are known, by the recipe's name.
    """

    def __init__(self, directory: Path, keys: Mapping[str, str], urls: Mapping[str, str]) -> None:
        self._references = References(directory)
        self._keys = dict(keys)
        self._urls = dict(urls)

    def clients(self, dialects: Sequence[Dialect]) -> list[Dialect]:
        """Which of them are used; those that are found on this machine are proposed."""
        print("Which clients do you use?")
        known = {each.prefix: each for each in dialects}
        found = [each.prefix for each in dialects if _is_here(each.prefix)]
        titles = {name: each.title + (" (found here)" if name in found else "") for name, each in known.items()}
        return [known[name] for name in self._some(titles, found or list(known))]

    def recipes(self, dialect: Dialect) -> list[Recipe]:
        """Which providers a client has, in order."""
        print(f"\nWhich providers has {dialect.title}? In the order in which they are to be asked.")
        known = {each.name: each for each in for_client(dialect.prefix)}
        titles = {name: each.title for name, each in known.items()}
        return [known[name] for name in self._some(titles, list(known)[:1])]

    def provider(self, recipe: Recipe, *, asks: bool) -> Chosen:
        """A provider with what it needs; without asking, its key is where it usually is."""
        if not asks and recipe.variable:
            self._keys.setdefault(recipe.name, f"${{{recipe.variable}}}")
        if recipe.own_url and recipe.name not in self._urls:
            self._urls[recipe.name] = self._url(recipe)
        if recipe.variable and recipe.name not in self._keys:
            self._keys[recipe.name] = self._key(recipe)
        return Chosen(recipe, self._keys.get(recipe.name, ""), self._urls.get(recipe.name))

    def _some(self, titles: Mapping[str, str], proposed: Sequence[str]) -> list[str]:
        """Some of the names, by number or name."""
        names = list(titles)
        width = max(map(len, names))
        for number, (name, title) in enumerate(titles.items(), 1):
            print(f"  {number:2}  {name:{width}}  {title}")
        while True:
            words = input(f"Numbers or names [{' '.join(proposed)}]: ").replace(",", " ").split() or list(proposed)
            chosen = [names[int(word) - 1] if _is_number(word, len(names)) else word for word in words]
            unknown = [name for name in chosen if name not in titles]
            if not unknown:
                return list(dict.fromkeys(chosen))
            print(f"There is none of that name; {hint(unknown[0], names, 'there are')}")  # it may be a key

    def _url(self, recipe: Recipe) -> str:
        example = next(iter(recipe.offers.values())).base_url
        while True:
            text = input(f"\nBase URL of {recipe.title}, such as {example}: ").strip()
            try:
                parse_base_url(text)
            except ValueError as error:
                print(f"That is not possible: {error}")
                continue
            return text

    def _key(self, recipe: Recipe) -> str:
        usual = f"${{{recipe.variable}}}"
        print(f"\nThe key for {recipe.title}, which is not shown.")
        print("Or where it is: ${NAME}, file:PATH, keyring:SERVICE/USER.")
        while True:
            text = getpass.getpass(f"Key [{usual}]: ").strip() or usual
            key = text if is_reference(text) else text.replace("$", "$$")
            try:
                self._references.resolve(key)
            except Missing as error:
                print(f"{error}, so far; clipal needs it when it starts")
            except ValueError as error:
                print(f"That is not possible: {error}")
                continue
            return key


def _is_number(word: str, highest: int) -> bool:
    return word.isascii() and word.isdigit() and 1 <= int(word) <= highest


def _is_here(name: str) -> bool:
    """Whether a client's program or its directory is on this machine."""
    client = PROGRAMS[name]
    return bool(shutil.which(client.program)) or client.directory(Path("~").expanduser(), os.environ).is_dir()
