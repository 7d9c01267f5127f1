"""A client's file with a provider pinned: what changes is the pin, and no other byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipal.commands.init import template
from clipal.config.nodes import Scalar, parse_document
from clipal.config.pinning import with_pin
from clipal.config.problems import ConfigurationError

FILE = Path("codex.yaml")
PROVIDERS = "providers:\n- {name: one}\n"


def pinned(text: str, provider: str | None = "two") -> str:
    return with_pin(FILE, text.encode(), provider).decode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (PROVIDERS, "mode: manual # by clipal use\npinned_provider: two # by clipal use\n" + PROVIDERS),
        ("mode: auto # why\n" + PROVIDERS, "mode: manual # why\npinned_provider: two # by clipal use\n" + PROVIDERS),
        (
            f"{PROVIDERS}\nmode:   'auto'   # why\npinned_provider: \"\"\n\n# end",
            f"{PROVIDERS}\nmode:   'manual'   # why\npinned_provider: \"two\"\n\n# end",
        ),
        (
            "  providers: []\n  mode: auto",
            "  providers: []\n  mode: manual\n  pinned_provider: two # by clipal use",
        ),
        (
            "# é\r\nproviders: []\r\nmode: auto\r\n",
            "# é\r\nproviders: []\r\nmode: manual\r\npinned_provider: two # by clipal use\r\n",
        ),
        ("{providers: [], mode: auto}\n", "{pinned_provider: two, providers: [], mode: manual}\n"),
        ("{providers: []}", "{mode: manual, pinned_provider: two, providers: []}"),
        ("{}", "{mode: manual, pinned_provider: two}"),
        ("\ufeffmode: auto\npinned_provider: one\n", "\ufeffmode: manual\npinned_provider: two\n"),
        ("pinned_provider:\nmode: AUTO\n", "pinned_provider: two\nmode: manual\n"),
        ("---\nmode: auto\n...\n", "---\nmode: manual\npinned_provider: two # by clipal use\n...\n"),
        ('"mode" : "auto"\n', '"mode" : "manual"\npinned_provider: two # by clipal use\n'),
        (
            "providers:\n- name: mode\n  models: {mode: x, pinned_provider: x}\nmode: auto\npinned_provider: one\n",
            "providers:\n- name: mode\n  models: {mode: x, pinned_provider: x}\nmode: manual\npinned_provider: two\n",
        ),
    ],
)
def test_a_pin_changes_the_pin_and_no_other_byte(before: str, after: str) -> None:
    assert pinned(before) == after
    assert pinned(after) == after


@pytest.mark.parametrize("text", [PROVIDERS, PROVIDERS.replace("\n", "\r\n"), PROVIDERS + "# end", "  providers: []"])
@pytest.mark.parametrize("mode", ["", "mode: auto\n"])
def test_what_was_put_in_is_taken_out_again(text: str, mode: str) -> None:
    before = text if text.startswith(" ") else mode + text
    assert pinned(pinned(before), None) == before
    assert pinned(pinned(pinned(before), "another"), None) == before


def test_at_the_end_of_a_file_without_a_newline_too() -> None:
    before = "providers: []\nmode: auto"
    assert pinned(pinned(before), None) == before


def test_lines_of_somebody_else_stay() -> None:
    before = "mode: manual # mine\npinned_provider: one\nproviders: []\n"
    assert pinned(before, None) == before.replace("manual", "auto")


@pytest.mark.parametrize("name", ["claude-code.yaml", "codex.yaml", "gemini.yaml"])
def test_a_template_is_as_it_was_afterwards(name: str) -> None:
    before = template(name).decode()
    assert len(pinned(before).splitlines()) == len(before.splitlines()) + 2
    assert pinned(pinned(before), None) == before


@given(st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=20))
def test_any_name_comes_back_as_it_is(name: str) -> None:
    for before in (PROVIDERS, "mode: 'auto'\npinned_provider: 'x'\n", 'mode: "auto"\npinned_provider: "x"\n', "{}"):
        found = parse_document(FILE, with_pin(FILE, before.encode(), name)).items["pinned_provider"]
        assert isinstance(found, Scalar)
        assert found.value == name


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: &x 1\nb: *x\n", "anchors are not allowed"),
        ("? providers\n: []\n", "cannot be edited"),
        ("mode: auto\nmode: auto\n", "already set in line 1"),
        ("mode: [auto]\nproviders: [\n", "not valid YAML"),
        ("", "empty"),
        ("- a\n", "must be a mapping"),
    ],
)
def test_what_cannot_be_edited_is_refused(text: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        pinned(text)
