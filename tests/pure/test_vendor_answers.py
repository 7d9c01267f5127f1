"""Answers of many vendors, as they send them: which deactivate a key, which cool down, and which are the client's."""

from __future__ import annotations

import json

import pytest

from clipal.dialects.dialect import FieldPairs
from clipal.outcomes.classification import classify
from clipal.outcomes.outcome import Action, Charge

NOW = 1_790_000_000.0
JSON: FieldPairs = [(b"content-type", b"application/json")]
AUTH, BILLING, QUOTA = "auth", "billing", "quota"
LACK, LIMIT, FAILURE, RELAY = "lack", "limit", "failure", "relay"


def verdict(status: int, body: object, fields: FieldPairs = JSON) -> str:
    outcome = classify(status, fields, body if isinstance(body, bytes) else json.dumps(body).encode(), NOW)
    if outcome.charge is Charge.DEACTIVATE:
        return outcome.reason
    if outcome.action is Action.RELAY:
        assert outcome.charge is Charge.SUCCESS
        return RELAY
    if outcome.charge is Charge.NEUTRAL:
        assert outcome.fallback
        return LACK
    return {Charge.COOLDOWN: LIMIT, Charge.FAILURE: FAILURE}[outcome.charge]


def error(code: object, message: str, kind: object = None, **more: object) -> object:
    return {"error": {"code": code, "type": kind, "message": message, **more}}


def anthropic(kind: str, message: str) -> object:
    return {"type": "error", "error": {"type": kind, "message": message}}


def plain(message: str, **more: object) -> object:
    return {"message": message, **more}


def amazon(kind: bytes) -> FieldPairs:
    return [*JSON, (b"x-amzn-ErrorType", kind + b":http://internal.amazon.com/coral/com.amazon.bedrock/")]


FORBIDDEN_MODEL = "The caller does not have permission to execute the specified operation"

ANSWERS: dict[str, tuple[str, int, object]] = {
    # A 401 or 403 that is about one model, or one request, leaves the key alone
    "OpenAI, a project's model": (
        LACK,
        403,
        error("model_not_found", "Project `p` does not have access to model `gpt-5`", "invalid_request_error"),
    ),
    "LiteLLM, a key's models": (
        LACK,
        401,
        error("401", "key not allowed to access model. Tried to access x", "key_model_access_denied", param="model"),
    ),
    "LiteLLM, a team's models": (LACK, 403, error("403", "team not allowed", "team_model_access_denied")),
    "Alibaba, a model": (LACK, 403, error("Model.AccessDenied", "Model access denied.", "Model.AccessDenied")),
    "GitHub Models, a model": (LACK, 403, error("no_access", "No access to model: openai/gpt-5")),
    "new-api, a model": (LACK, 403, error("", "该令牌无权访问模型 gpt-5", "new_api_error")),
    "one-api, a model": (LACK, 403, error("", "This token has no access to model gpt-5", "one_api_error")),
    "OpenRouter, moderation": (
        LACK,
        403,
        error(403, "x requires moderation", metadata={"reasons": ["violence"], "flagged_input": "…"}),
    ),
    "xAI, moderation": (
        LACK,
        403,
        {"code": FORBIDDEN_MODEL, "error": "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO"},
    ),
    "a context under 403": (LACK, 403, error("context_length_exceeded", "too long", "invalid_request_error")),
    "a limit under 403": (LIMIT, 403, error("rateLimitExceeded", "Rate Limit Exceeded")),
    # and others are taken at their word
    "Anthropic, region": (AUTH, 403, anthropic("forbidden", "Request not allowed")),
    "Anthropic, OAuth": (AUTH, 401, anthropic("authentication_error", "OAuth token has expired.")),
    "OpenAI, scopes": (AUTH, 401, error(None, "You have insufficient permissions for this operation.")),
    "OpenAI, region": (AUTH, 403, error("unsupported_country_region_territory", "Country not supported")),
    "ChatGPT, signed out": (AUTH, 401, error("token_invalidated", "Your authentication token has been invalidated.")),
    "ChatGPT, a workspace": (BILLING, 402, {"detail": {"code": "deactivated_workspace"}}),
    "Perplexity, a page": (AUTH, 401, b"<html><title>401 Authorization Required</title>openresty</html>"),
    "Azure, a firewall": (AUTH, 403, error("403", "Access denied due to Virtual Network/Firewall rules.")),
    "Azure, a key": (AUTH, 401, {"statusCode": 401, "message": "Unauthorized. Access token is missing."}),
    "Azure API Management, quota": (
        BILLING,
        403,
        {"statusCode": 403, "message": "Out of call volume quota. Quota will be replenished in 00:12:34."},
    ),
    "Cohere, a key": (AUTH, 401, plain("invalid api token")),
    "Cohere, a token": (LIMIT, 498, plain("invalid token")),
    "HuggingFace, credits": (BILLING, 402, {"error": "You have exceeded your monthly included credits for Inference"}),
    "SiliconFlow, balance": (
        BILLING,
        403,
        {"code": 30001, "message": "Sorry, your account balance is insufficient", "data": None},
    ),
    "Alibaba, free tier": (BILLING, 403, error("AllocationQuota.FreeTierOnly", "The free tier of the model is used")),
    "Kimi, agents only": (AUTH, 403, error(None, "Kimi For Coding is only for agents", "access_terminated_error")),
    "NVIDIA": (AUTH, 403, {"status": 403, "title": "Forbidden", "detail": "Authorization failed"}),
    "Mistral, a key": (AUTH, 401, {"detail": "Unauthorized"}),
    "Cloudflare, a token": (AUTH, 403, {"success": False, "errors": [{"code": 10000, "message": "Authentication"}]}),
    # Limits and quotas under an unusual status
    "Groq, a large request": (LACK, 413, error("rate_limit_exceeded", "Request too large for model", "tokens")),
    "GitHub Models, a large request": (LACK, 413, error("tokens_limit_reached", "Request body too large for gpt-5")),
    "Vercel, a large body": (LACK, 413, b"Request Entity Too Large\n\nFUNCTION_PAYLOAD_TOO_LARGE\n\nfra1::x\n"),
    "Groq, an entity": (RELAY, 413, error("request_too_large", "Request Entity Too Large", "invalid_request_error")),
    "Groq, flex": (LIMIT, 498, error("capacity_exceeded", "Flex tier capacity exceeded")),
    "a limit under 400": (LIMIT, 400, error("rate_limit_exceeded", "Please try again in 2s")),
    "a limit under 422": (LIMIT, 422, error("too_many_requests", "slow down")),
    "a quota under 409": (BILLING, 409, error("insufficient_quota", "quota")),
    "Fireworks, suspended": (
        BILLING,
        412,
        error("PRECONDITION_FAILED", "Account jane is suspended, possibly due to reaching the monthly spending limit"),
    ),
    "Fireworks, its model": (LACK, 404, error("NOT_FOUND", "Model not found, inaccessible, and/or not deployed")),
    "Moonshot, its quota": (QUOTA, 429, error(None, "suspended, please check", "exceeded_current_quota_error")),
    "xAI, its credits": (
        QUOTA,
        429,
        {"code": "Some resource has been exhausted", "error": "Your team 1f-2 has used all available credits or"},
    ),
    "Cloudflare, its day": (
        QUOTA,
        429,
        {"errors": [{"code": 4006, "message": "You have used up your daily free allocation of"}]},
    ),
    "Code Assist, a while": (
        LIMIT,
        429,
        error(429, "You have exhausted your capacity on this model. Your quota will reset after 23s.",
              status="RESOURCE_EXHAUSTED", details=[{"reason": "RATE_LIMIT_EXCEEDED"}]),
    ),
    "Cerebras": (LIMIT, 429, plain("Requests per day limit exceeded", code="request_quota_exceeded")),
    "Cohere, a trial key": (LIMIT, 429, plain("You are using a Trial key, which is limited to 10 API calls / minute")),
    "Copilot": (LIMIT, 429, error("user_global_rate_limited:enterprise", "Sorry")),
    "MiniMax, five hours": (LIMIT, 429, anthropic("rate_limit_error", "usage limit exceeded, 5-hour (2056)")),
    "Z.ai, a plan": (QUOTA, 429, error("1309", "Your GLM Coding Plan package has expired")),
    "an edge's page": (LIMIT, 429, b"<html>Too many requests</html>"),
    # Models
    "SiliconFlow, a model": (LACK, 400, {"code": 20012, "message": "Model does not exist. Please check it carefully."}),
    "ModelScope": (LACK, 400, {"errors": {"message": "Invalid model id: foo/bar"}}),
    "LM Studio": (LACK, 400, error(None, 'Invalid model identifier "x". Please specify', "invalid_request_error")),
    "Perplexity, a model": (LACK, 400, error(400, "Invalid model 'x'. Permitted models can be found", "invalid_model")),
    "vLLM": (LACK, 404, {"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError"}),
    "Cerebras, a model": (LACK, 404, plain("Model x does not exist", type="not_found_error", code="model_not_found")),
    "xAI, a model": (
        LACK,
        404,
        {"code": "Some requested entity was not found", "error": "The model grok-9 does not exist or your team 1 does"},
    ),
    "Cohere, a model": (LACK, 404, plain("model 'x' not found, make sure the correct model ID was used")),
    "Workers AI": (
        LACK,
        400,
        {"success": False, "errors": [{"code": 5007, "message": "No such model @cf/x/y or task"}]},
    ),
    "OpenRouter, tools": (LACK, 404, error(404, "No endpoints found that support tool use.")),
    "OpenRouter, its policy": (LACK, 404, error(404, "No endpoints found matching your data policy")),
    "OpenRouter, chosen ones": (LACK, 404, error(404, "No allowed providers are available for the selected model.")),
    "Azure, an operation": (
        LACK,
        400,
        error("OperationNotSupported", "The chatCompletion operation does not work with the specified model, x."),
    ),
    "Vertex, a publisher": (
        LACK,
        400,
        [error(400, "Project `1` is not allowed to use Publisher Model `x`", status="FAILED_PRECONDITION")],
    ),
    "HuggingFace, a model": (LACK, 410, {"error": "The requested model is deprecated and no longer supported"}),
    "HuggingFace, a router's": (
        LACK,
        400,
        error("model_not_supported", "The requested model 'x' is not supported by any provider you have enabled."),
    ),
    "ChatGPT, a model": (LACK, 404, {"detail": "Model not found gpt-5.9-codex"}),
    "nginx, a static site": (LACK, 405, b"<html><title>405 Not Allowed</title>nginx</html>"),
    "NVIDIA, a function": (LACK, 404, {"status": 404, "title": "Not Found", "detail": "Function 'x': Not found"}),
    "DeepInfra": (LACK, 404, {"detail": {"error": "Model is not available"}}),
    # Failures
    "new-api, no channel": (FAILURE, 503, error("model_not_found", "分组 default 下模型 x 无可用渠道")),
    "llama.cpp": (FAILURE, 503, error(503, "Loading model", "unavailable_error")),
    "HuggingFace, loading": (FAILURE, 503, {"error": "Model x is currently loading", "estimated_time": 20.0}),
    "Cohere, cancelled": (FAILURE, 499, plain("request cancelled")),
    # The client's own mistakes
    "OpenAI, a remote MCP server": (
        RELAY,
        424,
        error("http_error", "Error retrieving tool list from MCP server: 'x'", "external_connector_error"),
    ),
    "Azure, a filter": (RELAY, 400, error("content_filter", "The response was filtered", status=400)),
    "Alibaba, a filter": (RELAY, 400, error("data_inspection_failed", "Input data may contain inappropriate content.")),
    "vLLM, too long": (RELAY, 400, {"object": "error", "message": "This model's maximum context length is 4096"}),
    "llama.cpp, too long": (RELAY, 400, error(400, "the request exceeds", "exceed_context_size_error")),
    "Mistral, a field": (RELAY, 422, {"object": "error", "message": {"detail": [{"msg": "Field required"}]}}),
    "DeepSeek, a field": (RELAY, 422, error("invalid_request_error", "Failed to deserialize the JSON body")),
    "OpenRouter, a field": (RELAY, 400, error(400, "Provider returned error", metadata={"raw": "insufficient_quota"})),
    "Anthropic, an old beta": (RELAY, 400, anthropic("invalid_request_error", "Unexpected value(s) for the header")),
    "Anthropic, a conflict": (RELAY, 409, anthropic("conflict_error", "The resource was changed")),
    "an API's 405": (RELAY, 405, error("method_not_allowed", "Only POST is allowed")),
    "legal reasons": (RELAY, 451, error("unavailable", "for legal reasons")),
}  # fmt: skip


@pytest.mark.parametrize(("expected", "status", "body"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_means_what_its_facts_say(expected: str, status: int, body: object) -> None:
    assert verdict(status, body) == expected


AMAZON = {
    "a model that is not open": (
        LACK, 403, b"AccessDeniedException", "You don't have access to the model with the specified model ID."
    ),
    "a key": (AUTH, 403, b"AccessDeniedException", "Authentication failed: Please make sure your API Key is valid."),
    "an expired token": (AUTH, 403, b"ExpiredTokenException", "The security token included in the request is expired"),
    "on demand": (
        LACK,
        400,
        b"ValidationException",
        "Invocation of model ID anthropic.claude-x with on-demand throughput isn\u2019t supported.",
    ),
    "no model": (LACK, 400, b"ValidationException", "The provided model identifier is invalid."),
    "a field": (RELAY, 400, b"ValidationException", "Malformed input request: #: required key [messages] not found"),
    "a quota of the service": (LIMIT, 400, b"ServiceQuotaExceededException", "Your request exceeds the service quota"),
    "a model that failed": (FAILURE, 424, b"ModelErrorException", "The request failed while processing the model."),
    "not ready": (LIMIT, 429, b"ModelNotReadyException", "The model is not ready for inference"),
    "end of life": (LACK, 404, b"ResourceNotFoundException", "This model version has reached the end of its life."),
}  # fmt: skip


@pytest.mark.parametrize(("expected", "status", "kind", "message"), AMAZON.values(), ids=AMAZON)
def test_amazons_errors_are_named_in_a_field(expected: str, status: int, kind: bytes, message: str) -> None:
    assert verdict(status, plain(message), amazon(kind)) == expected


QUOTED = [
    'messages.0: "{}"',
    "Unsupported text: {}",
]


@pytest.mark.parametrize("quoted", QUOTED)
@pytest.mark.parametrize(
    "phrase",
    [
        "Invalid model id: x",
        "No such model x",
        "No access to model: x",
        "You don't have access to the model",
        "Account jane is suspended",
        "No endpoints found that support tool use",
        "Project `1` is not allowed to use Publisher Model `x`",
        "The requested model is deprecated",
    ],
)
@pytest.mark.parametrize("status", [400, 412, 422])
def test_a_mistake_that_quotes_such_words_is_relayed(status: int, phrase: str, quoted: str) -> None:
    assert verdict(status, error(None, quoted.format(phrase), "invalid_request_error")) == RELAY


@pytest.mark.parametrize(
    ("message", "wait"),
    [
        ("Your quota will reset after 13h19m1s.", 3600),
        ("Your quota will reset after 23s.", 23),
        ("Rate limit of 50 per 86400s exceeded. Please wait 43 seconds before retrying.", 43),
    ],
)
def test_a_wait_in_words(message: str, wait: float) -> None:
    body = json.dumps(error(429, message)).encode()
    assert classify(429, JSON, body, NOW).wait == wait
