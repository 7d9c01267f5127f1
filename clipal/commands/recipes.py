"""Providers that are known by name, as docs/providers.md shows them, and a client's file that has some of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import Factory, field, frozen

from clipal.dialects.dialect import Dialect


@frozen
class Offer:
    """What a provider has for one client.

    Attributes:
        base_url: for the client's API.
        models: the provider's own names for models, by the client's.
        websocket: whether it speaks WebSocket.
    """

    base_url: str
    models: Mapping[str, str] = Factory(dict)
    websocket: bool = False


@frozen(eq=False)
class Recipe:
    """A provider.

    Attributes:
        name: as it stands in a client's file.
        title: its name for people.
        offers: what it has, by the client's name.
        variable: the variable of the environment that usually holds its key; empty where it needs none.
        auth: where the key goes; None where clipal knows by itself.
        own_url: whether each user has another URL, of which that of the offers is an example.
    """

    name: str
    title: str
    offers: Mapping[str, Offer]
    variable: str
    auth: str | None = None
    own_url: bool = False


@frozen
class Chosen:
    """A provider that is to be in a file.

    Attributes:
        key: it, or a reference to it, as it is to stand in the file; empty for none.
        base_url: in place of the recipe's.
    """

    recipe: Recipe
    key: str = field(default="", repr=False)
    base_url: str | None = None

    def entry(self, client: str) -> dict[str, Any]:
        """Its entry in the file of `client`."""
        offer = self.recipe.offers[client]
        entry: dict[str, Any] = {"name": self.recipe.name, "base_url": self.base_url or offer.base_url}
        if self.key:
            entry["api_key"] = self.key
        if self.recipe.auth is not None:
            entry["auth"] = self.recipe.auth
        if offer.websocket:
            entry["websocket"] = True
        if offer.models:
            entry["models"] = dict(offer.models)
        return entry


def _any_model(name: str) -> Mapping[str, str]:
    return {"*": name}


RECIPES: Final[Mapping[str, Recipe]] = {
    each.name: each
    for each in (
        Recipe("anthropic", "Anthropic", {"claudecode": Offer("https://api.anthropic.com")}, "ANTHROPIC_API_KEY"),
        Recipe(
            "openai",
            "OpenAI",
            {"codex": Offer("https://api.openai.com/v1", websocket=True)},
            "OPENAI_API_KEY",
            "bearer",
        ),
        Recipe(
            "google",
            "Google",
            {"gemini": Offer("https://generativelanguage.googleapis.com")},
            "GEMINI_API_KEY",
            "x-goog-api-key",
        ),
        Recipe(
            "openrouter",
            "OpenRouter",
            {
                "claudecode": Offer("https://openrouter.ai/api", {"claude-sonnet-5": "anthropic/claude-sonnet-5"}),
                "codex": Offer("https://openrouter.ai/api/v1"),
            },
            "OPENROUTER_API_KEY",
            "bearer",
        ),
        Recipe(
            "deepseek",
            "DeepSeek",
            {"claudecode": Offer("https://api.deepseek.com/anthropic", _any_model("deepseek-chat"))},
            "DEEPSEEK_API_KEY",
            "x-api-key",
        ),
        Recipe(
            "kimi",
            "Kimi (Moonshot)",
            {"claudecode": Offer("https://api.moonshot.ai/anthropic", _any_model("kimi-k2-turbo-preview"))},
            "MOONSHOT_API_KEY",
            "bearer",
        ),
        Recipe(
            "glm",
            "GLM (Z.ai)",
            {"claudecode": Offer("https://api.z.ai/api/anthropic", _any_model("glm-5"))},
            "ZAI_API_KEY",
            "bearer",
        ),
        Recipe(
            "minimax",
            "MiniMax",
            {"claudecode": Offer("https://api.minimax.io/anthropic", _any_model("MiniMax-M2"))},
            "MINIMAX_API_KEY",
            "bearer",
        ),
        Recipe(
            "azure",
            "Azure OpenAI",
            {
                "codex": Offer(
                    "https://my-resource.openai.azure.com/openai/v1?api-version=preview",
                    {"gpt-6": "my-gpt-6-deployment"},
                )
            },
            "AZURE_OPENAI_API_KEY",
            "api-key",
            own_url=True,
        ),
        Recipe(
            "relay",
            "a relay: LiteLLM, new-api, or another",
            {each: Offer("https://relay.example.org") for each in ("claudecode", "codex", "gemini")},
            "RELAY_KEY",
            "bearer",
            own_url=True,
        ),
        Recipe(
            "ollama",
            "Ollama, on this machine",
            {each: Offer("http://127.0.0.1:11434", _any_model("qwen3-coder")) for each in ("claudecode", "codex")},
            "",
            "none",
        ),
    )
}


def for_client(client: str) -> list[Recipe]:
    """Those that speak the API of `client`, that of its own maker first."""
    return [each for each in RECIPES.values() if client in each.offers]


def client_file(dialect: Dialect, providers: Sequence[Chosen]) -> bytes:
    """A commented file of a client that asks `providers`, in this order."""
    lines = [
        f"# clipal: the providers of {dialect.title}. Saving this file takes effect at once.",
        "# docs/configuration.md has every option of a provider, docs/providers.md what each provider needs.",
        "",
        "# mode: auto # auto | manual: only the pinned provider, no failover",
        '# pinned_provider: "" # a provider\'s name, for mode: manual',
        "",
        "providers:",
    ]
    for priority, each in enumerate(providers, 1):
        lines.append("  # Asked first: the lowest priority." if priority == 1 else "  # Asked when none before it can.")
        fields = list(each.entry(dialect.prefix).items())
        fields.insert(-1 if "models" in dict(fields) else len(fields), ("priority", priority))
        for number, (name, value) in enumerate(fields):
            lines.append(f"  {'-' if number == 0 else ' '} {name}: {json.dumps(value)}{_COMMENTS.get(name, '')}")
        lines += ["    # enabled: true # false: as if it were not here", ""]
    return "\n".join(lines).encode()


_COMMENTS: Final = {
    "api_key": ' # the key, "${NAME}", file:PATH or keyring:SERVICE/USER',
    "models": ' # its own names for models; "*" for all others',
}
