"""The targets of `make fuzz`: each keeps its rules for its corpus, whole and damaged at fixed places."""

from __future__ import annotations

import pytest

from fuzz.__main__ import corpus
from fuzz.damage import Edit, apply
from fuzz.targets import TARGETS

EDITS = [[], [Edit(0.5, 1, b"")], [Edit(0.3, 0, b"\r\n")], [Edit(0.9, 4, b"\xff{")]]


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_has_a_corpus_and_keeps_its_rules(name: str) -> None:
    entries = corpus(name)
    assert entries
    for entry in entries:
        for edits in EDITS:
            TARGETS[name](apply(entry, edits))
