"""A chat model: one call, from anything accepted as messages to an answer. Read this file first."""

from __future__ import annotations

import copy
from collections.abc import Generator, Mapping, Sequence
from functools import cached_property
from types import TracebackType
from typing import Any, ClassVar, Literal, NamedTuple, Self, Unpack, overload

from msgflux_like import catalogue, dialects, preflight, resolve
from msgflux_like.dotted import dotdict
from msgflux_like.errors import InvalidRequestError, MissingKeyError, NotFoundError
from msgflux_like.exchange import Retries, Step, exchange
from msgflux_like.messages import normalize
from msgflux_like.models.profiles import ModelProfile, get_model_profile
from msgflux_like.parameters import (
    check_headers,
    check_parameters,
    check_retries,
    check_seconds,
    timeout_of_environment,
)
from msgflux_like.request import CallOptions, ChatRequest, Endpoint, Parameters, ToolChoice, to_http
from msgflux_like.response import About, Answer, ModelResponse
from msgflux_like.stream import ModelStreamResponse
from msgflux_like.tools import check_tools
from msgflux_like.transport import AsyncDrive, Drive, Timeouts, Transport

_MODEL_KEYWORDS = (
    "api_key",
    "base_url",
    "dialect",
    "timeout",
    "max_retries",
    "http_client",
    "extra_body",
    "extra_headers",
    "check",
)
_CALL_KEYWORDS = ("stream", *CallOptions.__annotations__)


class _Prepared(NamedTuple):
    """A call, ready to be sent."""

    steps: Generator[Step, Any, None]
    answer: Answer
    about: About
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
        check: What to do when the catalogue says that the model cannot take a request: "error" raises a
            CapabilityError, "warn" sends it and says so in `response.warnings`, "off" does not look.
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
        check: preflight.Check = "error",
        **parameters: Unpack[Parameters],
    ) -> None:
        self.provider, self.model_id = resolve.split_path(path)
        row = resolve.find_provider(self.provider, self.model_id)
        self._row = row if dialect is None else catalogue.with_dialect(row, dialect)
        self._given = {"api_key": api_key, "base_url": base_url, "dialect": dialect, "http_client": http_client}
        self._dialect = dialects.load(self._row.dialect)
        self._parameters = check_parameters(parameters, _MODEL_KEYWORDS)
        try:
            self._endpoint = catalogue.endpoint(self._row, base_url=base_url, api_key=api_key)
        except MissingKeyError as error:
            raise resolve.explain_missing_key(error, self.profile) from None
        self._timeouts = Timeouts(total_s=timeout_of_environment()) if timeout is None else _timeouts(timeout)
        self._retries = Retries(check_retries(max_retries))
        self._extra_body = copy.deepcopy({**self._row.extra_body, **(extra_body or {})})
        self._check: preflight.Check = _checked(check)
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
            check: As for the model, for this call.
            **call: The above, and `Parameters`, which beat the model's.

        Raises:
            InvalidRequestError: A ValueError: the call is wrong, nothing was sent.
            UnknownParameterError: A TypeError, with near names.
            APIError: The provider, or the way to it, failed.
        """
        prepared = self._prepare(messages, stream=stream, **call)
        drive = Drive(prepared.steps, self._transport, prepared.timeouts)
        try:
            if stream:
                return ModelStreamResponse(drive, next(drive), prepared.answer, prepared.about)
            while batch := next(drive, None):
                prepared.answer.add(batch)
        except NotFoundError as error:
            raise self._explained(error) from None
        return ModelResponse(prepared.answer, prepared.about)

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
        drive = AsyncDrive(prepared.steps, self._transport, prepared.timeouts)
        try:
            if stream:
                return ModelStreamResponse(drive, await anext(drive), prepared.answer, prepared.about)
            async for batch in drive:
                prepared.answer.add(batch)
        except NotFoundError as error:
            raise self._explained(error) from None
        return ModelResponse(prepared.answer, prepared.about)

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
        check: preflight.Check | None = None,
        **sampling: Any,
    ) -> _Prepared:
        """Normalize, check, encode: all that can be wrong is found here, before anything is sent."""
        tools = check_tools(tool_schemas, tool_choice) if tool_schemas or tool_choice is not None else ()
        request = ChatRequest(
            model=self.model_id,
            messages=normalize(messages, system_prompt),
            prompted=system_prompt is not None,
            parameters=self._sampling(sampling, has_tools=bool(tools))
            if sampling or "parallel_tool_calls" in self._parameters
            else self._parameters,
            tools=tools,
            tool_choice=tool_choice,
            prefill=prefilling,
            stream=stream,
            extra_body={**self._extra_body, **extra_body} if extra_body else self._extra_body,
            extra_headers={**self._extra_headers, **check_headers(extra_headers)}
            if extra_headers
            else self._extra_headers,
            output_limit=self.profile.limits.output if self.profile else None,
        )
        endpoint = self._served() if self._row.embedded else self._endpoint
        encoded = self._dialect.encode(request, endpoint.quirks)
        http = to_http(encoded, request, endpoint)
        warnings = self._against_profile(request, len(http.body), check)
        retries = self._retries if max_retries is None else Retries(check_retries(max_retries))
        return _Prepared(
            exchange(http, self._dialect, self.provider, self.model_id, retries),
            Answer(encoded.prefill),
            About(self.provider, self.model_id, self.profile, encoded.changes, warnings),
            self._timeouts if timeout is None else _timeouts(timeout),
        )

    def _against_profile(self, request: ChatRequest, body_bytes: int, check: preflight.Check | None) -> tuple[str, ...]:
        """CapabilityError, or the warnings for the response."""
        check = self._check if check is None else _checked(check)
        if self._abilities is None or self.profile is None or check == "off":
            return ()
        found = self._abilities.problems(request, body_bytes)
        if found and check == "error":
            raise preflight.refusal(found, request, self.profile)
        return (*self._abilities.warnings, *found)

    def _sampling(self, given: Mapping[str, Any], *, has_tools: bool) -> Mapping[str, Any]:
        """The parameters of this call: the model's, and over them the call's."""
        parameters = self._parameters
        if given:
            parameters = {**parameters, **check_parameters(given, _CALL_KEYWORDS)}
            _check_logprobs(parameters)
        if "parallel_tool_calls" in parameters and not has_tools:  # refused by providers where it says nothing
            parameters = {name: value for name, value in parameters.items() if name != "parallel_tool_calls"}
        return parameters

    def _served(self) -> Endpoint:
        """The endpoint of an embedded server, which the first call starts."""
        if self._endpoint.base_url:
            return self._endpoint
        from msgflux_like import local  # noqa: PLC0415  only the embedded model needs it

        return catalogue.endpoint(self._row, base_url=local.serve(self.model_id))

    def _explained(self, error: NotFoundError) -> NotFoundError:
        error.hint = resolve.explain_unknown_model(self.provider, self.model_id)
        return error

    @cached_property
    def profile(self) -> ModelProfile | None:
        """What the catalogue says of this model; None when it does not know it."""
        return get_model_profile(self.model_id, self.provider)

    @cached_property
    def _abilities(self) -> preflight.Abilities | None:
        return preflight.Abilities(self.profile) if self.profile else None

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
        if self._extra_body != self._row.extra_body:
            state["extra_body"] = self._extra_body
        if self._check != "error":
            state["check"] = self._check
        return {
            "msgflux_type": "model",
            "provider": self.provider,
            "model_type": self.model_type,
            "state": copy.deepcopy(state),
        }

    @classmethod
    def from_serialized(cls, provider: str, state: Mapping[str, Any], *, api_key: str | None = None) -> Self:
        """The model that `serialize` described. The key is read from the environment, or given.

        A stored `base_url` gets the environment's key only if it is on the provider's own host: state that comes
        from elsewhere must not be able to send a key anywhere (MissingKeyError).
        """
        known = {"model_id", "parameters", "base_url", "dialect", "max_retries", "timeout", "extra_body", "check"}
        if unknown := sorted(set(state) - known):
            raise InvalidRequestError(f"state has unknown fields: {', '.join(map(str, unknown))}")
        if not isinstance(state.get("model_id"), str):
            raise InvalidRequestError("state has no model_id: this is not the state of a chat model")
        row = resolve.find_provider(provider, str(state.get("model_id")))
        elsewhere = "base_url" in state and not catalogue.is_home(row, state["base_url"])
        if elsewhere and api_key is None and (row.key_required or catalogue.key_is_set(row)):
            raise MissingKeyError(
                f"the stored base_url is not {provider}'s own: pass api_key= to say which key may go there"
            )
        return cls._of_state(provider, state, api_key)

    @classmethod
    def _of_state(cls, provider: str, state: Mapping[str, Any], api_key: str | None = None) -> Self:
        timeout = state.get("timeout")
        return cls(
            f"{provider}/{state['model_id']}",
            api_key=api_key,
            base_url=state.get("base_url"),
            dialect=state.get("dialect"),
            timeout=None if timeout is None else Timeouts(**timeout),
            max_retries=state.get("max_retries", 2),
            extra_body=state.get("extra_body"),
            check=state.get("check", "error"),
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
        # Not `from_serialized`: a pickle is trusted, one from elsewhere could do worse than to name a base_url.
        return self._of_state, (self.provider, self.serialize()["state"])

    def __copy__(self) -> Self:
        return self.__deepcopy__({})

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


def _timeouts(given: Any) -> Timeouts:
    if isinstance(given, Timeouts):
        for name in Timeouts.__struct_fields__:
            if (seconds := getattr(given, name)) is not None:
                check_seconds(f"timeout.{name}", seconds)
        return given
    return Timeouts(total_s=check_seconds("timeout", given))


def _checked(check: preflight.Check) -> preflight.Check:
    if check not in ("error", "warn", "off"):
        raise InvalidRequestError(f'check must be "error", "warn" or "off", not {check!r}')
    return check


def _check_logprobs(parameters: Mapping[str, Any]) -> None:
    if "top_logprobs" in parameters and not parameters.get("logprobs"):
        raise InvalidRequestError("top_logprobs needs logprobs=True")
