"""A provider row for every provider of the catalogue, derived from its profile.

The catalogue names the npm package that speaks to a provider, and, for one model or another, a different one. The
package tells the wire dialect; `_ADAPTERS` is that table. Sources: the packages' own defaults, as published on npm.
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
    """What an npm package says of a provider.

    Attributes:
        dialect: The wire dialect; "" for a protocol of its own.
        base_url: Where requests go when the catalogue gives no URL; may hold `${VARIABLE}`.
        auth: Name and beginning of the key's header, where it is not the dialect's.
        quirks: How it differs from the dialect.
        reason: Why it cannot be spoken, for a protocol of its own.
        token_auth: The same for a token that a function gives.
        key_env: Variables with the key that the catalogue does not list.
        key_base_url: Where requests with a key go, if not where those with a token do.
        tokens: Whose tools give tokens where there is no key.
        signing: How requests are signed where there is no key.
        all_models: Whether it holds for all models, whatever they override.
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
        all_models=True,  # the `compat` endpoint takes every model it lists
    ),
    "gitlab-ai-provider": Adapter(
        reason="GitLab exchanges its token for that of a gateway, which knows the models by names that are not listed"
    ),
    "@jerome-benoit/sap-ai-provider-v2": Adapter(reason="SAP AI Core has a protocol of its own"),
    "watsonx-ai-provider": Adapter(reason="watsonx has a protocol of its own, behind an IBM Cloud token"),
    "@saladtechnologies-oss/ai-sdk-provider": Adapter("openai_chat", "https://ai.salad.cloud/v1"),
    "@qvac/ai-sdk-provider": Adapter("openai_chat", "http://127.0.0.1:11434/v1"),  # `qvac serve`, which takes any key
}

# The package chooses by the model's name: https://docs.aihubmix.com
_AIHUBMIX: Final = (
    ("claude", "anthropic_messages", "https://aihubmix.com/v1"),
    ("gemini", "gemini", "https://aihubmix.com/gemini/v1beta"),
)
# Hosts of OpenAI's chat format with a field of their own for how much to reason; see `dialects._reasoning_forms`.
_REASONING_FORMS: Final[Mapping[str, ReasoningForm]] = {
    **dict.fromkeys(("alibaba", "alibaba-cn", "siliconflow", "siliconflow-cn"), "enable_thinking"),
    **dict.fromkeys(("deepseek", "moonshotai", "moonshotai-cn"), "thinking"),
    **dict.fromkeys(("zai", "zai-coding-plan", "zhipuai", "zhipuai-coding-plan"), "thinking"),
    "vercel": "object",
}
_OF_ANTHROPIC: Final = ("anthropic_messages", "bedrock_anthropic", "vertex_anthropic")
_SHAPES: Final = {"responses": "openai_responses", "completions": "openai_chat"}
# How variables with keys end. AWS's pairs of keys sign instead.
_KEY: Final = re.compile(r"(?<!AWS_SECRET_ACCESS_)(KEY|TOKEN|PAT|APIKEY)(_BEDROCK)?$")
_ADDRESS: Final = re.compile(r"(ENDPOINT|BASE_URL)$")


def derive(provider: ProviderProfile, model: ModelProfile | None) -> Provider:
    """The row of that provider for that model, None for a model that the catalogue does not list.

    Raises UnsupportedError that names what stands in the way.
    """
    override = (model.provider_override if model else None) or ProviderOverride()
    adapter = _adapter(provider, override, model)
    if adapter.reason:
        raise UnsupportedError(f"{provider.id} cannot be spoken to: {adapter.reason}")
    dialect = _SHAPES.get(override.shape or "", adapter.dialect)
    if provider.npm == "@ai-sdk/azure" and dialect == "openai_chat" and model and model.id.startswith(_on_responses()):
        dialect = "openai_responses"
    base_url = override.api or provider.api or adapter.base_url
    if provider.npm == "@ai-sdk/azure" and not override.api:
        base_url = base_url.replace("${AZURE_RESOURCE_NAME}", "${" + provider.env[0] + "}")
    templates = template_variables(base_url)
    if dialect not in dialects.names():
        raise UnsupportedError(f"{provider.id} speaks {dialect}, a wire dialect that is not built in yet")
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
        key_required="://localhost" not in base_url and "://127.0.0.1" not in base_url,
        auth=adapter.auth,
        token_auth=adapter.token_auth or (_BEARER if provider.npm == "@ai-sdk/azure" else None),
        key_base_url="" if override.api else adapter.key_base_url,
        tokens=adapter.tokens or ("google" if provider.npm.startswith("@ai-sdk/google-vertex") else ""),
        signing=adapter.signing,
        headers=override.headers or {},
        extra_body=override.body or {},
        quirks=_quirks(dialect, adapter, provider.id),
    )


def _adapter(provider: ProviderProfile, override: ProviderOverride, model: ModelProfile | None) -> Adapter:
    own = _ADAPTERS.get(provider.npm)
    if own is not None and own.all_models:
        return own
    if provider.npm == "@aihubmix/ai-sdk-provider" and model is not None:
        for beginning, dialect, base_url in _AIHUBMIX:
            if model.id.startswith(beginning):
                return Adapter(dialect, base_url)
    npm = override.npm or provider.npm
    if npm in _ADAPTERS:
        return _ADAPTERS[npm]
    # A package that nobody has looked at: most follow OpenAI's format, and only those can come with a URL.
    if provider.api:
        return _ADAPTERS["@ai-sdk/openai-compatible"]
    return Adapter(reason=f"its adapter {npm} is not known here")


@cache
def _on_responses() -> tuple[str, ...]:
    """The beginnings of the names of OpenAI's models that know nothing else."""
    return read_row(data_folder("providers") / "openai.toml").other_dialects["openai_responses"]


def _quirks(dialect: str, adapter: Adapter, provider: str) -> Quirks:
    """Claude is itself wherever it is; Converse, which others are served by as well, asks for it by its own name."""
    if dialect in _OF_ANTHROPIC:
        return _anthropic_quirks()
    if dialect == "bedrock_converse":
        return replace(_anthropic_quirks(), prefill=("claude",))
    form = _REASONING_FORMS.get(provider) if dialect == "openai_chat" else None
    return adapter.quirks if form is None else replace(adapter.quirks, reasoning_form=form)


@cache
def _anthropic_quirks() -> Quirks:
    return read_row(data_folder("providers") / "anthropic.toml").quirks
