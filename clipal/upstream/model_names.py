"""The model that a request names, and a provider's own name for it.

Nothing but the name changes: in the body the value of the top-level `"model"`, for Gemini a part of the path. Where no
provider of a route has `models` or `serves`, nobody looks for the name at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from attrs import evolve, frozen
from twisted.logger import Logger

from clipal.dialects.dialect import Dialect
from clipal.dialects.model_name import RequestedModel, UnreadableBody, find_model_names
from clipal.upstream.request import UpstreamRequest

_OTHERS: Final = "*"


_log = Logger()


def with_model(call: UpstreamRequest, dialect: Dialect) -> UpstreamRequest:
    """`call` with the model that it names; `call` itself where none can be found."""
    try:
        return evolve(call, model=_requested(call, dialect))
    except UnreadableBody as error:
        _log.debug(
            "{client}: the body of a request {problem}, so it goes up as it is, whatever model it names",
            client=dialect.prefix,
            problem=str(error),
        )
        return call


def _requested(call: UpstreamRequest, dialect: Dialect) -> RequestedModel | None:
    """The model that `call` names; None where it names none.

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
    places = find_model_names(call.body.whole)
    return RequestedModel(places[-1].name, places) if places else None


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
