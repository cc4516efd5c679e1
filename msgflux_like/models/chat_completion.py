"""Chat models: one call, from messages to an answer. Read this file first."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from msgflux_like._concurrency.threads import to_thread
from msgflux_like._http.drivers import AsyncDriver, Driver
from msgflux_like.calls.arguments import check_output_retries
from msgflux_like.calls.build import PreparedCall, RequestBuilder
from msgflux_like.calls.options import CallOptions, UntypedCallOptions
from msgflux_like.errors import APIError, NotFoundError, OutputParsingError
from msgflux_like.events import Event
from msgflux_like.response.metadata import CallMetadata
from msgflux_like.response.response import ModelResponse, T
from msgflux_like.response.stream import ModelStreamResponse

if TYPE_CHECKING:
    from msgflux_like.calls.plan import CallPlan


class ChatCompletion(RequestBuilder):
    """A chat model of one provider. Stateless, and safe to call from any mix of threads and event loops.

    Args:
        path: `provider/model`, split at the first slash.
        **options: `ModelOptions`; `Model.chat_completion` lists them.

    Raises:
        UnknownProviderError: If no such provider exists; the message suggests similar names.
        MissingKeyError: If the provider needs a key and none is set; the message names the variables.
        InvalidRequestError: If an option has the wrong type or is out of range.
        UnknownParameterError: If there is no option of that name; the message suggests the one that was meant.

    Example:
        >>> import msgflux_like as mf
        >>> model = mf.Model.chat_completion("openai/gpt-4o", api_key="sk-...", temperature=0)
        >>> model.get_model_info()
        {'model_id': 'gpt-4o', 'provider': 'openai'}
    """

    model_type = "chat_completion"

    # ---- calling

    @overload
    def __call__(
        self,
        messages: Any,
        *,
        generation_schema: type[T],
        stream: Literal[False] = False,
        **call: Unpack[UntypedCallOptions],
    ) -> ModelResponse[T]: ...
    @overload
    def __call__(
        self,
        messages: Any,
        *,
        generation_schema: type[T],
        stream: Literal[True],
        **call: Unpack[UntypedCallOptions],
    ) -> ModelStreamResponse[T]: ...
    @overload
    def __call__(
        self,
        messages: Any,
        *,
        stream: Literal[False] = False,
        **call: Unpack[CallOptions],
    ) -> ModelResponse: ...
    @overload
    def __call__(self, messages: Any, *, stream: Literal[True], **call: Unpack[CallOptions]) -> ModelStreamResponse: ...
    @overload
    def __call__(
        self,
        messages: Any,
        *,
        stream: bool,
        **call: Unpack[CallOptions],
    ) -> ModelResponse | ModelStreamResponse: ...
    def __call__(
        self,
        messages: Any,
        *,
        stream: bool = False,
        **call: Unpack[CallOptions],
    ) -> ModelResponse | ModelStreamResponse:
        """Ask the model.

        Args:
            messages: A string, ChatML messages, `ChatBlock`s, a `ChatML` history, or a mix of strings and messages.
            stream: Whether to return the answer piece by piece; the call returns when the first piece is there.
            system_prompt (str): Instructions, placed where the provider expects them.
            prefilling (str): Beginning of the answer, for the models that continue it.
            stream_to (callable or StreamHandler): With `stream=True`: receives `StreamData`, then `StreamFinish` or
                `StreamError`. With `acall`, an async callable or an `AsyncStreamHandler`. The call returns when the
                first piece is there; a thread (with `acall`, a task) reads the rest. An `APIError` is not raised by the
                call: it is delivered as `StreamError`, and raised by `wait` and `result`.
            tool_schemas (list): Tools the model may call: functions, or schemas in OpenAI's form.
            tool_choice (str or dict): "auto", "required", "none", the name of a tool, or a dict in the dialect's form.
            generation_schema (type or dict): Type of the answer: a msgspec Struct, a dataclass, a pydantic model, a
                JSON schema and more. `consume()` then returns a dict of it, and `parsed` the value itself.
            typed_parser (str): Name of a parser of answers that are not JSON, such as "typed_xml".
            output_mode (str): How an answer is held to its type: "native", "tool" or "prompted".
            validation (str): "strict" (default); or "lax", which reads "5" as a number where one is expected.
            output_retries (int): Number of times to ask again, naming the problem, after an answer that does not fit
                the type; at least 0, default 0.
            use_cache (bool): False bypasses the model's cache, for reading and for writing.
            api_key, base_url, timeout (seconds), max_retries, check, changes: Replace those of the model for this call.
            extra_body, extra_headers: Added to those of the model.
            temperature, max_tokens, top_p, top_k, stop, presence_penalty, frequency_penalty, seed, user, logprobs,
                top_logprobs, parallel_tool_calls, reasoning_effort, reasoning_budget: Replace those of the model for
                this call; `Model.chat_completion` has their ranges.

        Returns:
            The answer; with `stream=True`, a stream of it.

        Raises:
            InvalidRequestError: A ValueError: the call is wrong, nothing was sent.
            UnknownParameterError: A TypeError: there is no argument of that name.
            APIError: The provider returned an error, or could not be reached.
            OutputParsingError: The answer does not fit the type.

        Example:
            >>> from msgflux_like.testing import FakeModel
            >>> FakeModel("Paris.")("What is the capital of France?", temperature=0).consume()
            'Paris.'
        """
        if call.get("output_retries"):
            return self._ask_until_valid(messages, stream=stream, **call)
        prepared = self._prepare(messages, stream=stream, **call)
        if prepared.cache_slot is not None and (found := prepared.cache_slot.find()) is not None:
            if not stream:
                prepared.answer.add(found)
                return _response(prepared)
            prepared = _from_cache(prepared, found)
        driver = Driver(prepared.steps, self._transport, prepared.timeouts)
        try:
            if stream:
                if call.get("stream_to") is not None:
                    return self._push(driver, prepared, call)
                return _stream(driver, next(driver), prepared)
            while batch := next(driver, None):
                prepared.answer.add(batch)
        except APIError as error:
            self._complete_error(error, prepared)
            raise
        return _response(prepared)

    @overload
    async def acall(
        self,
        messages: Any,
        *,
        generation_schema: type[T],
        stream: Literal[False] = False,
        **call: Unpack[UntypedCallOptions],
    ) -> ModelResponse[T]: ...
    @overload
    async def acall(
        self,
        messages: Any,
        *,
        generation_schema: type[T],
        stream: Literal[True],
        **call: Unpack[UntypedCallOptions],
    ) -> ModelStreamResponse[T]: ...
    @overload
    async def acall(
        self,
        messages: Any,
        *,
        stream: Literal[False] = False,
        **call: Unpack[CallOptions],
    ) -> ModelResponse: ...
    @overload
    async def acall(
        self,
        messages: Any,
        *,
        stream: Literal[True],
        **call: Unpack[CallOptions],
    ) -> ModelStreamResponse: ...
    @overload
    async def acall(
        self,
        messages: Any,
        *,
        stream: bool,
        **call: Unpack[CallOptions],
    ) -> ModelResponse | ModelStreamResponse: ...
    async def acall(
        self,
        messages: Any,
        *,
        stream: bool = False,
        **call: Unpack[CallOptions],
    ) -> ModelResponse | ModelStreamResponse:
        """Async counterpart of calling the model: same arguments, same results, no thread."""
        if call.get("output_retries"):
            return await self._aask_until_valid(messages, stream=stream, **call)
        if self._row.embedded:
            # Loading a model blocks; its address is known afterwards.
            await to_thread(partial(self._serve, call.get("base_url")))
        prepared = self._prepare(messages, stream=stream, **call)
        if prepared.cache_slot is not None and (found := await prepared.cache_slot.afind()) is not None:
            if not stream:
                prepared.answer.add(found)
                return _response(prepared)
            prepared = _from_cache(prepared, found)
        driver = AsyncDriver(prepared.steps, self._transport, prepared.timeouts)
        try:
            if stream:
                if call.get("stream_to") is not None:
                    return await self._apush(driver, prepared, call)
                return _stream(driver, await anext(driver), prepared)
            async for batch in driver:
                prepared.answer.add(batch)
        except APIError as error:
            self._complete_error(error, prepared)
            raise
        return _response(prepared)

    def plan(self, messages: Any, *, stream: bool = False, **call: Unpack[CallOptions]) -> CallPlan:
        """Return what a call with these arguments would send, and what it may cost. Nothing is sent.

        Args:
            messages: As for a call.
            stream: As for a call.
            **call: As for a call.

        Raises:
            InvalidRequestError: If the call is wrong.
            UnknownParameterError: If there is no argument of that name.

        Example:
            >>> import msgflux_like as mf
            >>> model = mf.Model.chat_completion("openai/gpt-4o", api_key="sk-...")
            >>> model.plan("Hello", max_tokens=10).body["max_completion_tokens"]
            10
        """
        from msgflux_like.calls.estimate import estimate_of  # noqa: PLC0415
        from msgflux_like.calls.plan import plan_of  # noqa: PLC0415  needed only here

        prepared = self._prepare(messages, stream=stream, serve=False, **call)
        call_metadata = prepared.call_metadata
        key = prepared.cache_slot.find_key() if prepared.cache_slot is not None else None
        cost = estimate_of(prepared.request, call_metadata.profile)
        return plan_of(prepared.http, call_metadata.changes, call_metadata.warnings, cost, key.hex() if key else None)

    def _ask_until_valid(self, messages: Any, *, stream: bool, **call: Any) -> ModelResponse:
        """Ask, and ask again while the answer does not fit the type and retries are left."""
        from msgflux_like.structured.output_retries import OutputRetries  # noqa: PLC0415  needed only here

        retries = check_output_retries(call, stream=stream)
        del call["output_retries"]
        asking = OutputRetries(messages, retries)
        while True:
            try:
                response: Any = self(asking.messages, stream=False, **call)
                return asking.answered(response)
            except OutputParsingError as error:
                asking.failed(error)

    async def _aask_until_valid(self, messages: Any, *, stream: bool, **call: Any) -> ModelResponse:
        """Async counterpart of `_ask_until_valid`."""
        from msgflux_like.structured.output_retries import OutputRetries  # noqa: PLC0415  needed only here

        retries = check_output_retries(call, stream=stream)
        del call["output_retries"]
        asking = OutputRetries(messages, retries)
        while True:
            try:
                response: Any = await self.acall(asking.messages, stream=False, **call)
                return asking.answered(response)
            except OutputParsingError as error:
                asking.failed(error)

    def _push(self, driver: Driver, prepared: PreparedCall, call: CallOptions) -> ModelStreamResponse:
        """Return the stream, which is read for `stream_to`."""
        from msgflux_like.streaming.push import Opened, maker_of, push  # noqa: PLC0415  needed only here

        def opened() -> Opened:
            try:
                stream = _stream(driver, next(driver), prepared)
            except APIError as error:
                stream = self._failed_stream(driver, prepared, error)
            return stream, maker_of(self.model_type, self.model_id)

        return push(call.get("stream_to"), opened)

    async def _apush(self, driver: AsyncDriver, prepared: PreparedCall, call: CallOptions) -> ModelStreamResponse:
        """Async counterpart of `_push`."""
        from msgflux_like.streaming.push import Opened, apush, maker_of  # noqa: PLC0415  needed only here

        async def opened() -> Opened:
            try:
                stream = _stream(driver, await anext(driver), prepared)
            except APIError as error:
                stream = self._failed_stream(driver, prepared, error)
            return stream, maker_of(self.model_type, self.model_id)

        return await apush(call.get("stream_to"), opened)

    def _failed_stream(
        self, drive: Driver | AsyncDriver, prepared: PreparedCall, error: APIError
    ) -> ModelStreamResponse:
        """Return the stream of a call that failed before its first piece; its receiver is sent the error."""
        self._complete_error(error, prepared)
        stream = _stream(drive, [], prepared)
        stream._fail(error)  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001  made here
        return stream

    def _complete_error(self, error: APIError, prepared: PreparedCall) -> None:
        """Add what only the model knows: a hint about its name, and the part of the answer that came with a failure."""
        if isinstance(error, NotFoundError):
            asked = error.hint
            error.hint = "; ".join(filter(None, (self._explained(error).hint, asked)))
        if error.partial_events:
            prepared.answer.add(error.partial_events)
            error.partial, error.partial_events = _response(prepared, check=False), ()


def _metadata_of(prepared: PreparedCall) -> CallMetadata:
    cached = prepared.cache_slot is not None and prepared.cache_slot.cached
    return prepared.call_metadata._replace(cached=True) if cached else prepared.call_metadata


def _from_cache(prepared: PreparedCall, found: list[Event]) -> PreparedCall:
    from msgflux_like.calls.cache_policy import replayed  # noqa: PLC0415  imported already

    return prepared._replace(steps=replayed(found))


def _response(prepared: PreparedCall, *, check: bool = True) -> ModelResponse:
    if prepared.output_spec is None:
        return ModelResponse(prepared.answer, _metadata_of(prepared))
    from msgflux_like.structured.typed_response import StructuredResponse  # noqa: PLC0415  typed answers only

    return StructuredResponse(prepared.answer, _metadata_of(prepared), prepared.output_spec, check=check)


def _stream(driver: Driver | AsyncDriver, first: list[Event], prepared: PreparedCall) -> ModelStreamResponse:
    if prepared.output_spec is None:
        return ModelStreamResponse(driver, first, prepared.answer, _metadata_of(prepared))
    from msgflux_like.structured.typed_response import StructuredStream  # noqa: PLC0415  typed answers only

    return StructuredStream(driver, first, prepared.answer, _metadata_of(prepared), prepared.output_spec)
