"""Which tests are to notice a change of which files: those that are about them, the quickest first."""

from __future__ import annotations

from pathlib import Path
from typing import Final

SUITES: Final[dict[str, tuple[str, ...]]] = {
    "clipal/outcomes": (
        "tests/pure/test_outcome.py",
        "tests/pure/test_facts.py",
        "tests/pure/test_retry_after.py",
        "tests/wire/test_vendor_errors.py",
        "tests/wire/test_error_bodies.py",
        "tests/wire/test_cooldowns.py",
    ),
    "clipal/providers": (
        "tests/pure/test_health.py",
        "tests/pure/test_health_invariants.py",
        "tests/pure/test_affinity.py",
        "tests/in_memory",
        "tests/wire/test_selection.py",
        "tests/wire/test_breaker.py",
        "tests/wire/test_cooldowns.py",
        "tests/wire/test_status.py",
    ),
    "clipal/failover": (
        "tests/pure/test_gate.py",
        "tests/in_memory",
        "tests/wire/test_failover.py",
        "tests/wire/test_first_event.py",
        "tests/wire/test_encoded_streams.py",
        "tests/wire/test_broken_answers.py",
        "tests/wire/test_no_answer.py",
        "tests/wire/test_own_bugs.py",
    ),
    "clipal/wire": (
        "tests/pure/test_parser.py",
        "tests/pure/test_coding.py",
        "tests/wire/test_refusals.py",
        "tests/wire/test_transparency_requests.py",
        "tests/wire/test_transparency_answers.py",
        "tests/wire/test_tunnel.py",
    ),
    "clipal/downstream": (
        "tests/wire/test_refusals.py",
        "tests/wire/test_backpressure.py",
        "tests/wire/test_bounds.py",
        "tests/wire/test_client_disconnect.py",
        "tests/wire/test_connections.py",
        "tests/wire/test_transparency_answers.py",
        "tests/wire/test_client_tokens.py",
        "tests/wire/test_protected_mode.py",
        "tests/wire/test_connection_limits.py",
        "tests/pure/test_wrong_tokens.py",
        "tests/pure/test_capacity.py",
    ),
}
_DOWNSTREAM: Final = ("channel", "relay", "backpressure", "access", "tokens", "wrong_tokens", "capacity")


def files(root: Path) -> list[Path]:
    """What is changed: what an answer means, who may be asked, failover, wire, and the way of bytes to a client."""
    found = [path for package in SUITES for path in sorted((root / package).glob("*.py"))]
    chosen = (path for path in found if path.parent.name != "downstream" or path.stem in _DOWNSTREAM)
    return [path.relative_to(root) for path in chosen]


def suite(file: Path) -> tuple[str, ...]:
    """The tests that are to notice a change of `file`."""
    return SUITES[file.parent.as_posix()]
