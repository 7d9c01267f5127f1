"""The bounds that docs/routing.md, docs/wire.md and docs/configuration.md promise, as numbers."""

from __future__ import annotations

import pytest

from clipal.dialects import dialect, token_counts
from clipal.downstream import capacity, refusal_log, request_line, wrong_tokens
from clipal.failover import beginning, gate, held_answer
from clipal.outcomes import classification, retry_after
from clipal.providers import affinity, health, health_state, tally
from clipal.wire import parser, request_parser, response_parser

KIB = 1024


@pytest.mark.parametrize(
    ("bound", "promised"),
    [
        (request_parser.HEAD_LIMIT, 16 * KIB),
        (request_parser.FIELDS_LIMIT, 500),
        (parser.TARGET_LIMIT, 8 * KIB),
        (response_parser.ANSWER_HEAD_LIMIT, KIB * KIB),
        (held_answer.ERROR_BODY, 32 * KIB),
        (held_answer.ERROR_TIME, 3.0),
        (gate._EVENTS, 64),
        (beginning._BYTES, 256 * KIB),
        (token_counts.TAIL, 8 * KIB),
        (retry_after.LONGEST_WAIT, 3600.0),
        (health_state.LONGEST_COOLDOWN, 3600.0),
        (classification.LONGEST_OF_FAILURE, 60.0),
        (health_state.HealthPolicy(), health_state.HealthPolicy(4, 60.0, 3600.0)),
        (health.LEASE, 600.0),
        (affinity.SESSIONS, 4096),
        (affinity.IDLE, 1800.0),
        (dialect._SESSION_LENGTH, 256),
        (wrong_tokens.ALLOWED, 20),
        (wrong_tokens.PERIOD, 60.0),
        (capacity.SPARE, 16),
        (refusal_log.LINES, 10),
        (request_line._PATH, 200),
        (tally.DISCONNECTED_STATUS, 0),
        (tally.BOUNDS, (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1200)),
    ],
)
def test_a_bound_is_what_was_promised(bound: object, promised: object) -> None:
    assert bound == promised
