"""The environment variables that providers' own SDKs and tools read, with the meaning that they have there.

A row names the variables of this library (`<PROVIDER>_BASE_URL` and the key of the catalogue). This table adds those of
the SDKs, and says which of them name a host without the path of its API. `docs/providers.md` has the table as well.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import quote, urlsplit

from msgspec import Struct
from msgspec.structs import replace

from msgflux_like.catalog.profiles import PROVIDER_ALIASES

if TYPE_CHECKING:
    from msgflux_like.providers.config import Provider

_OPENAI: Final = "https://github.com/openai/openai-python"
_GOOGLE: Final = "https://github.com/googleapis/python-genai"
_ANTHROPIC: Final = "https://github.com/anthropics/anthropic-sdk-python"
_AWS: Final = "https://docs.aws.amazon.com/sdkref/latest/guide/"
_CEREBRAS: Final = "https://github.com/Cerebras/cerebras-cloud-sdk-python"
_VERTEX: Final = ("google-vertex", "google-vertex-anthropic")


class Variable(Struct, frozen=True):
    """One environment variable of a provider's SDK.

    Attributes:
        name: Name of the variable.
        providers: The providers that it is read for.
        holds: "key"; "token", which is sent as a bearer token; "url", a base URL as `base_url=` takes it; "host", a URL
            without the path of the API; "version" of the API; "project" or "region" of a cloud.
        source: URL of the SDK or of the page that describes it.
        path: What a host is completed with.
    """

    name: str
    providers: tuple[str, ...]
    holds: Literal["key", "token", "url", "host", "version", "project", "region"]
    source: str
    path: str = ""


VARIABLES: Final = (  # read on 2026-11-28
    Variable("OPENAI_API_KEY", ("openai", "openai-responses"), "key", _OPENAI),
    Variable("OPENAI_BASE_URL", ("openai", "openai-responses"), "url", _OPENAI),
    Variable("ANTHROPIC_API_KEY", ("anthropic",), "key", _ANTHROPIC),
    Variable("ANTHROPIC_AUTH_TOKEN", ("anthropic",), "token", _ANTHROPIC),
    Variable("ANTHROPIC_BASE_URL", ("anthropic",), "host", _ANTHROPIC, "/v1"),
    Variable("AZURE_OPENAI_API_KEY", ("azure",), "key", f"{_OPENAI}#microsoft-azure-openai"),
    Variable("AZURE_OPENAI_AD_TOKEN", ("azure",), "token", f"{_OPENAI}#microsoft-azure-openai"),
    Variable("AZURE_OPENAI_ENDPOINT", ("azure",), "host", f"{_OPENAI}#microsoft-azure-openai", "/openai/v1"),
    Variable("OPENAI_API_VERSION", ("azure",), "version", f"{_OPENAI}#microsoft-azure-openai"),
    Variable("GOOGLE_API_KEY", ("google",), "key", _GOOGLE),
    Variable("GEMINI_API_KEY", ("google",), "key", _GOOGLE),
    Variable("GOOGLE_GEMINI_BASE_URL", ("google",), "host", _GOOGLE, "/v1beta"),
    Variable("GOOGLE_CLOUD_PROJECT", _VERTEX, "project", _GOOGLE),
    Variable("ANTHROPIC_VERTEX_PROJECT_ID", _VERTEX, "project", _ANTHROPIC),
    Variable("GOOGLE_CLOUD_LOCATION", _VERTEX, "region", _GOOGLE),
    Variable("CLOUD_ML_REGION", _VERTEX, "region", _ANTHROPIC),
    Variable("AWS_BEARER_TOKEN_BEDROCK", ("amazon-bedrock",), "key", f"{_AWS}feature-bearer-token.html"),
    Variable("AWS_DEFAULT_REGION", ("amazon-bedrock",), "region", f"{_AWS}feature-region.html"),
    Variable("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", ("amazon-bedrock",), "url", f"{_AWS}feature-ss-endpoints.html"),
    Variable("AWS_ENDPOINT_URL", ("amazon-bedrock",), "url", f"{_AWS}feature-ss-endpoints.html"),
    Variable("GROQ_API_KEY", ("groq",), "key", "https://github.com/groq/groq-python"),
    Variable("GROQ_BASE_URL", ("groq",), "host", "https://github.com/groq/groq-python", "/openai/v1"),
    Variable("CEREBRAS_API_KEY", ("cerebras",), "key", "https://github.com/Cerebras/cerebras-cloud-sdk-python"),
    Variable(
        "CEREBRAS_BASE_URL", ("cerebras",), "host", "https://github.com/Cerebras/cerebras-cloud-sdk-python", "/v1"
    ),
    Variable("MISTRAL_API_KEY", ("mistral",), "key", "https://github.com/mistralai/client-python"),
    Variable("CO_API_KEY", ("cohere",), "key", "https://github.com/cohere-ai/cohere-python"),
    Variable("CO_API_URL", ("cohere",), "host", "https://github.com/cohere-ai/cohere-python", "/v2"),
    Variable("XAI_API_KEY", ("xai",), "key", "https://github.com/xai-org/xai-sdk-python"),
    Variable("TOGETHER_API_KEY", ("togetherai",), "key", "https://github.com/togethercomputer/together-python"),
    Variable("TOGETHER_BASE_URL", ("togetherai",), "url", "https://github.com/togethercomputer/together-python"),
    Variable("FIREWORKS_API_KEY", ("fireworks-ai",), "key", "https://docs.fireworks.ai/tools-sdks/python-sdk"),
    Variable("FIREWORKS_API_BASE", ("fireworks-ai",), "url", "https://docs.fireworks.ai/tools-sdks/python-sdk"),
    Variable("PERPLEXITY_API_KEY", ("perplexity",), "key", "https://github.com/perplexityai/perplexity-py"),
    Variable("PPLX_API_KEY", ("perplexity",), "key", "https://docs.perplexity.ai/getting-started/quickstart"),
    Variable("PERPLEXITY_BASE_URL", ("perplexity",), "url", "https://github.com/perplexityai/perplexity-py"),
    Variable("DEEPSEEK_API_KEY", ("deepseek",), "key", "https://api-docs.deepseek.com"),
    Variable("OPENROUTER_API_KEY", ("openrouter",), "key", "https://openrouter.ai/docs/quickstart"),
    Variable(
        "HF_TOKEN",
        ("huggingface",),
        "key",
        "https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables",
    ),
    Variable("MOONSHOT_API_KEY", ("moonshotai", "moonshotai-cn"), "key", "https://platform.moonshot.ai/docs"),
    Variable("DASHSCOPE_API_KEY", ("alibaba", "alibaba-cn"), "key", "https://help.aliyun.com/zh/model-studio"),
    Variable("ZAI_API_KEY", ("zai",), "key", "https://github.com/zai-org/z-ai-sdk-python"),
    Variable("ZHIPUAI_API_KEY", ("zhipuai",), "key", "https://github.com/MetaGLM/zhipuai-sdk-python-v4"),
    Variable("NVIDIA_API_KEY", ("nvidia",), "key", "https://docs.api.nvidia.com"),
    Variable("OLLAMA_API_KEY", ("ollama", "ollama-native"), "key", "https://github.com/ollama/ollama-python"),
    Variable(
        "OLLAMA_HOST", ("ollama", "ollama-native"), "host", "https://github.com/ollama/ollama/blob/main/docs/faq.md"
    ),
)

_VERSIONED: Final = re.compile(r"/v\d+(?:(?:alpha|beta)\d*)?$")
_OPERATIONS: Final = ("/chat/completions", "/messages", "/responses")
"""Ends of addresses as portals show them; the dialect adds its own."""
_OLLAMA_PORT: Final = "11434"
_PORTS: Final = {"http": "80", "https": "443"}
_BEDROCK_RUNTIME: Final = "bedrock-runtime."


def aliases(holds: Literal["project", "region"], provider: str) -> tuple[str, ...]:
    """Return the names under which a provider's tools know its project or its region."""
    return tuple(each.name for each in VARIABLES if each.holds == holds and provider in each.providers)


def with_variables(row: Provider) -> Provider:
    """Return the row with the variables of the provider's own SDK behind those that it has."""
    name = PROVIDER_ALIASES.get(row.name) or row.name
    own = [each for each in VARIABLES if name in each.providers]
    if not own:
        return row
    keys = [each.name for each in own if each.holds == "key"]
    urls = [each.name for each in own if each.holds in ("url", "host") and _is_for(row, each)]
    return replace(
        row,
        api_key_env=_joined(row.api_key_env, keys),
        token_env=_joined(row.token_env, [each.name for each in own if each.holds == "token"]),
        base_url_env=_joined(row.base_url_env, urls),
    )


def _is_for(row: Provider, variable: Variable) -> bool:
    """Return whether a variable names the address of this row: AWS's are those of Bedrock's runtime alone."""
    return not variable.name.startswith("AWS_") or _BEDROCK_RUNTIME in row.base_url


def _joined(ours: tuple[str, ...], theirs: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*ours, *theirs)))


def first_set(names: Iterable[str]) -> tuple[str, str]:
    """Return the first variable that is set and its value; empty strings if none is."""
    return next(((name, value) for name in names if (value := os.environ.get(name))), ("", ""))


def address(row: Provider, model: str = "") -> tuple[str, str]:
    """Return the base URL that the environment has for a row, and the variable it is from; empty strings for none.

    Args:
        row: The row.
        model: Id of the model, for addresses that hold it (Azure's deployments).
    """
    name, value = first_set(row.base_url_env)
    if not name:
        return "", ""
    variable = next((each for each in VARIABLES if each.name == name), None)
    if name == "OLLAMA_HOST":
        value = ollama_url(value)
    if name == "AZURE_OPENAI_ENDPOINT":
        value = _azure_url(row, value, model)
    if variable is None or variable.holds != "host":
        return value, name
    path = row.base_path if name == "OLLAMA_HOST" else variable.path
    return with_path(value, path), name


def completed(row: Provider, base_url: str) -> str:
    """Return a base URL that the caller gave, which may name a host, an API or one of its operations."""
    head, mark, query = base_url.partition("?")
    head = head.rstrip("/")
    for operation in _OPERATIONS:
        head = head.removesuffix(operation)
    if row.base_path:
        head = with_path(head, row.base_path)
    elif head.count("/") == 2:  # a host alone
        name = PROVIDER_ALIASES.get(row.name) or row.name
        hosts = (each.path for each in VARIABLES if each.holds == "host" and name in each.providers)
        head = with_path(head, next(hosts, ""))
    return f"{head}{mark}{query}"


def with_path(url: str, path: str) -> str:
    """Return a URL with the path of an API, where it does not end with the version of one already.

    Example:
        >>> with_path("https://proxy.example.com/openai", "/openai/v1")
        'https://proxy.example.com/openai/v1'
    """
    url, mark, query = url.partition("?")
    url = url.rstrip("/")
    if not url or not path or query or _VERSIONED.search(url) or url.endswith(path):
        return f"{url}{mark}{query}"
    first, slash, rest = path[1:].partition("/")
    return f"{url}/{rest}" if slash and url.endswith(f"/{first}") else f"{url}{path}"


def ollama_url(host: str) -> str:
    """Return the URL that a value of `OLLAMA_HOST` stands for; a server on all interfaces is asked on this machine.

    Example:
        >>> ollama_url("0.0.0.0:11434")
        'http://localhost:11434'
        >>> ollama_url("gpu-box")
        'http://gpu-box:11434'
    """
    text = host.strip().strip("\"'")
    scheme, mark, rest = text.partition("://")
    scheme, rest = (scheme, rest) if mark else ("http", text)
    place, slash, path = rest.partition("/")
    if place.count(":") > 1 and not place.startswith("["):
        place = f"[{place}]"
    name, _, port = place.rpartition(":") if re.search(r":\d*$", place) else (place, "", "")
    port = port or (
        {"http": "80", "https": "443"}[scheme] if mark and scheme in ("http", "https") else str(_OLLAMA_PORT)
    )
    if name in ("", "0.0.0.0", "[::]"):  # noqa: S104  not bound to: replaced
        name = "localhost"
    return f"{scheme}://{name}:{port}{slash}{path}".rstrip("/")


def _azure_url(row: Provider, endpoint: str, model: str) -> str:
    """Return the address of a deployment if a version of the API is set, as OpenAI's client does; else the endpoint."""
    version = os.environ.get("OPENAI_API_VERSION")
    if not version or not model or urlsplit(endpoint).path.rstrip("/"):
        return endpoint
    base = f"{endpoint.rstrip('/')}/openai"
    place = base if row.dialect == "openai_responses" else f"{base}/deployments/{quote(model, safe='')}"
    return f"{place}?api-version={version}"
