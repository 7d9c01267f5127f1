"""What real error bodies of many vendors mean: the table of outcomes, row by row, and phrases quoted harmlessly."""

from __future__ import annotations

import json

import pytest

from clipal.dialects.dialect import FieldPairs
from clipal.outcomes.classification import classify, classify_error, error_in
from clipal.outcomes.error_body import ErrorBody
from clipal.outcomes.facts import VENDORS, Fact
from clipal.outcomes.outcome import RATE_LIMIT, Action, Charge, Outcome, relayed
from clipal.outcomes.phrases import PHRASES

NOW = 1_790_000_000.0
JSON = [(b"content-type", b"application/json")]
HTML = [(b"Content-Type", b"text/html; charset=UTF-8")]
NGINX_413 = b"<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body>nginx</body></html>"
QUOTA_FAILURE = "type.googleapis.com/google.rpc.QuotaFailure"
RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"
OPENROUTER_HEADERS = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": f"{NOW + 30:.0f}000"}
PLAN = "You exceeded your current quota, please check your plan and billing details."


def judged(status: int, body: object, fields: FieldPairs = JSON) -> Outcome:
    return classify(status, fields, body if isinstance(body, bytes) else json.dumps(body).encode(), NOW)


def openai(code: object, message: str = "", kind: str | None = "invalid_request_error") -> object:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def anthropic(kind: str, message: str = "") -> object:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_011C"}


def google(status: str, message: str = "", *details: object) -> object:
    return {"error": {"code": 400, "message": message, "status": status, "details": list(details)}}


def google_reason(reason: str) -> object:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}


def gemini_limit(quota: str, delay: str = "36s") -> object:
    violation = {"quotaMetric": "generativelanguage.googleapis.com/generate_content", "quotaId": quota}
    details = [{"@type": QUOTA_FAILURE, "violations": [violation]}, {"@type": RETRY_INFO, "retryDelay": delay}]
    return google("RESOURCE_EXHAUSTED", PLAN, *details)


# 400 that speaks of the account

ACCOUNT = {
    "Anthropic, credit": (
        anthropic("invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
        "billing",
    ),
    "Anthropic, limits": (
        anthropic("invalid_request_error", "You have reached your specified API usage limits. You will regain access."),
        "billing",
    ),
    "Anthropic, disabled": (anthropic("invalid_request_error", "This organization has been disabled."), "auth"),
    "Google, invalid key": (
        google("INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", google_reason("API_KEY_INVALID")),
        "auth",
    ),
    "Google, no details": (google("INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."), "auth"),
    "Google, expired key": (google("INVALID_ARGUMENT", "", google_reason("API_KEY_EXPIRED")), "auth"),
    "Google, in a list": ([google("INVALID_ARGUMENT", "", google_reason("API_KEY_INVALID"))], "auth"),
    "Google, billing": (google("FAILED_PRECONDITION", "", google_reason("BILLING_DISABLED")), "billing"),
    "xAI": (
        {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xa***. You can obtain"},
        "auth",
    ),
    "OpenAI": (openai("billing_hard_limit_reached", "Billing hard limit has been reached"), "billing"),
    "LiteLLM": (openai("400", "Budget has been exceeded! Current cost: 1.2", "budget_exceeded"), "billing"),
    "Alibaba": (openai("Arrearage", "Access denied, please make sure your account is in good standing."), "billing"),
}


@pytest.mark.parametrize(("body", "reason"), ACCOUNT.values(), ids=ACCOUNT)
def test_a_400_that_speaks_of_the_account_deactivates_the_key(body: object, reason: str) -> None:
    assert judged(400, body) == Outcome(Action.NEXT, Charge.DEACTIVATE, reason, 400, of_key=True)


MISTAKES = {
    "Anthropic, too long": (400, anthropic("invalid_request_error", "prompt is too long: 208310 tokens > 200000")),
    "Anthropic, quoting": (
        400,
        anthropic("invalid_request_error", "messages.0: 'Your credit balance is too low' is not allowed; see billing"),
    ),
    "OpenAI, too long": (400, openai("context_length_exceeded", "Insufficient quota is not what this is about")),
    "Anthropic, a field": (400, anthropic("invalid_request_error", "model: Field required")),
    "OpenAI, a parameter": (400, openai("unsupported_parameter", "Unsupported parameter: 'model'")),
    "a parameter": (400, openai(None, "The parameter is not supported")),
    "Google": (400, google("INVALID_ARGUMENT", "Invalid JSON payload received. Unknown name API_KEY_INVALID")),
    "in text": (400, b"Your credit balance is too low"),
    "an HTML page": (400, b"<html><title>400 Bad Request</title>nginx</html>"),
    "a file": (404, anthropic("not_found_error", "File not found: file_011C")),
    "a response": (404, openai(None, "Response with id 'resp_1' not found.")),
    "Anthropic, too large": (413, anthropic("request_too_large", "Request exceeds the maximum size")),
    "unprocessable": (422, anthropic("authentication_error", "Invalid API key")),
    "conflict": (409, google("ABORTED")),
}


@pytest.mark.parametrize(("status", "body"), MISTAKES.values(), ids=MISTAKES)
def test_the_clients_own_mistakes_are_relayed(status: int, body: object) -> None:
    assert judged(status, body) == relayed(status)


# 401, 402, 403

DENIED = {
    "Anthropic": (401, anthropic("authentication_error", "invalid x-api-key"), "auth"),
    "OpenAI": (401, openai("invalid_api_key", "Incorrect API key provided: sk-***"), "auth"),
    "Google": (403, google("PERMISSION_DENIED", "", google_reason("CONSUMER_SUSPENDED")), "auth"),
    "Cloudflare AI Gateway": (401, {"success": False, "error": [{"code": 2009, "message": "Unauthorized"}]}, "auth"),
    "DeepSeek": (402, openai("invalid_request_error", "Insufficient Balance", "unknown_error"), "billing"),
    "OpenRouter": (402, {"error": {"code": 402, "message": "This request requires more credits"}}, "billing"),
    "new-api": (403, openai("insufficient_user_quota", "用户额度不足, 剩余额度: $0.0", "new_api_error"), "billing"),
    "INSUFFICIENT_BALANCE": (
        403,
        {"code": "INSUFFICIENT_BALANCE", "message": "Insufficient account balance"},
        "billing",
    ),
    "OpenCode": (401, anthropic("CreditsError", "Insufficient balance. Manage your billing here"), "billing"),
    "SiliconFlow": (403, {"code": 30001, "message": "Sorry, your account balance is insufficient"}, "billing"),
    "xAI": (
        403,
        {"code": "The caller does not have permission", "error": "Your team 1f-2 has used all available credits or"},
        "billing",
    ),
    "nothing": (403, b"", "auth"),
}


@pytest.mark.parametrize(("status", "body", "reason"), DENIED.values(), ids=DENIED)
def test_a_refused_key_or_account_is_deactivated(status: int, body: object, reason: str) -> None:
    assert judged(status, body) == Outcome(Action.NEXT, Charge.DEACTIVATE, reason, status, of_key=True)


PROBLEM = {"type": "https://developers.cloudflare.com/1010", "title": "Error 1010: Access denied", "status": 403}
EDGES: dict[str, tuple[object, FieldPairs]] = {
    "a challenge": (b"<!DOCTYPE html><title>Just a moment...</title>", HTML),
    "text": (b"error code: 1010", [(b"content-type", b"text/plain; charset=UTF-8")]),
    "a sibling": (b"error code: 1020\n", [(b"content-type", b"text/plain; charset=UTF-8")]),
    "JSON with a code": ({**PROBLEM, "error_code": 1010}, [(b"content-type", b"application/problem+json")]),
    "JSON with a code as text": ({"error_code": "1015"}, JSON),
    "JSON that says so": ({**PROBLEM, "cloudflare_error": True}, JSON),
}


@pytest.mark.parametrize(("body", "fields"), EDGES.values(), ids=EDGES)
def test_an_edge_network_rests_the_provider_for_a_minute_at_most(body: object, fields: FieldPairs) -> None:
    outcome = judged(403, body, fields)
    assert (outcome.charge, outcome.wait, outcome.of_key) == (Charge.COOLDOWN, 60, False)
    assert judged(403, body, [*fields, (b"Retry-After", b"9")]).wait == 9
    assert judged(403, body, [*fields, (b"Retry-After", b"9000")]).wait == 60


@pytest.mark.parametrize("body", [{"error_code": 2010}, {"error_code": 403}, {"cloudflare_error": False}, b"Forbidden"])
def test_another_403_is_taken_at_its_word(body: object) -> None:
    assert judged(403, body).charge is Charge.DEACTIVATE


# 429

LIMITS: dict[str, tuple[object, FieldPairs, float | None]] = {
    "Anthropic": (anthropic("rate_limit_error", "Number of requests"), [(b"retry-after", b"12")], 12),
    "Gemini, a minute": (gemini_limit("GenerateRequestsPerMinutePerProjectPerModel-FreeTier"), [], 36),
    "Gemini, tokens": (gemini_limit("GenerateContentInputTokensPerModelPerMinute", "3.5s"), [], 3.5),
    "OpenAI": (
        openai("rate_limit_exceeded", f"Rate limit reached: {PLAN} See https://x/settings/billing", "requests"),
        [(b"retry-after", b"2")],
        2,
    ),
    "OpenAI, type only": (openai(None, "Insufficient quota", "tokens"), [], None),
    "Codex": (
        {"error": {"type": "usage_limit_reached", "message": "The usage limit", "resets_in_seconds": 529_498}},
        [],
        3600,
    ),
    "Codex, at a time": ({"error": {"type": "usage_limit_reached", "resets_at": NOW + 77}}, [], 77),
    "Groq": (
        openai("rate_limit_exceeded", "Please try again in 7m33.5s. See https://groq.com/billing", "tokens"),
        [],
        453.5,
    ),
    "Azure": (openai("429", "Requests have exceeded token rate limit. Please retry after 7 seconds.", None), [], 7),
    "LiteLLM": (openai("429", "No deployments available, Try again in 60 seconds.", "None"), [], 60),
    "GLM, busy": (openai("1302", "您当前使用该API的并发数过高", None), [], None),
    "GLM, a number": ({"error": {"code": 1305, "message": "busy"}}, [], None),
    "MiniMax": ({"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}, [], None),
    "Mistral": ({"object": "error", "message": "exceeded", "type": "rate_limited", "code": "1300"}, [], None),
    "Moonshot": (
        openai(None, "Your account reached max request, please try again after 1 seconds", "rate_limit_reached_error"),
        [],
        1,
    ),
    "Moonshot, busy": (openai(None, "The engine is currently overloaded", "engine_overloaded_error"), [], None),
    "Bedrock": ({"message": "Too many tokens, please wait"}, [(b"x-amzn-errortype", b"ThrottlingException:")], None),
    "OpenRouter": (
        {"error": {"code": 429, "message": "limit", "metadata": {"headers": OPENROUTER_HEADERS}}},
        [],
        30,
    ),
    "new-api": (openai("", "当前分组上游负载已饱和请稍后再试", "new_api_error"), [], None),
    "Cloudflare": ({**PROBLEM, "error_code": 1015, "cloudflare_error": True, "retry_after": 30}, [], 30),
    "an HTML page": (b"<html>slow down, or see billing</html>", HTML, None),
    "phrases elsewhere": (openai(None, "Sorry: invalid api key, insufficient quota, daily limit", None), [], None),
}


@pytest.mark.parametrize(("body", "fields", "wait"), LIMITS.values(), ids=LIMITS)
def test_a_rate_limit_is_a_cooldown(body: object, fields: FieldPairs, wait: float | None) -> None:
    outcome = judged(429, body, fields)
    assert outcome == Outcome(Action.NEXT, Charge.COOLDOWN, RATE_LIMIT, 429, wait, of_key=True)


EXHAUSTED = {
    "OpenAI": (openai("insufficient_quota", PLAN, "insufficient_quota"), "quota"),
    "OpenAI, inactive": (openai("billing_not_active", "Your account is not active", "billing_not_active"), "quota"),
    "Gemini, a day": (gemini_limit("GenerateRequestsPerDayPerProjectPerModel-FreeTier"), "quota"),
    "Google": (google("RESOURCE_EXHAUSTED", "", google_reason("QUOTA_EXHAUSTED")), "quota"),
    "GLM": (openai("1113", "您的账户已欠费请充值后重试", None), "quota"),
    "GLM, a number": ({"error": {"code": 1113, "message": "Insufficient balance"}}, "quota"),
    "MiniMax": ({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}, "quota"),
    "MiniMax, a code": (openai("1008", "insufficient balance", None), "quota"),
    "Moonshot": (openai(None, "Your account is suspended", "exceeded_current_quota_error"), "quota"),
    "insufficient_balance_error": (anthropic("insufficient_balance_error"), "quota"),
    "LiteLLM": (openai("429", "Budget has been exceeded!", "budget_exceeded"), "quota"),
    "no fact": ({"message": "Insufficient balance, please recharge"}, "quota"),
    "a text": ({"error": "Quota exhausted for today"}, "quota"),
    "a key": (openai(None, "Invalid API key", None), "auth"),
    "OpenAI, deactivated": (openai("account_deactivated"), "auth"),
    "Google, refused": (google("PERMISSION_DENIED"), "auth"),
}


@pytest.mark.parametrize(("body", "reason"), EXHAUSTED.values(), ids=EXHAUSTED)
def test_a_429_about_a_key_or_a_quota_deactivates_the_key(body: object, reason: str) -> None:
    assert judged(429, body) == Outcome(Action.NEXT, Charge.DEACTIVATE, reason, 429, of_key=True)


# What only this provider lacks

LACKING: dict[str, tuple[int, object, FieldPairs]] = {
    "Anthropic": (404, anthropic("not_found_error", "model: claude-x"), JSON),
    "OpenAI": (404, openai("model_not_found", "The model `gpt-9` does not exist"), JSON),
    "Copilot": (400, openai("model_not_supported", "The requested model is not supported."), JSON),
    "Gemini": (404, google("NOT_FOUND", "models/gemini-9 is not found for API version v1beta"), JSON),
    "Vertex": (404, google("NOT_FOUND", "Publisher Model `projects/p/models/x` was not found"), JSON),
    "DeepSeek": (400, openai("invalid_request_error", "Model Not Exist"), JSON),
    "Mistral": (400, {"object": "error", "message": "Invalid model: x", "type": "invalid_model", "code": "1500"}, JSON),
    "Azure": (404, openai("DeploymentNotFound", "The API deployment for this resource does not exist."), JSON),
    "OpenRouter": (400, {"error": {"message": "foo/bar is not a valid model ID", "code": 400}}, JSON),
    "OpenRouter, none": (404, {"error": {"message": "No endpoints found for foo/bar.", "code": 404}}, JSON),
    "Ollama": (404, {"error": 'model "x" not found, try pulling it first'}, JSON),
    "GLM": (400, openai("1211", "模型不存在请检查模型代码。", None), JSON),
    "ChatGPT": (400, {"detail": "The 'gpt-x' model is not supported when using Codex with a ChatGPT account."}, JSON),
    "new-api, path": (404, openai("", "Invalid URL (POST /v1/responses)"), JSON),
    "Azure, path": (404, {"error": {"code": "404", "message": "Resource not found"}}, JSON),
    "nginx, path": (404, b"<html><title>404 Not Found</title>nginx</html>", HTML),
    "nginx, size": (413, NGINX_413, HTML),
    "Go": (404, b"404 page not found\n", [(b"content-type", b"text/plain")]),
    "FastAPI": (404, {"detail": "Not Found"}, JSON),
    "Kong": (404, {"message": "no Route matched with those values"}, JSON),
    "Spring": (404, {"timestamp": 1, "status": 404, "error": "Not Found", "path": "/v1/messages"}, JSON),
    "nothing": (404, b"", []),
}


@pytest.mark.parametrize(("status", "body", "fields"), LACKING.values(), ids=LACKING)
def test_what_only_this_provider_lacks_is_neutral(status: int, body: object, fields: FieldPairs) -> None:
    outcome = judged(status, body, fields)
    assert (outcome.action, outcome.charge, outcome.status) == (Action.NEXT, Charge.NEUTRAL, status)
    assert outcome.fallback


# Errors that came under a 200

UNDER_200: dict[str, tuple[object, int, Charge]] = {
    "Anthropic, overloaded": (anthropic("overloaded_error", "Overloaded"), 529, Charge.FAILURE),
    "Anthropic, credit": (ACCOUNT["Anthropic, credit"][0], 400, Charge.DEACTIVATE),
    "Anthropic, too long": (MISTAKES["Anthropic, too long"][1], 400, Charge.NEUTRAL),
    "OpenAI, quota": (openai("insufficient_quota", PLAN), 429, Charge.DEACTIVATE),
    "OpenAI, model": (openai("model_not_found"), 404, Charge.NEUTRAL),
    "Codex": (
        {"type": "response.failed", "response": {"error": {"code": "rate_limit_exceeded", "message": "in 3s"}}},
        429,
        Charge.COOLDOWN,
    ),
    "Gemini": ([{"error": {"code": 503, "status": "UNAVAILABLE", "message": "overloaded"}}], 503, Charge.FAILURE),
    "Gemini, no code": ({"error": {"status": "RESOURCE_EXHAUSTED", "message": PLAN}}, 429, Charge.COOLDOWN),
    "OpenRouter": ({"error": {"code": 502, "message": "Provider returned error"}}, 502, Charge.FAILURE),
    "MiniMax": ({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}, 429, Charge.DEACTIVATE),
    "GLM": ({"code": 401, "msg": "token expired or incorrect", "success": False}, 401, Charge.DEACTIVATE),
    "unknown": ({"error": {"message": "something went wrong"}}, 500, Charge.FAILURE),
    "vLLM": ({"object": "error", "message": "busy", "type": "InternalServerError", "code": 503}, 503, Charge.FAILURE),
    "Cloudflare": ({"success": False, "errors": [{"code": 10000, "message": "no"}]}, 500, Charge.FAILURE),
    "a text": ({"error": "Invalid API key"}, 401, Charge.DEACTIVATE),
}


@pytest.mark.parametrize(("document", "status", "charge"), UNDER_200.values(), ids=UNDER_200)
def test_an_error_under_a_200_is_the_status_that_it_stands_for(document: object, status: int, charge: Charge) -> None:
    outcome = classify_error(ErrorBody.of(document), [], NOW)
    assert (outcome.status, outcome.charge) == (status, charge)


@pytest.mark.parametrize("name", [name for name in UNDER_200 if name != "Codex"])
def test_an_answer_that_is_an_error_is_known(name: str) -> None:
    assert error_in(UNDER_200[name][0]) is not None


@pytest.mark.parametrize(
    "document",
    [
        {"error": None, "id": "resp_1", "status": "completed", "output": []},
        {"error": None},
        {"error": {}},
        {"type": "message", "content": [{"type": "text", "text": '{"error": {}}'}]},
        {"error": {"message": "one of many"}, "choices": [{"message": {"content": "but here is the answer"}}]},
        {"base_resp": {"status_code": 0, "status_msg": ""}, "id": "1"},
        {"success": True, "code": 200},
        {"usageMetadata": {"promptTokenCount": 1}},
        {},
        [],
        [[]],
        "error",
        None,
    ],
)
def test_an_answer_is_no_error(document: object) -> None:
    assert error_in(document) is None


# Phrases

SPOKEN = {
    Fact.KEY: (
        "Invalid API key",
        "Incorrect API key provided: x",
        "API key not valid. Please",
        "API key expired. Please",
        "API Key not found. Please",
        "This organization has been disabled.",
        "This credential is only authorized for use with Claude Code",
    ),
    Fact.QUOTA: (
        "Insufficient quota",
        "Insufficient balance",
        "Insufficient credits",
        "Quota exhausted",
        "Daily limit reached",
        "Your credit balance is too low to",
        "You have reached your specified API usage limits.",
        "You're out of extra usage.",
        "Your team 12-ab has either used all available credits or",
        "Budget has been exceeded! Current",
        "Account jane is suspended, possibly due to",
        "Sorry, your account balance is insufficient",
        "Out of call volume quota.",
        "You have exceeded your monthly included credits for",
        "You have used up your daily free allocation of",
    ),
}
PHRASE_CASES = [(fact, message) for fact, messages in SPOKEN.items() for message in messages]


@pytest.mark.parametrize("status", [400, 429])
@pytest.mark.parametrize(("fact", "message"), PHRASE_CASES, ids=[message for _, message in PHRASE_CASES])
def test_a_phrase_counts_at_the_beginning_of_a_message_and_nowhere_else(status: int, fact: Fact, message: str) -> None:
    deactivated = judged(status, {"error": {"message": message}})
    assert deactivated.charge is Charge.DEACTIVATE
    assert (deactivated.reason == "auth") is (fact is Fact.KEY)
    for harmless in (f'messages.3.content: "{message}"', f'"{message}" is not valid JSON', f"Unknown field: {message}"):
        assert judged(status, {"error": {"message": harmless}}).charge is not Charge.DEACTIVATE
    settled = {400: "context_length_exceeded", 429: "rate_limit_exceeded"}[status]
    assert judged(status, {"error": {"code": settled, "message": message}}).charge is not Charge.DEACTIVATE


def test_every_phrase_about_an_account_is_spoken_above() -> None:
    assert {fact: len(messages) for fact, messages in SPOKEN.items()} == {
        Fact.KEY: len(PHRASES[Fact.KEY]) + 2,  # one phrase has three spellings
        Fact.QUOTA: len(PHRASES[Fact.QUOTA]) + 2,
    }


STANDS_FOR = {
    400: (
        "invalid_request_error invalid_prompt INVALID_ARGUMENT API_KEY_INVALID BILLING_DISABLED "
        "OperationNotSupported ValidationException budget_exceeded invalid_model model_decommissioned "
        "Arrearage DataInspectionFailed 1261 minimax1026"
    ),
    401: (
        "authentication_error invalid_api_key UNAUTHENTICATED auth_error invalid_authentication_error "
        "InvalidApiKey minimax1004"
    ),
    402: "billing_error insufficient_credits insufficient_balance",
    403: (
        "permission_error unsupported_country_region_territory PERMISSION_DENIED UnrecognizedClientException "
        "AccessDeniedException insufficient_user_quota key_model_access_denied permission_denied_error"
    ),
    404: "not_found_error model_not_found NOT_FOUND DeploymentNotFound ModelNotFound 1211 minimax2061",
    409: "ALREADY_EXISTS",
    413: "request_too_large tokens_limit_reached",
    429: (
        "rate_limit_error insufficient_quota rate_limit_exceeded QUOTA_EXHAUSTED RESOURCE_EXHAUSTED "
        "ThrottlingException throttling_error exceeded_current_quota_error rate_limit_reached_error "
        "service_tier_capacity_exceeded Throttling 1113 1302 minimax1008 minimax1002"
    ),
    499: "CANCELLED",
    500: "api_error server_error UNKNOWN InternalServerException",
    501: "UNIMPLEMENTED",
    503: "server_is_overloaded UNAVAILABLE ServiceUnavailableException",
    504: "timeout_error DEADLINE_EXCEEDED",
    529: "overloaded_error",
}
"""A word of each kind that each vendor has, by the status that the vendor sends with it."""


@pytest.mark.parametrize(
    ("word", "status"), [(word, status) for status, words in STANDS_FOR.items() for word in words.split()]
)
def test_a_word_stands_for_the_status_that_its_vendor_sends_with_it(word: str, status: int) -> None:
    assert ErrorBody.of({"error": {"code": word, "message": "no"}}).status() == status


def test_a_word_of_each_row_is_among_these() -> None:
    known = {word for words in STANDS_FOR.values() for word in words.split()}
    rows = [row for vendor in VENDORS for row in vendor]
    assert [row for row in rows if not known & set(row.words.split())] == []
