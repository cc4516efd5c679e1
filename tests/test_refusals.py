"""Refusals in the words and envelopes of providers and gateways: class, code and message are those of the cause."""

from __future__ import annotations

import json

import pytest

import msgflux_like as mf
from msgflux_like import errors
from msgflux_like.testing import FakeProvider, FakeReply

TOO_LONG, KEY, MODEL, MONEY, LIMIT = (
    errors.ContextLengthError,
    errors.AuthenticationError,
    errors.NotFoundError,
    errors.RateLimitError,
    errors.RateLimitError,
)
WRAPPED = {"error": {"message": "This model's maximum context length is 8192 tokens.", "code": 400}}

# name: (status, body, class, code, part of the message)
GATEWAYS = {
    "litellm context": (
        400,
        {"error": {"message": "litellm.ContextWindowExceededError: litellm.BadRequestError: x", "code": "400"}},
        TOO_LONG,
        "context_length_exceeded",
        "ContextWindowExceeded",
    ),
    "litellm wrapped": (
        500,
        {"error": {"message": f"litellm.APIError: OpenAIException - {json.dumps(WRAPPED)}", "code": "500"}},
        TOO_LONG,
        "context_length_exceeded",
        "This model's maximum",
    ),
    "litellm key": (
        401,
        {"error": {"message": "Authentication Error, Invalid proxy server token passed", "code": "401"}},
        KEY,
        None,
        "Authentication Error",
    ),
    "litellm budget": (
        400,
        {"error": {"message": "Budget has been exceeded! Current cost: 10, Max budget: 5", "code": "400"}},
        MONEY,
        "insufficient_quota",
        "Budget",
    ),
    "openrouter raw": (
        502,
        {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": json.dumps(WRAPPED)}}},
        TOO_LONG,
        "context_length_exceeded",
        "This model's maximum",
    ),
    "openrouter credits": (
        402,
        {"error": {"message": "Insufficient credits", "code": 402}},
        MONEY,
        "insufficient_quota",
        "Insu",
    ),
    "openrouter model": (
        400,
        {"error": {"message": "foo/bar is not a valid model ID", "code": 400}},
        MODEL,
        "model_not_found",
        "foo/bar",
    ),
    "fastapi": (
        500,
        {"detail": {"error": {"message": "Incorrect API key provided", "code": 401}}},
        KEY,
        None,
        "Incorrect",
    ),
    "cloudflare workers ai": (
        400,
        {"success": False, "errors": [{"code": 7000, "message": "No such model @cf/x"}]},
        MODEL,
        "model_not_found",
        "No such model",
    ),
    "cloudflare page": (
        502,
        b"<!DOCTYPE html><html><head><title>api.example.com | 502: Bad gateway</title></head></html>",
        errors.ServerError,
        None,
        "502: Bad gateway",
    ),
    "nginx": (
        413,
        b"<html><head><title>413 Request Entity Too Large</title></head></html>",
        errors.BadRequestError,
        None,
        "413 Request",
    ),
    "apigee": (
        401,
        {"fault": {"faultstring": "Invalid ApiKey", "detail": {"errorcode": "oauth.v2.InvalidApiKey"}}},
        KEY,
        "oauth.v2.InvalidApiKey",
        "Invalid ApiKey",
    ),
    "azure apim": (
        401,
        {"statusCode": 401, "message": "Access denied due to missing subscription key"},
        KEY,
        None,
        "Access",
    ),
    "kong": (401, {"message": "No API key found in request"}, KEY, None, "No API key"),
    "portkey": (
        500,
        {"error": {"message": "openai error: Incorrect API key provided", "type": "x"}, "provider": "openai"},
        KEY,
        "invalid_api_key",
        "openai error",
    ),
    "one-api": (
        403,
        {"error": {"message": "user quota is not enough", "type": "new_api_error", "code": "insufficient_user_quota"}},
        MONEY,
        "insufficient_user_quota",
        "user quota",
    ),
    "events": (
        400,
        b'event: error\ndata: {"error": {"message": "the request exceeds the available context size"}}\n\n',
        TOO_LONG,
        "context_length_exceeded",
        "the request",
    ),
    "aws xml": (
        403,
        b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>",
        KEY,
        None,
        "AccessDenied: no",
    ),
}
PROVIDERS = {
    "openai": (400, {"error": {"message": "No.", "code": "context_length_exceeded"}}, TOO_LONG),
    "openai quota": (
        429,
        {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}},
        MONEY,
    ),
    "anthropic long": (400, {"error": {"message": "prompt is too long: 9 tokens > 8 maximum"}}, TOO_LONG),
    "anthropic money": (400, {"error": {"message": "Your credit balance is too low to access the API."}}, MONEY),
    "google": (400, [{"error": {"code": 400, "message": "API key not valid. Please pass a valid API key."}}], KEY),
    "google long": (
        400,
        {"error": {"message": "The input token count (9) exceeds the maximum number"}},
        TOO_LONG,
    ),
    "bedrock": (400, {"message": "The provided model identifier is invalid."}, MODEL),
    "mistral": (400, {"message": "Invalid model: foo", "type": "invalid_model", "code": "1500"}, MODEL),
    "groq": (400, {"error": {"message": "Please reduce the length of the messages or completion."}}, TOO_LONG),
    "groq minute": (
        413,
        {"error": {"message": "too large: tokens per minute", "code": "rate_limit_exceeded"}},
        LIMIT,
    ),
    "cohere": (400, {"message": "too many tokens: total number of tokens in the prompt exceeds 8"}, TOO_LONG),
    "xai": (400, {"error": "This model's maximum prompt length is 8 but the request contains 9 tokens."}, TOO_LONG),
    "deepseek": (402, {"error": {"message": "Insufficient Balance", "code": "invalid_request_error"}}, MONEY),
    "vllm": (400, {"object": "error", "message": "maximum context length is 8 tokens", "code": 400}, TOO_LONG),
    "vllm model": (404, {"object": "error", "message": "The model `x` does not exist.", "code": 404}, MODEL),
    "llama.cpp": (400, {"error": {"code": 400, "type": "exceed_context_size_error", "message": "n_ctx"}}, TOO_LONG),
    "lm studio": (400, {"error": "The model is loaded with context length of only 8 tokens"}, TOO_LONG),
    "ollama": (404, {"error": "model 'x' not found, try pulling it first"}, MODEL),
    "tgi": (422, {"error": "`inputs` tokens + `max_new_tokens` must be <= 8. Given: 9", "error_type": "x"}, TOO_LONG),
    "moonshot": (400, {"error": {"message": "Your request exceeded model token limit: 8"}}, TOO_LONG),
    "minimax": (401, {"base_resp": {"status_code": 1004, "status_msg": "login fail"}}, KEY),
    "zai": (400, {"error": {"code": "1261", "message": "Prompt exceeds max length"}}, TOO_LONG),
    "nvidia": (401, {"status": 401, "title": "Unauthorized", "detail": "Authentication failed"}, KEY),
    "perplexity": (400, {"error": {"message": "Invalid model 'x'.", "type": "invalid_model", "code": 400}}, MODEL),
    "watsonx": (404, {"errors": [{"code": "model_not_supported", "message": "Model 'x' is not supported"}]}, MODEL),
    "databricks": (403, {"error_code": "403", "message": "Invalid access token."}, KEY),
}


def refusal(status, body, **headers):
    provider = FakeProvider(FakeReply.whole(body, status, headers) if headers else FakeReply.whole(body, status))
    model = mf.Model.chat_completion("openai/gpt-4o", api_key="k", http_client=provider, max_retries=1)
    with pytest.raises(errors.APIError) as caught:
        model("q")
    return caught.value, len(provider.requests)


@pytest.mark.parametrize("name", GATEWAYS)
def test_a_refusal_behind_a_gateway_is_that_of_its_cause(name):
    status, body, kind, code, words = GATEWAYS[name]
    error, requests = refusal(status, body)
    assert type(error) is kind
    assert words in error.message
    if code is not None:
        assert error.code == code
    assert error.status == status
    assert requests == (2 if kind is errors.ServerError else 1), "what waiting does not help is not retried"


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_refusal_of_a_provider_is_that_of_its_cause(name):
    status, body, kind = PROVIDERS[name]
    error, requests = refusal(status, body)
    assert type(error) is kind
    assert requests == (2 if name == "groq minute" else 1)


@pytest.mark.parametrize("body", [b"", b"<html><title>404 Not Found</title></html>", {"detail": "Not Found"}])
def test_a_404_says_where_the_request_went_and_what_base_url_should_be(body):
    provider = FakeProvider(FakeReply.whole(body, 404))
    model = mf.Model.chat_completion(
        "openai/gpt-4o", api_key="k", base_url="https://host.example/wrong", http_client=provider
    )
    with pytest.raises(errors.NotFoundError) as caught:
        model("q")
    assert "https://host.example/wrong/chat/completions" in str(caught.value)
    assert "base_url" in str(caught.value)
