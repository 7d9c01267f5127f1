"""The types of the fixtures in `tests/conftest.py`, for the signatures of tests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from twisted.python.failure import Failure

from tests.wirekit.client import RawClient
from tests.wirekit.process import Program
from tests.wirekit.upstream import ScriptedUpstream

StartUpstream: TypeAlias = Callable[..., ScriptedUpstream]
"""`start_upstream`: the parameters of `ScriptedUpstream.start`."""
Connect: TypeAlias = Callable[..., Awaitable[RawClient]]
"""`connect`: the parameters of `RawClient.connect`."""
RunProgram: TypeAlias = Callable[..., Program]
"""`run_program`: the parameters of `Program.start`."""
FlushLoggedFailures: TypeAlias = Callable[..., list[Failure]]
"""`flush_logged_failures`: takes exception types, none for all."""
