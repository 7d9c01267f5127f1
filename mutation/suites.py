"""Which tests are to notice a change of which files: those that are about them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_FAILOVER: Final = (
    "tests/in_memory",
    "tests/wire/test_failover.py",
    "tests/wire/test_cooldowns.py",
    "tests/wire/test_error_bodies.py",
    "tests/wire/test_request_line.py",
    "tests/wire/test_vendor_errors.py",
)
"""What shows in whole requests what an answer means, and who is asked next."""

_BOUNDS: Final = "tests/pure/test_bounds_of_the_contract.py"

SUITES: Final[dict[str, tuple[str, ...]]] = {
    "clipal/outcomes": (
        "tests/pure/test_outcome.py",
        "tests/pure/test_facts.py",
        "tests/pure/test_retry_after.py",
        "tests/pure/test_vendor_answers.py",
        "tests/pure/test_gate.py",
        *_FAILOVER,
    ),
    "clipal/dialects": (
        "tests/pure/test_dialect_anthropic.py",
        "tests/pure/test_dialect_gemini.py",
        "tests/pure/test_dialect_openai.py",
        "tests/pure/test_dialects.py",
        "tests/pure/test_gate.py",
        "tests/pure/test_model_name.py",
        "tests/pure/test_outcome.py",
        "tests/pure/test_sse.py",
        "tests/pure/test_token_counts.py",
        "tests/pure/test_vendor_answers.py",
        "tests/wire/test_first_event.py",
        "tests/wire/test_models.py",
        "tests/wire/test_tokens_spent.py",
        "tests/wire/test_transparency_requests.py",
        *_FAILOVER,
    ),
    "clipal/providers": (
        "tests/pure/test_health.py",
        "tests/pure/test_health_invariants.py",
        "tests/pure/test_affinity.py",
        "tests/pure/test_counters.py",
        "tests/wire/test_selection.py",
        "tests/wire/test_breaker.py",
        "tests/wire/test_status.py",
        "tests/wire/test_metrics.py",
        "tests/wire/test_models.py",
        "tests/wire/test_reload_service.py",
        "tests/wire/test_tokens_spent.py",
        *_FAILOVER,
    ),
    "clipal/failover": (
        "tests/pure/test_gate.py",
        "tests/pure/test_body_delivery.py",
        "tests/wire/test_backpressure.py",
        "tests/wire/test_breaker.py",
        "tests/wire/test_broken_answers.py",
        "tests/wire/test_client_disconnect.py",
        "tests/wire/test_encoded_streams.py",
        "tests/wire/test_expose_provider.py",
        "tests/wire/test_first_event.py",
        "tests/wire/test_metrics.py",
        "tests/wire/test_models.py",
        "tests/wire/test_no_answer.py",
        "tests/wire/test_own_bugs.py",
        "tests/wire/test_selection.py",
        "tests/wire/test_status.py",
        "tests/wire/test_tokens_spent.py",
        "tests/wire/test_transparency_answers.py",
        "tests/wire/test_tunnel.py",
        *_FAILOVER,
    ),
    "clipal/wire": (
        "tests/pure/test_parser.py",
        "tests/pure/test_proxy_protocol.py",
        "tests/pure/test_coding.py",
        "tests/pure/test_credentials.py",
        "tests/pure/test_fields.py",
        "tests/pure/test_gate.py",
        "tests/wire/test_addresses.py",
        "tests/wire/test_broken_answers.py",
        "tests/wire/test_connections.py",
        "tests/wire/test_encoded_streams.py",
        "tests/wire/test_refusals.py",
        "tests/wire/test_request_line.py",
        "tests/wire/test_transparency_requests.py",
        "tests/wire/test_transparency_answers.py",
        "tests/wire/test_treq.py",
        "tests/wire/test_tunnel.py",
        "tests/wire/test_tunnel_websockets.py",
    ),
    "clipal/upstream": (
        "tests/pure/test_body_delivery.py",
        "tests/pure/test_credentials.py",
        "tests/pure/test_model_name.py",
        "tests/in_memory",
        "tests/wire/test_backpressure.py",
        "tests/wire/test_broken_answers.py",
        "tests/wire/test_client_disconnect.py",
        "tests/wire/test_connections.py",
        "tests/wire/test_failover.py",
        "tests/wire/test_models.py",
        "tests/wire/test_no_answer.py",
        "tests/wire/test_transparency_answers.py",
        "tests/wire/test_transparency_requests.py",
        "tests/wire/test_treq.py",
        "tests/wire/test_tunnel.py",
        "tests/wire/test_file_descriptors.py",
    ),
    "clipal/downstream": (
        "tests/pure/test_admission.py",
        "tests/pure/test_body_delivery.py",
        "tests/pure/test_capacity.py",
        "tests/pure/test_closing.py",
        "tests/pure/test_room_for_clients.py",
        "tests/pure/test_wrong_tokens.py",
        "tests/wire/test_addresses.py",
        "tests/wire/test_backpressure.py",
        "tests/wire/test_bounds.py",
        "tests/wire/test_client_disconnect.py",
        "tests/wire/test_client_tokens.py",
        "tests/wire/test_connection_limits.py",
        "tests/wire/test_connections.py",
        "tests/wire/test_drain.py",
        "tests/wire/test_expose_provider.py",
        "tests/wire/test_file_descriptors.py",
        "tests/wire/test_listening.py",
        "tests/wire/test_metrics.py",
        "tests/wire/test_own_bugs.py",
        "tests/wire/test_protected_mode.py",
        "tests/wire/test_refusal_log.py",
        "tests/wire/test_refusals.py",
        "tests/wire/test_request_line.py",
        "tests/wire/test_status.py",
        "tests/wire/test_status_access.py",
        "tests/wire/test_transparency_answers.py",
        "tests/wire/test_transparency_requests.py",
        "tests/wire/test_tunnel.py",
        "tests/wire/test_tunnel_websockets.py",
    ),
}


def files(root: Path) -> list[Path]:
    """What is changed: what an answer means, who may be asked, failover, and the way of bytes in both directions."""
    return [path.relative_to(root) for package in SUITES for path in sorted((root / package).glob("*.py"))]


def suite(file: Path) -> list[str]:
    """The tests that are to notice a change of `file`, the quick ones first."""
    quick = ("tests/pure", "tests/in_memory", "tests/wire")
    return sorted(
        [_BOUNDS, *SUITES[file.parent.as_posix()]], key=lambda each: quick.index("/".join(each.split("/")[:2]))
    )
