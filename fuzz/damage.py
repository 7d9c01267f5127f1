"""Inputs out of good ones: pieces taken out, doubled, and put in."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen
from hypothesis import strategies as st

_WORDS = (
    rb"\r\n|\n|\r|\0| |\t|:|;|,|'|\\|{|}|[|]|$|${|*|#|-1|99999|1e999|null|\xff|\xef\xbb\xbf|\xe2\x80\xa8"
    rb"|chunked|0\r\n\r\n|Content-Length: 3\r\n|data: |event: error\n|file:|&a|!!python/name:os.system |PROXY "
)
_TOKENS = st.sampled_from([*(each.decode("unicode-escape").encode("latin-1") for each in _WORDS.split(b"|")), b'"'])


@frozen
class Edit:
    """At a place, between 0 and 1 of the whole, so many bytes are taken out and others put in."""

    place: float
    out: int
    into: bytes


def damaged(entries: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """One of `entries` with some edits; or any bytes at all."""
    edits = st.builds(Edit, st.floats(0, 1), st.integers(0, 8), st.one_of(_TOKENS, st.binary(max_size=6)))
    edited = st.builds(apply, st.sampled_from(list(entries)), st.lists(edits, max_size=6))
    return st.one_of(edited, edited, edited, st.binary(max_size=200))


def apply(data: bytes, edits: Sequence[Edit]) -> bytes:
    """`data` with the edits, one after another."""
    for edit in edits:
        at = int(edit.place * len(data))
        data = data[:at] + edit.into + data[at + edit.out :]
    return data
