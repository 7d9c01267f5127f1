"""How a path is shown in a request's line."""

from __future__ import annotations

import pytest

from clipal.downstream.request_line import shown_path


@pytest.mark.parametrize(
    ("path", "shown"),
    [(b"/v1", "/v1"), (b"/" * 200, "/" * 200), (b"/" * 201, "/" * 200 + "…"), (b"/\xff", "/ÿ")],
)
def test_a_path_is_cut_after_200_characters_and_shows_that_it_is(path: bytes, shown: str) -> None:
    assert shown_path(path) == shown
