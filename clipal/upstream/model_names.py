"""The model that a request names, and a provider's own name for it.

Nothing but the name changes: in the body the value of the top-level `"model"`, for Gemini a part of the path. Where no
provider of a route has `models` or `serves`, the name is not looked for.
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


async def with_model(request: UpstreamRequest, dialect: Dialect, clock: IReactorTime) -> UpstreamRequest:
    """`request` with the model that it names, unchanged where none is found. A large body is searched in pieces."""
    if request.body.length <= _LARGE:
        return with_model_at_once(request, dialect)
    try:
        place = _place(request, dialect)
        if isinstance(place, bytes):
            place = _named(await _in_pieces(search_model_names(place), clock))
        return evolve(request, model=place)
    except UnreadableBody as error:
        return _unread(request, dialect, error)


def with_model_at_once(request: UpstreamRequest, dialect: Dialect) -> UpstreamRequest:
    """The same, however large the body."""
    try:
        place = _place(request, dialect)
        return evolve(request, model=_named(find_model_names(place)) if isinstance(place, bytes) else place)
    except UnreadableBody as error:
        return _unread(request, dialect, error)


def _unread(request: UpstreamRequest, dialect: Dialect, error: UnreadableBody) -> UpstreamRequest:
    _log.debug(
        "{client}: the body of a request {problem}, so it goes up as it is, whatever model it names",
        client=dialect.prefix,
        problem=str(error),
    )
    return request


def _place(request: UpstreamRequest, dialect: Dialect) -> RequestedModel | bytes | None:
    """The model that the path of `request` names, or the body that may name one; None where neither does.

    Raises:
        UnreadableBody: the body may name one, but cannot be looked into; the text says why.
    """
    place = dialect.model_in_path(request.path)
    if place is not None:
        return RequestedModel(place.name, (place,), in_path=True)
    if not request.body.length or not dialect.names_model_in_body(request.path):
        return None
    coding = (request.head.table.get(b"content-encoding") or b"identity").strip().lower()
    if coding != b"identity":
        raise UnreadableBody("is compressed")
    return request.body.whole


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
        """The provider's name for the model that the client requests `name`."""
        return self.names.get(name) or self.names.get(_OTHERS, name)

    def apply(self, request: UpstreamRequest, model: RequestedModel, dialect: Dialect) -> UpstreamRequest:
        """`request` with the provider's name in place of the client's; `request` itself where both are the same."""
        named = [(place, self.rename(place.name)) for place in model.places]
        changed = [(place, name) for place, name in named if name != place.name]
        if not changed:
            return request
        if model.in_path:
            ((place, name),) = changed
            return evolve(
                request, path=request.path[: place.begin] + dialect.model_segment(name) + request.path[place.end :]
            )
        parts = [(place.begin, place.end, json.dumps(name).encode("ascii")) for place, name in changed]
        return evolve(request, body=request.body.with_replaced(parts))
