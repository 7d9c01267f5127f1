"""Configured secrets go out of a text, however it spells them."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipal.logs.redaction import REDACTED, Redactor

KEY = "sk-ant-api03-abc_DEF"
ODD = 'p+ss/w=rd&"quoted"\\%41'


@pytest.mark.parametrize(
    ("secret", "spelled"),
    [
        pytest.param(KEY, KEY, id="plain"),
        pytest.param(ODD, ODD, id="plain, odd"),
        pytest.param(KEY, KEY.replace("-", "%2D").replace("_", "%5f"), id="percent, more than needed"),
        pytest.param(ODD, quote(ODD, safe=""), id="percent"),
        pytest.param(ODD, quote(ODD, safe="/"), id="percent, but slashes"),
        pytest.param(ODD, quote(ODD, safe="").lower().replace("%41", "%41"), id="percent, lower case"),
        pytest.param(ODD, json.dumps(ODD)[1:-1], id="json"),
        pytest.param(ODD, json.dumps(ODD)[1:-1].replace("/", r"\/"), id="json, escaped slash"),
        pytest.param(ODD, json.dumps(ODD)[1:-1].replace("&", r"\u0026"), id="json for html"),
        pytest.param(ODD, json.dumps(ODD)[1:-1].replace("+", r"\u002B"), id="json, upper case"),
        pytest.param(ODD, repr(ODD)[1:-1], id="repr"),
        pytest.param('it\'s "both"', repr('it\'s "both"')[1:-1], id="repr, both quotes"),
        pytest.param("schlüssel-🔑", "schlüssel-🔑", id="not ascii"),
        pytest.param("schlüssel-🔑", quote("schlüssel-🔑"), id="not ascii, percent"),
        pytest.param("schlüssel-🔑", json.dumps("schlüssel-🔑")[1:-1], id="not ascii, json"),
        pytest.param("schlüssel-🔑", repr("schlüssel-🔑".encode())[2:-1], id="not ascii, repr of bytes"),
    ],
)
def test_a_secret_is_taken_out_in_each_spelling(secret: str, spelled: str) -> None:
    assert Redactor([secret]).redact(f"<{spelled}> and <{spelled}>") == f"<{REDACTED}> and <{REDACTED}>"


@given(st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=6), st.text())
def test_whatever_the_secret_is_no_spelling_survives(secret: str, around: str) -> None:
    redactor = Redactor([secret])
    for spelled in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1]):
        assert REDACTED in redactor.redact(around + spelled + around)
        assert redactor.redact(spelled) == REDACTED


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("k1", REDACTED),
        ("?key=k1&alt=sse", f"?key={REDACTED}&alt=sse"),
        ("Bearer k1.", f"Bearer {REDACTED}."),
        ("k10 xk1 _k1_", "k10 xk1 _k1_"),
    ],
)
def test_a_short_secret_is_taken_out_as_a_whole_word_only(text: str, redacted: str) -> None:
    assert Redactor(["k1"]).redact(text) == redacted


def test_a_secret_of_six_characters_is_taken_out_of_words() -> None:
    assert Redactor(["abcdef"]).redact("xabcdefx") == f"x{REDACTED}x"


def test_a_secret_that_begins_with_another_goes_whole() -> None:
    redactor = Redactor(["sk-one", "sk-one-and-more"])
    assert redactor.redact("sk-one sk-one-and-more") == f"{REDACTED} {REDACTED}"


@pytest.mark.parametrize("secrets", [[], ["", " ", "\t\n"]])
def test_without_secrets_nothing_changes(secrets: list[str]) -> None:
    assert Redactor(secrets).redact("any text\n at all") == "any text\n at all"


def test_new_secrets_count_at_once_and_the_replaced_ones_until_the_next_change() -> None:
    redactor = Redactor(["first-key"])
    redactor.set_secrets(["second-key"])
    assert redactor.redact("first-key second-key") == f"{REDACTED} {REDACTED}"
    redactor.set_secrets(iter(["second-key"]))
    assert redactor.redact("first-key second-key") == f"{REDACTED} {REDACTED}"
    redactor.set_secrets(["third-key"])
    assert redactor.redact("first-key second-key third-key") == f"first-key {REDACTED} {REDACTED}"


def test_a_redactor_does_not_show_its_secrets() -> None:
    assert KEY not in repr(Redactor([KEY]))


def test_backslashes_cannot_make_matching_exponential() -> None:
    assert Redactor(["\\" * 64 + "x"]).redact("\\" * 1000) == "\\" * 1000
