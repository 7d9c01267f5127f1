"""How many connections there is room for, all together and from one address."""

from __future__ import annotations

from pathlib import Path

from clipal.config.settings import Settings
from clipal.downstream.capacity import SPARE, UNIX, Capacity


def capacity(connections: int = 0, per_address: int = 0) -> Capacity:
    return Capacity(settings(connections, per_address))


def settings(connections: int, per_address: int) -> Settings:
    return Settings(Path("/"), max_connections=connections, max_connections_per_address=per_address)


def test_sixteen_beyond_the_limit_have_a_place_and_no_more() -> None:
    full = capacity(connections=2)
    assert [full.add(number, f"192.0.2.{number}") for number in range(20)] == [True] * (2 + SPARE) + [False] * 2
    assert [number for number in range(20) if full.is_beyond(number)] == list(range(2, 2 + SPARE))


def test_a_connection_beyond_the_limit_takes_the_place_of_one_that_has_ended() -> None:
    full = capacity(connections=1)
    for number in range(3):
        full.add(number, "192.0.2.1")
    full.discard(0)
    assert [full.is_beyond(number) for number in (1, 2)] == [False, True]
    full.discard(2)
    full.discard(1)
    assert full.add(3, "192.0.2.1")
    assert not full.is_beyond(3)


def test_an_address_has_a_limit_of_its_own() -> None:
    full = capacity(per_address=1)
    for name, address in (("a", "192.0.2.1"), ("b", "192.0.2.1"), ("c", "192.0.2.2")):
        full.add(name, address)
    assert [full.is_beyond(name) for name in "abc"] == [False, True, False]
    full.discard("a")
    assert not full.is_beyond("b")
    assert [full.add(number, "192.0.2.1") for number in range(SPARE + 1)] == [True] * SPARE + [False]
    assert full.add("d", "192.0.2.2")


def test_clients_of_a_unix_socket_are_not_told_apart() -> None:
    full = capacity(per_address=1)
    assert all(full.add(number, UNIX) for number in range(100))
    assert not any(full.is_beyond(number) for number in range(100))


def test_zero_is_no_limit_and_a_limit_can_be_raised() -> None:
    full = capacity()
    assert all(full.add(number, "192.0.2.1") for number in range(100))
    full = capacity(connections=1, per_address=1)
    full.add("a", "192.0.2.1")
    full.add("b", "192.0.2.1")
    full.follow(settings(2, 1))
    assert full.is_beyond("b")
    full.follow(settings(2, 2))
    assert not full.is_beyond("b")


def test_a_connection_beyond_the_limit_frees_no_place_when_it_ends() -> None:
    full = capacity(connections=1)
    for number in range(20):
        full.add(number, "192.0.2.1")
    full.discard(19)
    full.discard(0)
    assert not full.is_beyond(1)
    assert full.is_beyond(2)
