"""pytest-twisted's two marks with types, because it has none of its own.

`ensure_deferred` stands on an `async def` test, below `@given` where there is one. `async_fixture` stands on
an `async def` fixture that yields once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar, cast

import pytest_twisted  # type: ignore[import-untyped, unused-ignore]

P = ParamSpec("P")
T = TypeVar("T")


def ensure_deferred(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, Coroutine[Any, Any, None]]:
    """Mark a coroutine function as a test that runs in the reactor."""
    return cast("Callable[P, Coroutine[Any, Any, None]]", pytest_twisted.ensureDeferred(test))


def async_fixture(fixture: Callable[P, AsyncIterator[T]]) -> Callable[P, AsyncIterator[T]]:
    """Make an asynchronous generator function a fixture of one test."""
    return cast("Callable[P, AsyncIterator[T]]", pytest_twisted.async_yield_fixture(fixture))


def autouse_async_fixture(fixture: Callable[P, AsyncIterator[T]]) -> Callable[P, AsyncIterator[T]]:
    """Make an asynchronous generator function a fixture of every test."""
    return cast("Callable[P, AsyncIterator[T]]", pytest_twisted.async_yield_fixture(autouse=True)(fixture))
