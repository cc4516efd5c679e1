"""Derivation of a provider row from the provider's entry in the catalogue, for providers without a written row.

The catalogue names the npm package that implements a provider, and a different one for some of its models. The table
`_ADAPTERS` maps each package to a wire dialect. Sources: the packages' own defaults, as published on npm.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from msgflux_like import dialects
from msgflux_like._paths import data_folder
from msgflux_like.catalog.profiles import ModelProfile, ProviderOverride, ProviderProfile
from msgflux_like.errors import UnsupportedError
from msgflux_like.providers.config import Provider, read_row, template_variables
from msgflux_like.request import Quirks, ReasoningForm

_BEARER = ("authorization", "Bearer ")
_VERTEX = "projects/${GOOGLE_VERTEX_PROJECT}/locations/${GOOGLE_VERTEX_LOCATION}"
_AZURE_OPENAI = Quirks(
    max_tokens_field="max_completion_tokens", refuses=("top_k",), encrypted_reasoning=True, strict_messages=True
)


class Adapter(Struct, frozen=True):
    """The facts about a provider that its npm package implies.

    Attributes:
        dialect: The wire dialect; "" for a protocol that is not supported.
        base_url: Base URL if the catalogue gives none; may hold `${VARIABLE}`.
        auth: Name and prefix of the header that carries the key; default: those of the dialect.
        quirks: Differences from the dialect.
        reason: Why the protocol is not supported; "" if it is.
        token_auth: Name and prefix of the header that carries a token; default: `auth`.
        key_env: Environment variables that may hold the key and that the catalogue does not list.
        key_base_url: Base URL for requests with a key; default: the same as for requests with a token.
        tokens: Source of tokens if there is no key.
        signing: Signature of requests if there is no key.
        all_models: Whether the adapter applies to all models, even those with an override.
    """

    dialect: str = ""
    base_url: str = ""
    auth: tuple[str, str] | None = None
    quirks: Quirks = Quirks()
    reason: str = ""
    token_auth: tuple[str, str] | None = None
    key_env: tuple[str, ...] = ()
    key_base_url: str = ""
    tokens: Literal["", "google"] = ""
    signing: Literal["", "sigv4"] = ""
    all_models: bool = False


_ADAPTERS: Final[Mapping[str, Adapter]] = {
    "@ai-sdk/openai-compatible": Adapter("openai_chat"),
    "@ai-sdk/openai": Adapter("openai_responses", "https://api.openai.com/v1", quirks=Quirks(encrypted_reasoning=True)),
    "@ai-sdk/anthropic": Adapter("anthropic_messages", "https://api.anthropic.com/v1"),
    "@ai-sdk/azure": Adapter(
        "openai_chat",
        "https://${AZURE_RESOURCE_NAME}.openai.azure.com/openai/v1",
        auth=("api-key", ""),
        quirks=_AZURE_OPENAI,
    ),
    "@ai-sdk/google": Adapter("gemini", "https://generativelanguage.googleapis.com/v1beta"),
    "@ai-sdk/google-vertex": Adapter(
        "gemini",
        f"https://${{GOOGLE_VERTEX_ENDPOINT}}/v1beta1/{_VERTEX}/publishers/google",
        token_auth=_BEARER,
        key_env=("GOOGLE_VERTEX_API_KEY",),
        key_base_url="https://aiplatform.googleapis.com/v1/publishers/google",  # "express mode"
        tokens="google",
    ),
    "@ai-sdk/google-vertex/anthropic": Adapter(
        "vertex_anthropic",
        f"https://${{GOOGLE_VERTEX_ENDPOINT}}/v1/{_VERTEX}/publishers/anthropic/models",
        auth=_BEARER,
        tokens="google",
    ),
    "@ai-sdk/amazon-bedrock": Adapter(
        "bedrock_converse", "https://bedrock-runtime.${AWS_REGION}.amazonaws.com", signing="sigv4"
    ),
    "@ai-sdk/amazon-bedrock/mantle": Adapter(
        "openai_chat", "https://bedrock-mantle.${AWS_REGION}.api.aws/v1", signing="sigv4"
    ),
    "@ai-sdk/mistral": Adapter("mistral", "https://api.mistral.ai/v1"),
    "@ai-sdk/cohere": Adapter("cohere_v2", "https://api.cohere.com/v2"),
    "@ai-sdk/groq": Adapter("openai_chat", "https://api.groq.com/openai/v1"),
    "@ai-sdk/xai": Adapter("openai_chat", "https://api.x.ai/v1"),
    "@ai-sdk/cerebras": Adapter("openai_chat", "https://api.cerebras.ai/v1"),
    "@ai-sdk/deepinfra": Adapter("openai_chat", "https://api.deepinfra.com/v1/openai"),
    "@ai-sdk/togetherai": Adapter("openai_chat", "https://api.together.xyz/v1"),
    "@ai-sdk/perplexity": Adapter("openai_chat", "https://api.perplexity.ai"),
    "@ai-sdk/vercel": Adapter("openai_chat", "https://api.v0.dev/v1"),
    "@ai-sdk/gateway": Adapter("openai_chat", "https://ai-gateway.vercel.sh/v1"),
    "@openrouter/ai-sdk-provider": Adapter("openai_chat", "https://openrouter.ai/api/v1"),
    "venice-ai-sdk-provider": Adapter("openai_chat", "https://api.venice.ai/api/v1"),
    "merge-gateway-ai-sdk-provider": Adapter("openai_chat", "https://api-gateway.merge.dev/v1/ai-sdk"),
    "@aihubmix/ai-sdk-provider": Adapter("openai_chat", "https://aihubmix.com/v1"),
    "ai-gateway-provider": Adapter(
        "openai_chat",
        "https://gateway.ai.cloudflare.com/v1/${CLOUDFLARE_ACCOUNT_ID}/${CLOUDFLARE_GATEWAY_ID}/compat",
        auth=("cf-aig-authorization", "Bearer "),
        all_models=True,  # the `compat` endpoint accepts every model it lists
    ),
    "gitlab-ai-provider": Adapter(
        reason="GitLab exchanges its token for a gateway's token, and the gateway's model names are not published"
    ),
    "@jerome-benoit/sap-ai-provider-v2": Adapter(reason="SAP AI Core has a proprietary protocol"),
    "watsonx-ai-provider": Adapter(reason="watsonx has a proprietary protocol and requires an IBM Cloud token"),
    "@saladtechnologies-oss/ai-sdk-provider": Adapter("openai_chat", "https://ai.salad.cloud/v1"),
    "@qvac/ai-sdk-provider": Adapter("openai_chat", "http://127.0.0.1:11434/v1"),  # `qvac serve`, which accepts any key
}

# The package chooses the protocol by the model's name: https://docs.aihubmix.com
_AIHUBMIX: Final = (
    ("claude", "anthropic_messages", "https://aihubmix.com/v1"),
    ("gemini", "gemini", "https://aihubmix.com/gemini/v1beta"),
)
# Hosts of OpenAI's chat format with a non-standard field for reasoning; see `dialects/openai_chat`.
_REASONING_FORMS: Final[Mapping[str, ReasoningForm]] = {
    **dict.fromkeys(("alibaba", "alibaba-cn", "siliconflow", "siliconflow-cn"), "enable_thinking"),
    **dict.fromkeys(("deepseek", "moonshotai", "moonshotai-cn"), "thinking"),
    **dict.fromkeys(("zai", "zai-coding-plan", "zhipuai", "zhipuai-coding-plan"), "thinking"),
    "vercel": "object",
}
# Hosts of models that are refused in a whole reply unless thinking is off, and those models: "parameter.enable_thinking
# must be set to false for non-streaming calls". https://www.alibabacloud.com/help/en/model-studio/deep-thinking
_THINKS_IN_STREAMS: Final[Mapping[str, tuple[str, ...]]] = dict.fromkeys(
    ("alibaba", "alibaba-cn"),
    tuple(f"qwen3-{size}" for size in ("235b-a22b", "32b", "30b-a3b", "14b", "8b", "4b", "1.7b", "0.6b")),
)
_ANTHROPIC_DIALECTS: Final = ("anthropic_messages", "bedrock_anthropic", "vertex_anthropic")
_DIALECT_OF_SHAPE: Final = {"responses": "openai_responses", "completions": "openai_chat"}
# Endings of variables that hold keys. AWS's pairs of keys are used to sign instead.
_KEY: Final = re.compile(r"(?<!AWS_SECRET_ACCESS_)(KEY|TOKEN|PAT|APIKEY)(_BEDROCK)?$")
_ADDRESS: Final = re.compile(r"(ENDPOINT|BASE_URL)$")


def derive(provider: ProviderProfile, model: ModelProfile | None) -> Provider:
    """Derive the row of a provider for one model.

    Args:
        provider: The provider's entry in the catalogue.
        model: The model's entry; None for a model that the catalogue does not list.

    Raises:
        UnsupportedError: The provider's protocol is not supported; the message says why.
    """
    override = (model.provider_override if model else None) or ProviderOverride()
    adapter = _adapter(provider, override, model)
    if adapter.reason:
        raise UnsupportedError(f"{provider.id} is not supported: {adapter.reason}")
    dialect = _DIALECT_OF_SHAPE.get(override.shape or "", adapter.dialect)
    is_azure = provider.npm == "@ai-sdk/azure"
    if is_azure and dialect == "openai_chat" and model and model.id.startswith(_responses_only_prefixes()):
        dialect = "openai_responses"
    base_url = override.api or provider.api or adapter.base_url
    if is_azure and not override.api:
        base_url = base_url.replace("${AZURE_RESOURCE_NAME}", "${" + provider.env[0] + "}")
    templates = template_variables(base_url)
    if dialect not in dialects.names():
        raise UnsupportedError(f"{provider.id} is not supported: the wire dialect {dialect} is not implemented")
    return Provider(
        name=provider.id,
        dialect=dialect,
        base_url=base_url,
        docs=provider.doc,
        api_key_env=(
            *(name for name in provider.env if _KEY.search(name) and name not in templates),
            *adapter.key_env,
        ),
        base_url_env=(
            f"{provider.id.upper().replace('-', '_')}_BASE_URL",
            *(name for name in provider.env if _ADDRESS.search(name) and name not in templates),
        ),
        base_path="/v1" if dialect == "anthropic_messages" and base_url.endswith("/v1") else "",
        key_required="://localhost" not in base_url and "://127.0.0.1" not in base_url,
        auth=adapter.auth,
        token_auth=adapter.token_auth or (_BEARER if is_azure else None),
        key_base_url="" if override.api else adapter.key_base_url,
        tokens=adapter.tokens or ("google" if provider.npm.startswith("@ai-sdk/google-vertex") else ""),
        signing=adapter.signing,
        headers=override.headers or {},
        extra_body=override.body or {},
        quirks=_quirks(dialect, adapter, provider.id),
    )


def _adapter(provider: ProviderProfile, override: ProviderOverride, model: ModelProfile | None) -> Adapter:
    default = _ADAPTERS.get(provider.npm)
    if default is not None and default.all_models:
        return default
    if provider.npm == "@aihubmix/ai-sdk-provider" and model is not None:
        for prefix, dialect, base_url in _AIHUBMIX:
            if model.id.startswith(prefix):
                return Adapter(dialect, base_url)
    npm = override.npm or provider.npm
    if npm in _ADAPTERS:
        return _ADAPTERS[npm]
    # An unknown package: most implement OpenAI's format, and the catalogue gives a URL for these only.
    if provider.api:
        return _ADAPTERS["@ai-sdk/openai-compatible"]
    return Adapter(reason=f"its npm package {npm} is not known")


@cache
def _responses_only_prefixes() -> tuple[str, ...]:
    """Return the prefixes of the ids of OpenAI's models that support the Responses API only."""
    return read_row(data_folder("providers") / "openai.toml").other_dialects["openai_responses"]


def _quirks(dialect: str, adapter: Adapter, provider: str) -> Quirks:
    """Return the quirks of a provider in a dialect.

    Claude has Anthropic's quirks at every host. Converse serves other models as well, so the prefill is limited to
    Claude there.
    """
    if dialect in _ANTHROPIC_DIALECTS:
        return _anthropic_quirks()
    if dialect == "bedrock_converse":
        return replace(_anthropic_quirks(), prefill=("claude",))
    form = _REASONING_FORMS.get(provider) if dialect == "openai_chat" else None
    if form is None:
        return adapter.quirks
    return replace(adapter.quirks, reasoning_form=form, thinks_in_streams=_THINKS_IN_STREAMS.get(provider, ()))


@cache
def _anthropic_quirks() -> Quirks:
    return read_row(data_folder("providers") / "anthropic.toml").quirks
