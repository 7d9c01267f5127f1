"""What several workers know in common of a client's providers: their health, who is preferred, who answered a session.

A *thing* is a provider's health, a key's, a preferred provider, or a session; a *word* is a new value of one thing. A
worker tells the parent a word when a thing has changed, and nothing for each request. The parent keeps the last word on
each thing, and passes every word on to all workers, in one order. Until a worker's own word has come back to it, it
ignores the words of others on that thing, because its own is the later one. Times are of the system's monotonic clock,
which the processes of one machine share.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

from attrs import define, field

from clipal.providers.affinity import SESSIONS
from clipal.providers.provider import Provider
from clipal.providers.route import Route

Tell: TypeAlias = Callable[..., None]
_EPOCHS: Final = 2
"""Epochs of one client that are kept: workers read a changed file within two seconds of each other."""


@define(eq=False)
class Followed:
    """A route whose changes are shared.

    Attributes:
        epoch: the same in all workers that have read the same file since the same reset.
        unconfirmed: for each thing, how many words of this worker have not come back yet.
    """

    route: Route
    epoch: str
    unconfirmed: Counter[str] = field(factory=Counter)


class SharedRoutes:
    """A worker's side of the shared state.

    Parameters:
        tell: sends a message to the parent.
        now: seconds of the monotonic clock.
    """

    def __init__(self, tell: Tell, now: Callable[[], float]) -> None:
        self._tell = tell
        self._now = now
        self._followed: dict[str, Followed] = {}

    def follow(self, route: Route, epoch: str) -> None:
        """Shares the changes of a route from now on, and asks for the words that the parent has kept."""
        prefix = route.dialect.prefix
        followed = self._followed[prefix] = Followed(route, epoch)

        def changed(kind: str, name: str, value: Any) -> None:
            if self._followed.get(prefix) is followed:  # else requests of an earlier configuration are still open
                followed.unconfirmed[f"{kind} {name}"] += 1
                self._tell("share", client=prefix, epoch=epoch, kind=kind, name=name, value=value)

        for provider in route.providers:
            provider.on_change = lambda key, provider=provider: changed(
                "health", _health_name(provider, key), provider.health_of(key).shared()
            )
        route.on_change = lambda kind, part, name, provider: changed(
            kind, "\n".join((*(each.name for each in part), "", name)), provider.name
        )
        self._tell("follow", client=prefix, epoch=epoch)

    def known(self, client: str, epoch: str, entries: Iterable[tuple[str, str, Any]]) -> None:
        """The parent's answer to `follow`: the words that it has kept."""
        for kind, name, value in entries:
            self.shared(client, epoch, kind, name, value, own=False)

    def shared(self, client: str, epoch: str, kind: str, name: str, value: Any, *, own: bool) -> None:
        """A word has come from the parent; `own` says whether it is one of this worker's."""
        followed = self._followed.get(client)
        if followed is None or followed.epoch != epoch:
            return
        thing = f"{kind} {name}"
        if own:
            followed.unconfirmed[thing] -= 1
            if followed.unconfirmed[thing] <= 0:
                del followed.unconfirmed[thing]
        elif thing not in followed.unconfirmed:
            _apply(followed.route, kind, name, value, self._now())


def _health_name(provider: Provider, key: int | None) -> str:
    return provider.name if key is None else f"{provider.name}\n{key}"


def _apply(route: Route, kind: str, name: str, value: Any, now: float) -> None:
    providers = {provider.name: provider for provider in route.providers}
    if kind == "health":
        whose, _, key = name.partition("\n")
        provider = providers.get(whose)
        if provider is not None and (not key or int(key) < len(provider.keys)):
            provider.health_of(int(key) if key else None).adopt(value)
        return
    part, _, about = name.partition("\n\n")
    names = part.split("\n")
    provider = providers.get(value)
    if provider is None or not all(each in providers for each in names):
        return
    route.part(tuple(providers[each] for each in names)).adopt(kind, about, provider, now)


class SharedState:
    """The parent's side of the shared state: the last word on each thing."""

    def __init__(self) -> None:
        self._known: dict[str, OrderedDict[str, dict[str, OrderedDict[str, Any]]]] = {}

    def keep(self, client: str, epoch: str, kind: str, name: str, value: Any) -> None:
        """Keeps a worker's word."""
        things = self._of(client, epoch).setdefault(kind, OrderedDict())
        things[name] = value
        things.move_to_end(name)
        if len(things) > SESSIONS:
            things.popitem(last=False)

    def entries(self, client: str, epoch: str) -> list[tuple[str, str, Any]]:
        """All words on one client's things."""
        of_kind = self._of(client, epoch)
        return [(kind, name, value) for kind, things in of_kind.items() for name, value in things.items()]

    def _of(self, client: str, epoch: str) -> dict[str, OrderedDict[str, Any]]:
        epochs = self._known.setdefault(client, OrderedDict())
        if epoch not in epochs:
            epochs[epoch] = {}
            if len(epochs) > _EPOCHS:
                epochs.popitem(last=False)
        return epochs[epoch]
