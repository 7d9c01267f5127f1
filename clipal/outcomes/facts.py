"""What the words of vendors' errors mean: one table for each vendor. A new vendor gets a new table.

A word is a value of `code`, `type`, `status` or a detail's `reason`; case, `_`, `-` and spaces do not count. A row has
the words, the fact that they state, and a status. The status is what an error stands for that comes without a status of
its own: in a stream, or in an answer with a 200. Messages are read by `clipal.outcomes.phrases`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Final

from attrs import frozen


class Fact(Enum):
    """What an error is about."""

    KEY = "key"
    """The key, or the account behind it, is refused."""
    QUOTA = "quota"
    """The account has no money or no quota left, which does not pass by waiting a little."""
    RATE_LIMIT = "rate limit"
    """Too many requests or tokens at once, which passes by waiting."""
    MODEL = "model"
    """This provider lacks the model."""
    REQUEST = "request"
    """The request itself is wrong, for every provider."""
    STATUS = "status"
    """Nothing more than the status says."""
    FAILURE = "failure"
    """The provider failed."""


@frozen
class Row:
    """Words of one vendor that mean the same.

    Attributes:
        status: what an error with such a word stands for if it has no status of its own.
        words: separated by spaces; a space within a word is written as `_`.
    """

    status: int
    fact: Fact
    words: str


ANTHROPIC_WORDS: Final = (
    Row(400, Fact.STATUS, "invalid_request_error"),
    Row(401, Fact.KEY, "authentication_error"),
    Row(402, Fact.QUOTA, "billing_error"),
    Row(403, Fact.KEY, "permission_error"),
    Row(404, Fact.STATUS, "not_found_error"),
    Row(413, Fact.STATUS, "request_too_large"),
    Row(429, Fact.RATE_LIMIT, "rate_limit_error"),
    Row(500, Fact.FAILURE, "api_error"),
    Row(504, Fact.FAILURE, "timeout_error"),
    Row(529, Fact.FAILURE, "overloaded_error"),
)
OPENAI_WORDS: Final = (
    Row(
        400,
        Fact.REQUEST,
        "invalid_prompt context_length_exceeded previous_response_not_found content_filter content_policy_violation"
        " cyber_policy bio_policy invalid_image invalid_image_format invalid_base64_image invalid_image_url"
        " invalid_image_mode image_too_large image_too_small image_file_too_large image_file_not_found"
        " image_parse_error image_content_policy_violation unsupported_image_media_type empty_image_file"
        " failed_to_download_image string_above_max_length unsupported_parameter unsupported_value invalid_type"
        " invalid_value missing_required_parameter unknown_parameter",
    ),
    Row(401, Fact.KEY, "invalid_api_key account_deactivated invalid_organization token_expired token_invalidated"),
    Row(403, Fact.KEY, "unsupported_country_region_territory"),
    Row(404, Fact.MODEL, "model_not_found model_not_supported model_not_available unsupported_model"),
    Row(
        429,
        Fact.QUOTA,
        "insufficient_quota billing_hard_limit_reached billing_not_active organization_quota_exceeded"
        " usage_not_included",
    ),
    Row(429, Fact.RATE_LIMIT, "rate_limit_exceeded requests tokens usage_limit_reached too_many_requests"),
    Row(500, Fact.FAILURE, "server_error internal_server_error internal_error"),
    Row(503, Fact.FAILURE, "server_is_overloaded slow_down service_unavailable_error"),
)
GOOGLE_WORDS: Final = (  # google.rpc.Code, and the reasons of google.rpc.ErrorInfo
    Row(400, Fact.STATUS, "INVALID_ARGUMENT FAILED_PRECONDITION OUT_OF_RANGE"),
    Row(
        400,
        Fact.KEY,
        "API_KEY_INVALID API_KEY_EXPIRED API_KEY_NOT_FOUND API_KEY_SERVICE_BLOCKED API_KEY_IP_ADDRESS_BLOCKED"
        " API_KEY_HTTP_REFERRER_BLOCKED API_KEY_ANDROID_APP_BLOCKED API_KEY_IOS_APP_BLOCKED ACCESS_TOKEN_EXPIRED"
        " ACCESS_TOKEN_TYPE_UNSUPPORTED ACCESS_TOKEN_SCOPE_INSUFFICIENT ACCOUNT_STATE_INVALID CONSUMER_INVALID"
        " CONSUMER_SUSPENDED CREDENTIALS_MISSING SERVICE_DISABLED USER_PROJECT_DENIED",
    ),
    Row(400, Fact.QUOTA, "BILLING_DISABLED"),
    Row(401, Fact.KEY, "UNAUTHENTICATED"),
    Row(403, Fact.KEY, "PERMISSION_DENIED"),
    Row(404, Fact.STATUS, "NOT_FOUND"),
    Row(409, Fact.STATUS, "ALREADY_EXISTS ABORTED"),
    Row(429, Fact.QUOTA, "QUOTA_EXHAUSTED"),
    Row(429, Fact.STATUS, "RESOURCE_EXHAUSTED"),  # the word does not say which resource
    Row(499, Fact.FAILURE, "CANCELLED"),
    Row(500, Fact.FAILURE, "UNKNOWN INTERNAL DATA_LOSS"),
    Row(501, Fact.FAILURE, "UNIMPLEMENTED"),
    Row(503, Fact.FAILURE, "UNAVAILABLE"),
    Row(504, Fact.FAILURE, "DEADLINE_EXCEEDED"),
)
CLOUD_WORDS: Final = (  # Azure, Amazon Bedrock, GitHub Models and Copilot
    Row(404, Fact.MODEL, "DeploymentNotFound unknown_model unavailable_model ModelNotReadyException"),
    Row(400, Fact.MODEL, "OperationNotSupported"),
    Row(403, Fact.KEY, "UnrecognizedClientException ExpiredTokenException"),
    Row(403, Fact.STATUS, "AccessDeniedException"),  # perhaps to one model
    Row(
        429,
        Fact.RATE_LIMIT,
        "ThrottlingException TooManyRequestsException TooManyRequests ServiceQuotaExceededException RateLimitReached",
    ),
    Row(413, Fact.RATE_LIMIT, "tokens_limit_reached"),
    Row(400, Fact.STATUS, "ValidationException"),
    Row(500, Fact.FAILURE, "InternalServerException ModelErrorException ModelStreamErrorException"),
    Row(503, Fact.FAILURE, "ServiceUnavailableException"),
)
RELAY_WORDS: Final = (  # LiteLLM, OpenRouter, one-api, new-api, Vercel, OpenCode Zen
    Row(400, Fact.QUOTA, "budget_exceeded"),
    Row(401, Fact.KEY, "auth_error token_not_found_in_db expired_key AuthError"),
    Row(402, Fact.QUOTA, "insufficient_credits insufficient_funds CreditsError"),
    Row(
        403, Fact.QUOTA, "insufficient_user_quota pre_consume_token_quota_failed token_quota_exhausted quota_not_enough"
    ),
    Row(
        403,
        Fact.MODEL,
        "key_model_access_denied team_model_access_denied user_model_access_denied org_model_access_denied"
        " project_model_access_denied",
    ),
    Row(429, Fact.RATE_LIMIT, "throttling_error rate_limited limit_requests"),
)
DEEPSEEK_AND_MOONSHOT_WORDS: Final = (
    Row(402, Fact.QUOTA, "insufficient_balance insufficient_balance_error"),
    Row(401, Fact.KEY, "invalid_authentication_error incorrect_api_key_error"),
    Row(403, Fact.KEY, "permission_denied_error access_terminated_error"),
    Row(429, Fact.QUOTA, "exceeded_current_quota_error exceeded_current_quota"),
    Row(429, Fact.RATE_LIMIT, "rate_limit_reached_error engine_overloaded_error"),
)
MISTRAL_WORDS: Final = (
    Row(400, Fact.MODEL, "invalid_model"),
    Row(429, Fact.RATE_LIMIT, "service_tier_capacity_exceeded"),
)
GROQ_TOGETHER_XAI_WORDS: Final = (Row(400, Fact.MODEL, "model_decommissioned model_deprecated"),)
ALIBABA_AND_VOLCENGINE_WORDS: Final = (
    Row(400, Fact.QUOTA, "Arrearage AccountOverdueError AllocationQuota.FreeTierOnly"),
    Row(400, Fact.REQUEST, "DataInspectionFailed data_inspection_failed"),
    Row(401, Fact.KEY, "InvalidApiKey AuthenticationError"),
    Row(404, Fact.MODEL, "ModelNotFound ModelNotOpen InvalidEndpointOrModel Model.AccessDenied"),
    Row(429, Fact.RATE_LIMIT, "Throttling RateLimitExceeded RequestBurstTooFast ServerOverloaded"),
)
GLM_WORDS: Final = (  # docs.bigmodel.cn and docs.z.ai, Error codes
    Row(400, Fact.REQUEST, "1261 1301"),
    Row(404, Fact.MODEL, "1211"),
    Row(429, Fact.QUOTA, "1113 1304 1309"),
    Row(429, Fact.RATE_LIMIT, "1302 1303 1305 1308 1310 1312 1313"),
)
MINIMAX_WORDS: Final = (  # `base_resp.status_code`; ErrorBody writes `minimax` before it
    Row(401, Fact.KEY, "minimax1004 minimax2049"),
    Row(429, Fact.QUOTA, "minimax1008 1008"),
    Row(429, Fact.RATE_LIMIT, "minimax1002 minimax1039 minimax1041 minimax2045 minimax2056"),
    Row(404, Fact.MODEL, "minimax2061"),
    Row(400, Fact.REQUEST, "minimax1026 minimax1027 minimax1042 minimax2013"),
)
VENDORS: Final = (
    ANTHROPIC_WORDS,
    OPENAI_WORDS,
    GOOGLE_WORDS,
    CLOUD_WORDS,
    RELAY_WORDS,
    DEEPSEEK_AND_MOONSHOT_WORDS,
    MISTRAL_WORDS,
    GROQ_TOGETHER_XAI_WORDS,
    ALIBABA_AND_VOLCENGINE_WORDS,
    GLM_WORDS,
    MINIMAX_WORDS,
)

_LASTING: Final = ("perday", "perweek", "permonth")
_PASSING: Final = ("perminute", "persecond", "perhour")
_IGNORED: Final = str.maketrans("", "", "_- ")


def normal(word: str) -> str:
    """A word without what does not count."""
    return word.lower().translate(_IGNORED)


_ROWS: Final = {normal(word): row for table in VENDORS for row in table for word in row.words.split()}


def rows(words: Iterable[str]) -> Iterator[Row]:
    """The rows of an error's words. `RateLimitExceeded.Endpoint` has the row of its first part, too."""
    for word in words:
        known = normal(word)
        row = _ROWS.get(known) or _ROWS.get(known.partition(".")[0])
        if row is not None:
            yield row


def quota_fact(quota_id: str) -> Fact | None:
    """Whether one of Google's quotas (`GenerateRequestsPerMinutePerProject…`) passes by waiting; None if unknown."""
    quota = normal(quota_id)
    if any(period in quota for period in _LASTING):
        return Fact.QUOTA
    return Fact.RATE_LIMIT if any(period in quota for period in _PASSING) else None
