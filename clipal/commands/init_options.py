"""What `clipal init` is told: where to, and for which clients and providers."""

from __future__ import annotations

import sys

from twisted.python import usage

from clipal.commands.called import directory_option
from clipal.commands.dialogue import is_reference
from clipal.commands.options import CommandOptions, hint
from clipal.commands.recipes import RECIPES, Recipe
from clipal.config.base_url import parse_base_url
from clipal.connect.registry import PROGRAMS


class Options(CommandOptions):
    """Where to, and for whom."""

    synopsis = "Usage: clipal init [options]"
    longdesc = (
        "Writes commented configuration files, and never over what is there. At a terminal it asks which clients and "
        "which providers they are for; --client, --provider and --key say it beforehand. With --yes, and where there "
        "is no terminal, it asks nothing, and without these options writes templates."
    )
    optFlags = [
        ["yes", "y", "Ask nothing."],
        ["connect", None, "Point the clients at clipal without asking."],
        ["offline", None, "Do not connect to the providers in the end."],
    ]
    optParameters = [
        [
            "config-dir",
            "c",
            None,
            "Directory of the configuration files (default: $CLIPAL_CONFIG_DIR, else ~/.clipal).",
        ],
    ]

    def __init__(self) -> None:
        super().__init__()
        self.clients: dict[str, None] = {}
        self.providers: dict[str, list[Recipe]] = {}
        self.references: dict[str, str] = {}
        self.base_urls: dict[str, str] = {}

    def opt_client(self, name: str) -> None:
        """Write the file of this client (may be given several times)."""
        if name not in PROGRAMS:
            raise usage.UsageError(f"there is no client {name!r}; {hint(name, PROGRAMS, 'the clients are')}")
        self.clients[name] = None

    def opt_provider(self, text: str) -> None:
        """A provider by the name of its recipe, NAME or CLIENT:NAME, with =URL where each user has another one (several times, in the order in which they are asked)."""  # noqa: E501
        words, equals, url = text.partition("=")
        client, colon, name = words.rpartition(":")
        if colon and client not in PROGRAMS:
            raise usage.UsageError(f"--provider: there is no client {client!r}; {hint(client, PROGRAMS, 'there are')}")
        recipe = _recipe("--provider", name)
        if equals:
            try:
                parse_base_url(url)
            except ValueError as error:
                raise usage.UsageError(f"--provider: {name}: {error}") from None
            self.base_urls[name] = url
        if colon and client not in recipe.offers:
            raise usage.UsageError(f"--provider: {name} does not speak the API of {client}")
        for each in [client] if colon else recipe.offers:
            self.providers.setdefault(each, []).append(recipe)

    def opt_key(self, text: str) -> None:
        """Where a provider's key is: NAME=${VARIABLE}, NAME=file:PATH or NAME=keyring:SERVICE/USER (several times)."""
        name, _, reference = text.partition("=")
        recipe = _recipe("--key", name)
        if not is_reference(reference):
            raise usage.UsageError(f"--key: {name} takes where the key is, for others can see a command's options")
        self.references[recipe.name] = reference

    def postOptions(self) -> None:
        """Looks at what belongs together.

        Raises:
            usage.UsageError: a provider lacks its URL.
        """
        named = {each.name for recipes in self.providers.values() for each in recipes}
        for name in sorted(named - self.base_urls.keys()):
            if RECIPES[name].own_url and not self.asks:
                raise usage.UsageError(f"--provider: {name} needs its URL, as in {name}=https://host/path")

    @property
    def asks(self) -> bool:
        """Whether there is somebody to ask."""
        return not self["yes"] and sys.stdin.isatty() and sys.stdout.isatty()

    @property
    def where(self) -> str:
        """The option that names the same directory in another command."""
        return directory_option(self["config-dir"])


def _recipe(option: str, name: str) -> Recipe:
    if name not in RECIPES:
        raise usage.UsageError(f"{option}: no provider has that name; {hint(name, RECIPES, 'there are')}")  # or a key
    return RECIPES[name]
