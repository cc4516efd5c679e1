"""A chat model: one call, from anything accepted as messages to an answer. Read this file first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, ClassVar, Literal, NamedTuple, Self, Unpack, overload

from msgflux_like import catalogue, dialects
from msgflux_like.dotdict import dotdict
from msgflux_like.errors import InvalidRequestError, MissingKeyError
from msgflux_like.exchange import Retries, exchange
from msgflux_like.messages import normalize
from msgflux_like.parameters import (
    check_headers,
    check_parameters,
    check_retries,
    check_seconds,
    timeout_of_environment,
)
from msgflux_like.request import CallOptions, ChatRequest, Endpoint, HttpRequest, Parameters, ToolChoice, to_http
from msgflux_like.response import Answer, ModelResponse
from msgflux_like.stream import ModelStreamResponse
from msgflux_like.tools import check_tools
from msgflux_like.transport import AsyncDrive, Drive, Timeouts, Transport

_MODEL_KEYWORDS = ("api_key", "base_url", "dialect", "timeout", "max_retries", "http_client", "extra_body")
_CALL_KEYWORDS = ("stream", *CallOptions.__annotations__)


class _Prepared(NamedTuple):
    """A call, ready to be sent."""

    http: HttpRequest
    answer: Answer
    changes: tuple[Any, ...]
    retries: Retries
    timeouts: Timeouts


class ChatCompletion:
    """One chat model of one provider. Stateless, and safe to call from any mix of threads and event loops.

    Args:
        path: `provider/model`, split at the first slash.
        api_key: The key; else the provider's environment variable, read now.
        base_url: Another place that speaks the provider's dialect; else `<PROVIDER>_BASE_URL`, else the provider's own.
        dialect: Another wire dialect than the provider's, such as "openai_responses".
        timeout: Seconds for a whole call, or `Timeouts`; else `MSGFLUX_LIKE_TIMEOUT`, else 10 s to connect and
            600 s for each piece of the answer.
        max_retries: Further requests after one that failed in a way that may pass; 0 for one request only.
        http_client: An `httpx2` or `httpx` Client or AsyncClient to send with; it is not closed here.
        extra_body: Fields in the provider's own words, for every request.
        extra_headers: Headers for every request.
        parameters: See `Parameters`.

    Raises:
        UnknownProviderError: With near names.
        MissingKeyError: With the names of the variables.
        UnknownParameterError: A TypeError, with near names.

    Example:
        >>> import msgflux_like as mf
        >>> model = mf.Model.chat_completion("openai/gpt-4o", api_key="sk-...", temperature=0)
        >>> model.get_model_info()
        {'model_id': 'gpt-4o', 'provider': 'openai'}
    """

    model_type: ClassVar[str] = "chat_completion"

    def __init__(
        self,
        path: str,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        dialect: str | None = None,
        timeout: float | Timeouts | None = None,
        max_retries: int = 2,
        http_client: Any = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        **parameters: Unpack[Parameters],
    ) -> None:
        self.provider, self.model_id = catalogue.split_path(path)
        row = catalogue.find_provider(self.provider)
        self._row = row if dialect is None else catalogue.with_dialect(row, dialect)
        self._given = {"api_key": api_key, "base_url": base_url, "dialect": dialect, "http_client": http_client}
        self._dialect = dialects.load(self._row.dialect)
        self._parameters = check_parameters(parameters, _MODEL_KEYWORDS)
        self._endpoint = catalogue.endpoint(self._row, base_url=base_url, api_key=api_key)
        self._timeouts = _timeouts(timeout, Timeouts(total_s=timeout_of_environment()))
        self._retries = Retries(check_retries(max_retries))
        self._extra_body = dict(extra_body or {})
        self._extra_headers = dict(check_headers(extra_headers))
        self._transport = Transport(http_client)
        _check_logprobs(self._parameters)

    # ---- calling

    @overload
    def __call__(
        self, messages: Any, *, stream: Literal[False] = False, **call: Unpack[CallOptions]
    ) -> ModelResponse: ...
    @overload
    def __call__(self, messages: Any, *, stream: Literal[True], **call: Unpack[CallOptions]) -> ModelStreamResponse: ...
    @overload
    def __call__(
        self, messages: Any, *, stream: bool, **call: Unpack[CallOptions]
    ) -> ModelResponse | ModelStreamResponse: ...
    def __call__(
        self, messages: Any, *, stream: bool = False, **call: Unpack[CallOptions]
    ) -> ModelResponse | ModelStreamResponse:
        """Ask the model.

        Args:
            messages: A text, ChatML messages, `ChatBlock`s, a `ChatML` history, or a mix of texts and messages.
            stream: Give the answer piece by piece; this call returns when its first piece is there.
            system_prompt: Goes in front, to the provider's own place for it.
            prefilling: What the answer must begin with, for the models that continue it.
            tool_schemas: Tools the model may call, as OpenAI-style schemas.
            tool_choice: "auto", "required", "none", a tool's name, or a dict in the dialect's own form.
            timeout: As for the model, for this call.
            max_retries: As for the model, for this call.
            extra_body: As for the model, added to it.
            extra_headers: As for the model, added to them.
            **call: The above, and `Parameters`, which beat the model's.

        Raises:
            InvalidRequestError: A ValueError: the call is wrong, nothing was sent.
            UnknownParameterError: A TypeError, with near names.
            APIError: The provider, or the way to it, failed.
        """
        prepared = self._prepare(messages, stream=stream, **call)
        drive = Drive(self._steps(prepared), self._transport, prepared.timeouts)
        if stream:
            return self._stream(drive, next(drive), prepared)
        for batch in drive:
            prepared.answer.add(batch)
        return ModelResponse(prepared.answer, self.provider, self.model_id, prepared.changes)

    @overload
    async def acall(
        self, messages: Any, *, stream: Literal[False] = False, **call: Unpack[CallOptions]
    ) -> ModelResponse: ...
    @overload
    async def acall(
        self, messages: Any, *, stream: Literal[True], **call: Unpack[CallOptions]
    ) -> ModelStreamResponse: ...
    @overload
    async def acall(
        self, messages: Any, *, stream: bool, **call: Unpack[CallOptions]
    ) -> ModelResponse | ModelStreamResponse: ...
    async def acall(
        self, messages: Any, *, stream: bool = False, **call: Unpack[CallOptions]
    ) -> ModelResponse | ModelStreamResponse:
        """The async twin of calling the model: same arguments, same results, no thread."""
        prepared = self._prepare(messages, stream=stream, **call)
        drive = AsyncDrive(self._steps(prepared), self._transport, prepared.timeouts)
        if stream:
            return self._stream(drive, await anext(drive), prepared)
        async for batch in drive:
            prepared.answer.add(batch)
        return ModelResponse(prepared.answer, self.provider, self.model_id, prepared.changes)

    def _prepare(
        self,
        messages: Any,
        *,
        stream: bool,
        system_prompt: str | None = None,
        prefilling: str | None = None,
        tool_schemas: Sequence[Mapping[str, Any]] | None = None,
        tool_choice: ToolChoice | None = None,
        timeout: float | Timeouts | None = None,
        max_retries: int | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        **sampling: Any,
    ) -> _Prepared:
        """Normalize, check, encode: all that can be wrong is found here, before anything is sent."""
        request = ChatRequest(
            model=self.model_id,
            messages=normalize(messages, system_prompt),
            parameters=self._sampling(sampling, has_tools=bool(tool_schemas)),
            tools=check_tools(tool_schemas, tool_choice),
            tool_choice=tool_choice,
            prefill=prefilling,
            stream=stream,
            extra_body={**self._extra_body, **extra_body} if extra_body else self._extra_body,
            extra_headers={**self._extra_headers, **check_headers(extra_headers)}
            if extra_headers
            else self._extra_headers,
        )
        endpoint = self._reachable()
        encoded = self._dialect.encode(request, endpoint.quirks)
        return _Prepared(
            to_http(encoded, request, endpoint),
            Answer(encoded.prefill),
            encoded.changes,
            self._retries if max_retries is None else Retries(check_retries(max_retries)),
            _timeouts(timeout, self._timeouts),
        )

    def _sampling(self, given: Mapping[str, Any], *, has_tools: bool) -> Mapping[str, Any]:
        """The parameters of this call: the model's, and over them the call's."""
        parameters = self._parameters
        if given:
            parameters = {**parameters, **check_parameters(given, _CALL_KEYWORDS)}
            _check_logprobs(parameters)
        if "parallel_tool_calls" in parameters and not has_tools:  # refused by providers where it says nothing
            parameters = {name: value for name, value in parameters.items() if name != "parallel_tool_calls"}
        return parameters

    def _reachable(self) -> Endpoint:
        """The endpoint; an embedded server is started by the first call."""
        if self._row.embedded and not self._endpoint.base_url:
            from msgflux_like import local  # noqa: PLC0415  only the embedded model needs it

            return catalogue.endpoint(self._row, base_url=local.serve(self.model_id))
        return self._endpoint

    def _steps(self, prepared: _Prepared) -> Any:
        return exchange(prepared.http, self._dialect, self.provider, self.model_id, prepared.retries)

    def _stream(self, drive: Drive | AsyncDrive, first: list[Any], prepared: _Prepared) -> ModelStreamResponse:
        names = (self.provider, self.model_id)
        return ModelStreamResponse(drive, first, prepared.answer, names, prepared.changes)

    # ---- information and state

    def get_model_info(self) -> dotdict:
        """`{'model_id': ..., 'provider': ...}`."""
        return dotdict(model_id=self.model_id, provider=self.provider)

    def instance_type(self) -> dotdict:
        """`{'model_type': 'chat_completion'}`."""
        return dotdict(model_type=self.model_type)

    def serialize(self) -> dict[str, Any]:
        """All that `Model.from_serialized` needs, as plain JSON. No key is in it, and no extra header."""
        state: dict[str, Any] = {"model_id": self.model_id, "parameters": dict(self._parameters)}
        state |= {name: self._given[name] for name in ("base_url", "dialect") if self._given[name] is not None}
        state["max_retries"] = self._retries.max_retries
        if self._timeouts != Timeouts():
            state["timeout"] = {name: getattr(self._timeouts, name) for name in Timeouts.__struct_fields__}
        if self._extra_body:
            state["extra_body"] = self._extra_body
        return {"msgflux_type": "model", "provider": self.provider, "model_type": self.model_type, "state": state}

    @classmethod
    def from_serialized(cls, provider: str, state: Mapping[str, Any], *, api_key: str | None = None) -> Self:
        """The model that `serialize` described. The key is read from the environment, or given.

        A stored `base_url` gets the environment's key only if it is on the provider's own host: state that comes
        from elsewhere must not be able to send a key anywhere (MissingKeyError).
        """
        known = {"model_id", "parameters", "base_url", "dialect", "max_retries", "timeout", "extra_body"}
        if unknown := sorted(set(state) - known):
            raise InvalidRequestError(f"state has unknown fields: {', '.join(map(str, unknown))}")
        row = catalogue.find_provider(provider)
        elsewhere = "base_url" in state and not catalogue.is_home(row, state["base_url"])
        if elsewhere and row.key_required and api_key is None:
            raise MissingKeyError(
                f"the stored base_url is not {provider}'s own: pass api_key= to say which key may go there"
            )
        timeout = state.get("timeout")
        return cls(
            f"{provider}/{state['model_id']}",
            api_key=api_key,
            base_url=state.get("base_url"),
            dialect=state.get("dialect"),
            timeout=None if timeout is None else Timeouts(**timeout),
            max_retries=state.get("max_retries", 2),
            extra_body=state.get("extra_body"),
            **state.get("parameters", {}),
        )

    def __repr__(self) -> str:
        parameters = "".join(f", {name}={value!r}" for name, value in self._parameters.items() if name != "stop")
        return f"{type(self).__name__}({self.provider}/{self.model_id}{parameters})"

    def __reduce__(self) -> tuple[Any, ...]:
        if self._given["api_key"] or self._given["http_client"] or self._extra_headers:
            raise TypeError(
                "a model that was given a key, headers or an http_client cannot be pickled: "
                "put the key into the environment, or make the model anew where it is needed"
            )
        return _restore, (type(self), self.serialize())

    def __deepcopy__(self, _memo: Any) -> Self:
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._transport = Transport(self._given["http_client"])
        return twin

    # ---- ending

    def close(self) -> None:
        """Close the idle connections. Twice is once, and a later call opens new ones."""
        self._transport.close()

    async def aclose(self) -> None:
        """The async twin of `close`."""
        await self._transport.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.aclose()


def _restore(kind: type[ChatCompletion], serialized: Mapping[str, Any]) -> ChatCompletion:
    return kind.from_serialized(serialized["provider"], serialized["state"])


def _timeouts(given: Any, default: Timeouts) -> Timeouts:
    if given is None:
        return default
    if isinstance(given, Timeouts):
        for name in Timeouts.__struct_fields__:
            if (seconds := getattr(given, name)) is not None:
                check_seconds(f"timeout.{name}", seconds)
        return given
    return Timeouts(total_s=check_seconds("timeout", given))


def _check_logprobs(parameters: Mapping[str, Any]) -> None:
    if "top_logprobs" in parameters and not parameters.get("logprobs"):
        raise InvalidRequestError("top_logprobs needs logprobs=True")
