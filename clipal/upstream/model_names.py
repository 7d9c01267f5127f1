"""The model that a request names, and a provider's own name for it.

Nothing but the name changes: in the body the value of the top-level `"model"`, for Gemini a part of the path. Where no
provider of a route has `models` or `serves`, nobody looks for the name at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from attrs import evolve, frozen
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from clipal.dialects.dialect import Dialect
from clipal.dialects.model_name import (
    ModelName,
    RequestedModel,
    Search,
    UnreadableBody,
    find_model_names,
    search_model_names,
)
from clipal.upstream.request import UpstreamRequest

_OTHERS: Final = "*"
_LARGE: Final = 512 * 1024
"""Bytes of a body that is searched in pieces, so that other clients are served in between."""

_log = Logger()


async def with_model(call: UpstreamRequest, dialect: Dialect, clock: IReactorTime) -> UpstreamRequest:
    """`call` with the model that it names; `call` itself where none is found. A large body is searched in pieces."""
    if call.body.length <= _LARGE:
        return with_model_at_once(call, dialect)
    try:
        place = _place(call, dialect)
        if isinstance(place, bytes):
            place = _named(await _in_pieces(search_model_names(place), clock))
        return evolve(call, model=place)
    except UnreadableBody as error:
        return _unread(call, dialect, error)


def with_model_at_once(call: UpstreamRequest, dialect: Dialect) -> UpstreamRequest:
    """The same, however large the body."""
    try:
        place = _place(call, dialect)
        return evolve(call, model=_named(find_model_names(place)) if isinstance(place, bytes) else place)
    except UnreadableBody as error:
        return _unread(call, dialect, error)


def _unread(call: UpstreamRequest, dialect: Dialect, error: UnreadableBody) -> UpstreamRequest:
    _log.debug(
        "{client}: the body of a request {problem}, so it goes up as it is, whatever model it names",
        client=dialect.prefix,
        problem=str(error),
    )
    return call


def _place(call: UpstreamRequest, dialect: Dialect) -> RequestedModel | bytes | None:
    """The model that the path of `call` names, or the body that may name one; None where neither does.

    Raises:
        UnreadableBody: the body may name one, but cannot be looked into; the text says why.
    """
    place = dialect.model_in_path(call.path)
    if place is not None:
        return RequestedModel(place.name, (place,), in_path=True)
    if not call.body.length or not dialect.names_model_in_body(call.path):
        return None
    coding = (call.head.table.get(b"content-encoding") or b"identity").strip().lower()
    if coding != b"identity":
        raise UnreadableBody("is compressed")
    return call.body.whole


def _named(places: tuple[ModelName, ...]) -> RequestedModel | None:
    return RequestedModel(places[-1].name, places) if places else None


async def _in_pieces(search: Search, clock: IReactorTime) -> tuple[ModelName, ...]:
    while True:
        try:
            next(search)
        except StopIteration as end:
            names: tuple[ModelName, ...] = end.value
            return names
        await deferLater(clock, 0)


@frozen
class ModelNames:
    """A provider's `models`.

    Attributes:
        names: the provider's name for a model by the client's name; `*` stands for all that have no entry.
    """

    names: Mapping[str, str]

    def rename(self, name: str) -> str:
        """The provider's name for the model that the client calls `name`."""
        return self.names.get(name) or self.names.get(_OTHERS, name)

    def apply(self, call: UpstreamRequest, model: RequestedModel, dialect: Dialect) -> UpstreamRequest:
        """`call` with the provider's name in place of the client's; `call` itself where both are the same."""
        named = [(place, self.rename(place.name)) for place in model.places]
        changed = [(place, name) for place, name in named if name != place.name]
        if not changed:
            return call
        if model.in_path:
            ((place, name),) = changed
            return evolve(call, path=call.path[: place.begin] + dialect.model_segment(name) + call.path[place.end :])
        parts = [(place.begin, place.end, json.dumps(name).encode("ascii")) for place, name in changed]
        return evolve(call, body=call.body.with_replaced(parts))
