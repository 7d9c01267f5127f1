"""After twenty wrong tokens in a minute, an address waits for a minute."""

from __future__ import annotations

from twisted.internet.task import Clock

from clipal.downstream.wrong_tokens import ADDRESSES, ALLOWED, PERIOD, WrongTokens


def test_twenty_in_a_minute_make_an_address_wait_for_a_minute_and_no_other() -> None:
    clock = Clock()
    wrong = WrongTokens(clock)
    for _ in range(ALLOWED):
        assert wrong.wait("192.0.2.1") == 0
        wrong.add("192.0.2.1")
        clock.advance(1)
    assert wrong.wait("192.0.2.1") == PERIOD - 1
    assert wrong.wait("192.0.2.2") == 0
    clock.advance(PERIOD - 1)
    assert wrong.wait("192.0.2.1") == 0
    wrong.add("192.0.2.1")
    assert wrong.wait("192.0.2.1") == 0


def test_fewer_wrong_tokens_in_each_minute_lead_to_no_wait() -> None:
    clock = Clock()
    wrong = WrongTokens(clock)
    for _ in range(3):
        for _ in range(ALLOWED - 1):
            wrong.add("192.0.2.1")
        assert wrong.wait("192.0.2.1") == 0
        clock.advance(PERIOD)


def test_any_minute_counts_and_not_only_the_one_that_began_with_the_first() -> None:
    clock = Clock()
    wrong = WrongTokens(clock)
    wrong.add("192.0.2.1")
    clock.advance(PERIOD - 1)
    for _ in range(ALLOWED - 2):
        wrong.add("192.0.2.1")
    clock.advance(2)  # the first of all is more than a minute ago
    wrong.add("192.0.2.1")
    assert wrong.wait("192.0.2.1") == 0
    wrong.add("192.0.2.1")
    assert wrong.wait("192.0.2.1") == PERIOD


def test_more_while_it_waits_do_not_make_it_wait_longer() -> None:
    clock = Clock()
    wrong = WrongTokens(clock)
    for _ in range(ALLOWED):
        wrong.add("192.0.2.1")
    clock.advance(40)
    for _ in range(100):
        wrong.add("192.0.2.1")
    assert wrong.wait("192.0.2.1") == PERIOD - 40


def test_the_address_that_has_been_quiet_for_longest_is_forgotten_first() -> None:
    wrong = WrongTokens(Clock())
    for _ in range(ALLOWED):
        wrong.add("busy")
        wrong.add("quiet")
    for number in range(ADDRESSES - 1):
        wrong.add(str(number))
        wrong.add("busy")
    assert wrong.wait("busy") > 0
    assert wrong.wait("quiet") == 0
    assert len(wrong._counts) == ADDRESSES
