"""The factory of models, and the registry of further model classes. The classes are in the modules of this folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, overload

from msgflux_like.errors import InvalidRequestError

if TYPE_CHECKING:
    from msgflux_like._wire.secrets import ApiKey
    from msgflux_like.calls.options import EmbedderOptions, ModelOptions
    from msgflux_like.models.chat_completion import ChatCompletion
    from msgflux_like.models.text_completion import TextCompletion
    from msgflux_like.models.text_embedder import TextEmbedder

# Kind of model -> its class, which is in the module of the same name.
_TYPES = {"chat_completion": "ChatCompletion", "text_completion": "TextCompletion", "text_embedder": "TextEmbedder"}
_registered: dict[tuple[str, str], Callable[..., Any]] = {}

T = TypeVar("T", bound=type[Any])


@overload
def register_model(cls: T) -> T: ...
@overload
def register_model(*, override: bool = False) -> Callable[[T], T]: ...
def register_model(cls: T | None = None, *, override: bool = False) -> T | Callable[[T], T]:
    """Register a model class for a provider, for what a provider row cannot express. Can be used as a decorator.

    Args:
        cls: The class, with the attributes `model_type` and `provider`. It is called with the path and the options
            that the factory was given.
        override: Whether it may replace a provider that exists; default False.

    Returns:
        The class itself; a decorator that returns it if only `override` is given.

    Raises:
        InvalidRequestError: If an attribute is missing, or the provider exists already.

    Example:
        >>> import msgflux_like as mf
        >>> @mf.register_model
        ... class Echo:
        ...     model_type, provider = "chat_completion", "my-echo"
        ...     def __init__(self, path, **options):
        ...         self.path = path
        >>> mf.Model.chat_completion("my-echo/any").path
        'my-echo/any'
    """

    def register(kind: T) -> T:
        model_type, provider = getattr(kind, "model_type", None), getattr(kind, "provider", None)
        if model_type not in _TYPES or not isinstance(provider, str) or not provider:
            raise InvalidRequestError(
                f"{kind.__name__} needs a model_type (one of {', '.join(_TYPES)}) and the name of a provider"
            )
        if not override and provider in Model.providers()[model_type]:
            raise InvalidRequestError(f"the provider {provider!r} is there already: register it with override=True")
        _registered[model_type, provider] = kind
        return kind

    return register if cls is None else register(cls)


class Model:
    """Factory of models, by path: the name of a provider and the id of one of its models.

    Example:
        >>> import msgflux_like as mf
        >>> mf.Model.chat_completion("openai/gpt-4o", api_key="sk-...")
        ChatCompletion(openai/gpt-4o)
        >>> mf.Model.model_types()
        ['chat_completion', 'text_completion', 'text_embedder']
    """

    @staticmethod
    def chat_completion(path: str, **options: Unpack[ModelOptions]) -> ChatCompletion:
        """Make a chat model.

        Pass `**options` by keyword. None means "not given"; zeros are sent. Options of a call replace those of the
        model.

        Args:
            path (str): `provider/model`, such as "openai/gpt-4o"; split at the first slash.
            api_key (str, function or tuple): The key; or a function, sync or async, that returns a token and is called
                before every request; or for amazon-bedrock a tuple of access key id, secret access key and optional
                session token. Default: the provider's environment variable.
            base_url (str): Another address that speaks the provider's dialect. Default: `<PROVIDER>_BASE_URL`, else
                the provider's own.
            dialect (str): Another wire dialect, such as "openai_responses". Default: the provider's.
            base_model (str): The model behind an opaque name (a deployment, an alias of a proxy, an application
                inference profile): an id of the same provider, or a path. Default: the model that the name contains.
            model_profile (ModelProfile): As `base_model`, for a model whose profile you have.
            timeout (float or Timeouts): Time limit of a whole call in seconds, or several limits. Default:
                `MSGFLUX_LIKE_TIMEOUT`, else 10 s to connect and 600 s for each piece of the answer.
            max_retries (int): Further requests after one that failed for a reason that may pass; at least 0, default 2.
            http_client (Client or AsyncClient): An httpx2 or httpx client to send with; the model never closes it.
            extra_body (dict): Fields of the provider's own API, added to every body.
            extra_headers (dict): Headers, added to every request.
            enable_cache (bool): Whether equal requests are sent once. Default: False, or True with `cache`.
            cache_size (int): Capacity of the model's own cache, in answers; at least 0, default 128.
            cache (ResponseCache, str, Path or bool): A cache, which models may share; or what `ResponseCache` takes
                as `store`.
            check (str): What to do when the catalogue says that the model cannot take a request: "error" (default)
                raises CapabilityError, "warn" sends it and adds to `response.warnings`, "off" does not check.
            changes (str): What to do about a request that cannot be sent exactly as asked: "record" (default) sends
                what can be sent and lists the rest in `response.changes`, "refuse" raises ChangeError.
            output_mode (str): How an answer is held to a `generation_schema`: by the provider ("native"), by a forced
                tool ("tool") or by the prompt ("prompted"). Default: the first that the model supports.
            temperature (float): Randomness of the output, 0 to 2 (Anthropic: 0 to 1).
            max_tokens (int): Maximum number of tokens to generate, reasoning included; at least 1.
            top_p (float): Nucleus sampling: share of the probability mass to sample from, 0 to 1.
            top_k (int): Number of most likely tokens to sample from, at least 0.
            stop (str or list): Strings that end the output.
            presence_penalty (float): Penalty of tokens that have occurred, -2 to 2.
            frequency_penalty (float): Penalty of tokens by how often they have occurred, -2 to 2.
            seed (int): Seed for repeatable sampling.
            user (str): Your own identifier of the end user.
            logprobs (bool): Whether to return the log probabilities of the output tokens.
            top_logprobs (int): Number of alternatives for each token, 0 to 20; needs `logprobs=True`.
            parallel_tool_calls (bool): Whether one answer may hold several tool calls.
            reasoning_effort (str): How much to reason: "none", "low", "medium", "high" and other words that the model
                knows.
            reasoning_budget (int): Maximum number of reasoning tokens, which `max_tokens` includes; 0 turns it off.

        Returns:
            The model, which sends nothing until it is called. It can be shared by threads and event loops.

        Raises:
            UnknownProviderError: If no such provider exists; the message suggests similar names.
            MissingKeyError: If the provider needs a key and none is set; the message names the variables.
            InvalidRequestError: If an option has the wrong type or is out of range.
            UnknownParameterError: If there is no option of that name; the message suggests the one that was meant.

        Example:
            >>> import msgflux_like as mf
            >>> mf.Model.chat_completion("openai/gpt-4o", api_key="sk-...", temperature=0)
            ChatCompletion(openai/gpt-4o, temperature=0)
        """
        return _create("chat_completion", path, options)

    @staticmethod
    def text_completion(path: str, **options: Unpack[ModelOptions]) -> TextCompletion:
        """Make a text completion model, which continues a prompt.

        Pass `**options` by keyword. None means "not given"; zeros are sent. Options of a call replace those of the
        model.

        Args:
            path (str): `provider/model`, such as "openai/gpt-4o"; split at the first slash.
            api_key (str, function or tuple): The key; or a function, sync or async, that returns a token and is called
                before every request; or for amazon-bedrock a tuple of access key id, secret access key and optional
                session token. Default: the provider's environment variable.
            base_url (str): Another address that speaks the provider's dialect. Default: `<PROVIDER>_BASE_URL`, else
                the provider's own.
            dialect (str): Another wire dialect, such as "openai_responses". Default: the provider's.
            base_model (str): The model behind an opaque name (a deployment, an alias of a proxy, an application
                inference profile): an id of the same provider, or a path. Default: the model that the name contains.
            model_profile (ModelProfile): As `base_model`, for a model whose profile you have.
            timeout (float or Timeouts): Time limit of a whole call in seconds, or several limits. Default:
                `MSGFLUX_LIKE_TIMEOUT`, else 10 s to connect and 600 s for each piece of the answer.
            max_retries (int): Further requests after one that failed for a reason that may pass; at least 0, default 2.
            http_client (Client or AsyncClient): An httpx2 or httpx client to send with; the model never closes it.
            extra_body (dict): Fields of the provider's own API, added to every body.
            extra_headers (dict): Headers, added to every request.
            enable_cache (bool): Whether equal requests are sent once. Default: False, or True with `cache`.
            cache_size (int): Capacity of the model's own cache, in answers; at least 0, default 128.
            cache (ResponseCache, str, Path or bool): A cache, which models may share; or what `ResponseCache` takes
                as `store`.
            check (str): What to do when the catalogue says that the model cannot take a request: "error" (default)
                raises CapabilityError, "warn" sends it and adds to `response.warnings`, "off" does not check.
            changes (str): What to do about a request that cannot be sent exactly as asked: "record" (default) sends
                what can be sent and lists the rest in `response.changes`, "refuse" raises ChangeError.
            output_mode (str): How an answer is held to a `generation_schema`: by the provider ("native"), by a forced
                tool ("tool") or by the prompt ("prompted"). Default: the first that the model supports.
            temperature (float): Randomness of the output, 0 to 2 (Anthropic: 0 to 1).
            max_tokens (int): Maximum number of tokens to generate, reasoning included; at least 1.
            top_p (float): Nucleus sampling: share of the probability mass to sample from, 0 to 1.
            top_k (int): Number of most likely tokens to sample from, at least 0.
            stop (str or list): Strings that end the output.
            presence_penalty (float): Penalty of tokens that have occurred, -2 to 2.
            frequency_penalty (float): Penalty of tokens by how often they have occurred, -2 to 2.
            seed (int): Seed for repeatable sampling.
            user (str): Your own identifier of the end user.
            logprobs (bool): Whether to return the log probabilities of the output tokens.
            top_logprobs (int): Number of alternatives for each token, 0 to 20; needs `logprobs=True`.
            parallel_tool_calls (bool): Whether one answer may hold several tool calls.
            reasoning_effort (str): How much to reason: "none", "low", "medium", "high" and other words that the model
                knows.
            reasoning_budget (int): Maximum number of reasoning tokens, which `max_tokens` includes; 0 turns it off.

        Returns:
            The model, which sends nothing until it is called. It can be shared by threads and event loops.

        Raises:
            UnknownProviderError: If no such provider exists; the message suggests similar names.
            MissingKeyError: If the provider needs a key and none is set; the message names the variables.
            UnsupportedError: If the provider has no text completions.
            InvalidRequestError: If an option has the wrong type or is out of range.
            UnknownParameterError: If there is no option of that name; the message suggests the one that was meant.

        Example:
            >>> import msgflux_like as mf
            >>> model = mf.Model.text_completion("openai/gpt-3.5-turbo-instruct", api_key="sk-...", max_tokens=20)
            >>> model.plan("Once upon a time").body
            {'model': 'gpt-3.5-turbo-instruct', 'prompt': 'Once upon a time', 'max_tokens': 20}
        """
        return _create("text_completion", path, options)

    @staticmethod
    def text_embedder(path: str, **options: Unpack[EmbedderOptions]) -> TextEmbedder:
        """Make an embedder, which turns texts into vectors.

        Pass `**options` by keyword. None means "not given"; zeros are sent. Options of a call replace those of the
        model.

        Args:
            path (str): `provider/model`, such as "openai/text-embedding-3-small"; split at the first slash.
            api_key (str, function or tuple): The key; or a function, sync or async, that returns a token and is called
                before every request; or for amazon-bedrock a tuple of access key id, secret access key and optional
                session token. Default: the provider's environment variable.
            base_url (str): Another address that speaks the provider's dialect. Default: `<PROVIDER>_BASE_URL`, else
                the provider's own.
            dialect (str): Another wire dialect, such as "openai_responses". Default: the provider's.
            base_model (str): The model behind an opaque name (a deployment, an alias of a proxy, an application
                inference profile): an id of the same provider, or a path. Default: the model that the name contains.
            model_profile (ModelProfile): As `base_model`, for a model whose profile you have.
            timeout (float or Timeouts): Time limit of a whole call in seconds, or several limits. Default:
                `MSGFLUX_LIKE_TIMEOUT`, else 10 s to connect and 600 s for each piece of the answer.
            max_retries (int): Further requests after one that failed for a reason that may pass; at least 0, default 2.
            http_client (Client or AsyncClient): An httpx2 or httpx client to send with; the model never closes it.
            extra_body (dict): Fields of the provider's own API, added to every body.
            extra_headers (dict): Headers, added to every request.
            enable_cache (bool): Whether equal requests are sent once. Default: False, or True with `cache`.
            cache_size (int): Capacity of the model's own cache, in answers; at least 0, default 128.
            cache (ResponseCache, str, Path or bool): A cache, which models may share; or what `ResponseCache` takes
                as `store`.
            check (str): What to do when the catalogue says that the model cannot take a request: "error" (default)
                raises CapabilityError, "warn" sends it and adds to `response.warnings`, "off" does not check.
            changes (str): What to do about a request that cannot be sent exactly as asked: "record" (default) sends
                what can be sent and lists the rest in `response.changes`, "refuse" raises ChangeError.
            dimensions (int): Length of each vector, at least 1, for the models that let one choose.
            input_type (str): What the vectors are for: "query", "document", "classification", "clustering" or
                "similarity".
            user (str): Your own identifier of the end user.
            max_concurrency (int): Maximum number of concurrent requests of one call, at least 1, default 4;
                synchronous calls are capped at 32.
            batch_size (int): Maximum number of texts in one request, at least 1. Default: the provider's limit.

        Returns:
            The embedder, which sends nothing until it is called. It can be shared by threads and event loops.

        Raises:
            UnknownProviderError: If no such provider exists; the message suggests similar names.
            MissingKeyError: If the provider needs a key and none is set; the message names the variables.
            UnsupportedError: If the provider has no embeddings.
            InvalidRequestError: If an option has the wrong type or is out of range.
            UnknownParameterError: If there is no option of that name; the message suggests the one that was meant.

        Example:
            >>> import msgflux_like as mf
            >>> mf.Model.text_embedder("openai/text-embedding-3-small", api_key="sk-...", dimensions=256)
            TextEmbedder(openai/text-embedding-3-small, dimensions=256)
        """
        return _create("text_embedder", path, options)

    @staticmethod
    def model_types() -> list[str]:
        """Return the kinds of models."""
        return list(_TYPES)

    @staticmethod
    def providers() -> dict[str, list[str]]:
        """Return the names of the providers of each kind of model."""
        from msgflux_like.providers import resolve  # noqa: PLC0415

        return {
            kind: sorted(
                {
                    *(name for name in resolve.provider_names() if _has(kind, name)),
                    *(name for known, name in _registered if known == kind),
                }
            )
            for kind in _TYPES
        }

    @staticmethod
    def from_serialized(
        provider: str,
        model_type: str,
        state: Mapping[str, Any],
        msgflux_type: str = "model",
        *,
        api_key: ApiKey | None = None,
        cache: Any = None,
    ) -> Any:
        """Return the model that `model.serialize()` described: `Model.from_serialized(**state)`.

        Args:
            provider: Name of the provider.
            model_type: Kind of the model, such as "chat_completion".
            state: The state itself.
            msgflux_type: Always "model".
            api_key: The key, which is not part of the state; the provider's environment variable if not given.
            cache: Replaces the stored cache; False for none. A stored cache on a server, or in a file outside of the
                library's folder, must be given again.

        Raises:
            InvalidRequestError: If this is not the state of a model.
            MissingKeyError: If there is no key, or the stored `base_url` needs one to be given.
        """
        if msgflux_type != "model":
            raise InvalidRequestError(f"msgflux_type is {msgflux_type!r}: this is not a serialized model")
        if model_type not in _TYPES:
            raise InvalidRequestError(f"there is no model type {model_type!r}; there are {', '.join(_TYPES)}")
        kind: Any = _registered.get((model_type, provider)) or _class(model_type)
        if not hasattr(kind, "from_serialized"):
            raise InvalidRequestError(f"{kind.__name__} has no from_serialized: a model of it is made anew")
        return kind.from_serialized(provider, state, api_key=api_key, **({} if cache is None else {"cache": cache}))


def _class(kind: str) -> Any:
    """Return the class of that kind of model, imported when it is first needed."""
    return getattr(import_module(f"msgflux_like.models.{kind}"), _TYPES[kind])


def _has(kind: str, provider: str) -> bool:
    """Return whether the provider has models of that kind."""
    if kind == "chat_completion":
        return True
    from msgflux_like.providers import resolve  # noqa: PLC0415

    try:
        _class(kind)._row_of(resolve.find_row(provider, ""))  # noqa: SLF001  a class of this package
    except InvalidRequestError:
        return False
    return True


def _create(kind: str, path: str, options: Mapping[str, Any]) -> Any:
    registered = _registered.get((kind, path.partition("/")[0])) if isinstance(path, str) else None  # pyright: ignore[reportUnnecessaryIsInstance]  callers are untyped
    return (registered or _class(kind))(path, **options)
