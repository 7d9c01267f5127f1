"""The table of who answered whom: bounded, and forgetful of what has been idle."""

from __future__ import annotations

from clipal.providers.affinity import IDLE, SESSIONS, AffinityTable


def test_the_provider_that_answered_last_is_remembered() -> None:
    table: AffinityTable[str] = AffinityTable()
    table.put(b"one", "primary", 0)
    table.put(b"two", "backup", 1)
    table.put(b"one", "backup", 2)
    assert table.get(b"one", 3) == table.get(b"two", 3) == "backup"
    assert table.get(b"three", 3) is None
    assert len(table) == 2


def test_what_has_no_name_is_not_remembered() -> None:
    table: AffinityTable[str] = AffinityTable()
    table.put(None, "primary", 0)
    assert table.get(None, 0) is None
    assert len(table) == 0


def test_the_empty_name_is_a_name() -> None:
    table: AffinityTable[str] = AffinityTable()
    table.put(b"", "primary", 0)
    assert table.get(b"", 0) == "primary"


def test_an_idle_session_is_forgotten_and_takes_no_room() -> None:
    table: AffinityTable[str] = AffinityTable()
    table.put(b"one", "primary", 100)
    assert table.get(b"one", 100 + IDLE) == "primary"
    assert table.get(b"one", 100 + IDLE + 0.001) is None
    assert len(table) == 0
    assert table.get(b"one", 100) is None


def test_a_session_that_goes_on_is_not_forgotten() -> None:
    table: AffinityTable[str] = AffinityTable(idle=10)
    for now in range(0, 100, 9):
        table.put(b"one", "primary", now)
    assert table.get(b"one", 99 + 10) == "primary"


def test_the_least_recently_answered_session_makes_room() -> None:
    table: AffinityTable[int] = AffinityTable(size=3)
    for number, name in enumerate((b"a", b"b", b"c", b"a", b"d")):
        table.put(name, number, number)
    assert [table.get(name, 5) for name in (b"a", b"b", b"c", b"d")] == [3, None, 2, 4]


def test_the_table_never_grows_beyond_its_size() -> None:
    table: AffinityTable[int] = AffinityTable()
    for number in range(SESSIONS + 100):
        table.put(b"%d" % number, number, 0)
    assert len(table) == SESSIONS
    assert table.get(b"99", 0) is None
    assert table.get(b"100", 0) == 100
