"""Warnings of entries in a client's file that are valid, but probably not intended."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Sequence as Several
from pathlib import Path
from typing import Final

from clipal.config.model import ProviderConfig
from clipal.config.nodes import Mapping, Scalar, Sequence
from clipal.config.problems import Problems

_API_PATH: Final = re.compile(
    rb".*(/messages(/count_tokens)?|/(chat/)?completions|/responses(/[^/]*)?|/embeddings|/models(/.*)?"
    rb"|:[A-Za-z]*[Gg]enerateContent)",
    re.DOTALL,
)
"""The end of a URL that a client asks, where what stands before such a path is meant."""


def advise(path: Path, document: Mapping, providers: Several[ProviderConfig], problems: Problems) -> None:
    """Warns of what stands in the file at `path`.

    Parameters:
        document: what the file holds.
        providers: those of it in which nothing is wrong.
    """
    node = document.items.get("providers")
    line = node.line if node is not None else None
    written = node.items if isinstance(node, Sequence) else ()
    is_list = node is None or isinstance(node, Sequence) or (isinstance(node, Scalar) and node.value is None)
    if is_list and len(providers) == len(written) and not any(each.is_asked for each in providers):
        message = "none of them can be asked" if providers else "there is none, so that this client gets no answer"
        problems.warn(path, line, "providers", message, "delete the file if the client is not used")
    asked: dict[tuple[object, ...], str] = {}
    for place, item, provider in _entries(node, providers):
        if _API_PATH.fullmatch(provider.base_url.path):
            message = "ends in an API's path, to which clipal appends the request's"
            problems.warn(path, item.lines["base_url"], f"{place}.base_url", message, "leave that path out")
        same = [name for key in provider.api_keys if (name := asked.get((provider.base_url, key))) is not None]
        if same and provider.is_asked:
            message = f"the same as that of {same[0]}, with the same key"
            problems.warn(path, item.lines["base_url"], f"{place}.base_url", message, "remove one of them")
        if provider.is_asked:
            asked.update({(provider.base_url, key): provider.name for key in provider.api_keys})


def _entries(node: object, providers: Several[ProviderConfig]) -> Iterator[tuple[str, Mapping, ProviderConfig]]:
    """Each provider with its place in the file, as far as nothing is wrong with it."""
    known = {each.name: each for each in providers}
    for number, item in enumerate(node.items if isinstance(node, Sequence) else ()):
        name = item.items.get("name") if isinstance(item, Mapping) else None
        if isinstance(item, Mapping) and isinstance(name, Scalar) and name.text.strip() in known:
            yield f"providers[{number}]", item, known.pop(name.text.strip())
