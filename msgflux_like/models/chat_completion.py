"""A chat model: one call, from anything accepted as messages to an answer. Read this file first."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from msgflux_like._concurrency.threads import to_thread
from msgflux_like._http.drivers import AsyncDriver, Driver
from msgflux_like.calls.arguments import check_output_retries
from msgflux_like.calls.build import PreparedCall, RequestBuilder
from msgflux_like.errors import APIError, NotFoundError, OutputParsingError
from msgflux_like.events import Event
from msgflux_like.request import CallOptions
from msgflux_like.response.metadata import CallMetadata
from msgflux_like.response.response import ModelResponse
from msgflux_like.response.stream import ModelStreamResponse

if TYPE_CHECKING:
    from msgflux_like.calls.plan import CallPlan


class ChatCompletion(RequestBuilder):
    """One chat model of one provider. Stateless, and safe to call from any mix of threads and event loops.

    Args:
        path: `provider/model`, split at the first slash.
        check: What to do when the catalogue says that the model cannot take a request: "error" raises a
            CapabilityError, "warn" sends it and says so in `response.warnings`, "off" does not look.
        output_mode: How a `generation_schema` is enforced: by the provider ("native"), by a forced tool ("tool"),
            or by asking for it ("prompted"); else the first of them that the model can do.
        changes: What to do about a request that cannot be sent exactly as asked: "record" sends what can be sent and
            lists the rest in `response.changes`, "refuse" raises a ChangeError that lists it.
        options: See `ModelOptions` (key, base URL, time limits, ...) and `Parameters` (temperature, max_tokens, ...).

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

    model_type = "chat_completion"

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
            stream_to: With `stream=True`: who is told `StreamData`, and then `StreamFinish` or `StreamError`: a
                callable, or a `StreamHandler` (with acall an async callable, or an `AsyncStreamHandler`). The call
                returns when the first piece is there; a thread (a task) reads the rest. An `APIError` is not raised
                by the call: it is sent as `StreamError`, and raised by `wait` and `result`.
            tool_schemas: Tools the model may call: OpenAI-style schemas, or plain functions.
            tool_choice: "auto", "required", "none", a tool's name, or a dict in the dialect's own form.
            api_key: Another key than the model's, for this call.
            base_url: Another place than the model's, for this call.
            timeout: As for the model, for this call.
            max_retries: As for the model, for this call.
            extra_body: As for the model, added to it.
            extra_headers: As for the model, added to them.
            check: As for the model, for this call.
            changes: As for the model, for this call.
            generation_schema: The type of the answer: a msgspec Struct, a dataclass, a pydantic model, a JSON schema
                and more. Then `consume()` gives a dict of it, and `parsed` the value itself.
            typed_parser: Name of a parser that reads an answer that is no JSON, such as "typed_xml".
            output_mode: As for the model, for this call.
            validation: "strict" (the default), or "lax", which reads "5" as a number where one is wanted.
            output_retries: How often to ask again, naming the problem, after an answer that does not fit the type.
            use_cache: False neither looks into the model's cache nor keeps the answer there.
            **call: The above, and `Parameters`, which beat the model's.

        Raises:
            InvalidRequestError: A ValueError: the call is wrong, nothing was sent.
            UnknownParameterError: A TypeError, with near names.
            APIError: The provider, or the way to it, failed.
            OutputParsingError: The answer is not of the type that was asked for.
        """
        if call.get("output_retries"):
            return self._ask_until_valid(messages, stream=stream, **call)
        prepared = self._prepare(messages, stream=stream, **call)
        if prepared.place is not None and (found := prepared.place.find()) is not None:
            if not stream:
                prepared.answer.add(found)
                return _response(prepared)
            prepared = _replayed(prepared, found)
        drive = Driver(prepared.steps, self._transport, prepared.timeouts)
        try:
            if stream:
                if call.get("stream_to") is not None:
                    return self._pushed(drive, prepared, call)
                return _stream(drive, next(drive), prepared)
            while batch := next(drive, None):
                prepared.answer.add(batch)
        except APIError as error:
            self._complete_error(error, prepared)
            raise
        return _response(prepared)

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
        if call.get("output_retries"):
            return await self._aask_until_valid(messages, stream=stream, **call)
        if self._row.embedded:
            # It may take as long as a model takes to load; then it is known.
            await to_thread(partial(self._served, call.get("base_url")))
        prepared = self._prepare(messages, stream=stream, **call)
        if prepared.place is not None and (found := await prepared.place.afind()) is not None:
            if not stream:
                prepared.answer.add(found)
                return _response(prepared)
            prepared = _replayed(prepared, found)
        drive = AsyncDriver(prepared.steps, self._transport, prepared.timeouts)
        try:
            if stream:
                if call.get("stream_to") is not None:
                    return await self._apushed(drive, prepared, call)
                return _stream(drive, await anext(drive), prepared)
            async for batch in drive:
                prepared.answer.add(batch)
        except APIError as error:
            self._complete_error(error, prepared)
            raise
        return _response(prepared)

    def plan(self, messages: Any, *, stream: bool = False, **call: Unpack[CallOptions]) -> CallPlan:
        """What a call with these arguments would send and what it may cost, without sending it; see `CallPlan`.

        Raises what the call would raise before it sends.
        """
        from msgflux_like.calls.estimate import estimate_of  # noqa: PLC0415
        from msgflux_like.calls.plan import plan_of  # noqa: PLC0415  for those who want it

        prepared = self._prepare(messages, stream=stream, serve=False, **call)
        call_metadata = prepared.call_metadata
        key = prepared.place.find_key() if prepared.place is not None else None
        cost = estimate_of(prepared.request, call_metadata.profile)
        return plan_of(prepared.http, call_metadata.changes, call_metadata.warnings, cost, key.hex() if key else None)

    def _ask_until_valid(self, messages: Any, *, output_retries: int, stream: bool, **call: Any) -> ModelResponse:
        """Ask, and ask again while the answer is not of the type and there are attempts left."""
        from msgflux_like.structured.output_retries import OutputRetries  # noqa: PLC0415  for those who want it

        check_output_retries(call, stream=stream)
        asking = OutputRetries(messages, output_retries)
        while True:
            try:
                return asking.answered(self(asking.messages, stream=False, **call))
            except OutputParsingError as error:
                asking.failed(error)

    async def _aask_until_valid(
        self, messages: Any, *, output_retries: int, stream: bool, **call: Any
    ) -> ModelResponse:
        from msgflux_like.structured.output_retries import OutputRetries  # noqa: PLC0415  for those who want it

        check_output_retries(call, stream=stream)
        asking = OutputRetries(messages, output_retries)
        while True:
            try:
                return asking.answered(await self.acall(asking.messages, stream=False, **call))
            except OutputParsingError as error:
                asking.failed(error)

    def _pushed(self, drive: Driver, prepared: PreparedCall, call: CallOptions) -> ModelStreamResponse:
        from msgflux_like.streaming.push import Opened, maker_of, push  # noqa: PLC0415  for those who want it

        def opened() -> Opened:
            try:
                stream = _stream(drive, next(drive), prepared)
            except APIError as error:
                stream = self._failed_stream(drive, prepared, error)
            return stream, maker_of(self.model_type, self.model_id)

        return push(call.get("stream_to"), opened)

    async def _apushed(self, drive: AsyncDriver, prepared: PreparedCall, call: CallOptions) -> ModelStreamResponse:
        from msgflux_like.streaming.push import Opened, apush, maker_of  # noqa: PLC0415  for those who want it

        async def opened() -> Opened:
            try:
                stream = _stream(drive, await anext(drive), prepared)
            except APIError as error:
                stream = self._failed_stream(drive, prepared, error)
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


def _about(prepared: PreparedCall) -> CallMetadata:
    cached = prepared.place is not None and prepared.place.cached
    return prepared.call_metadata._replace(cached=True) if cached else prepared.call_metadata


def _replayed(prepared: PreparedCall, found: list[Event]) -> PreparedCall:
    from msgflux_like.calls.cache_policy import replayed  # noqa: PLC0415  imported already

    return prepared._replace(steps=replayed(found))


def _response(prepared: PreparedCall, *, check: bool = True) -> ModelResponse:
    if prepared.output_spec is None:
        return ModelResponse(prepared.answer, _about(prepared))
    from msgflux_like.structured.typed_response import StructuredResponse  # noqa: PLC0415  typed answers only

    return StructuredResponse(prepared.answer, _about(prepared), prepared.output_spec, check=check)


def _stream(drive: Driver | AsyncDriver, first: list[Event], prepared: PreparedCall) -> ModelStreamResponse:
    if prepared.output_spec is None:
        return ModelStreamResponse(drive, first, prepared.answer, _about(prepared))
    from msgflux_like.structured.typed_response import StructuredStream  # noqa: PLC0415  typed answers only

    return StructuredStream(drive, first, prepared.answer, _about(prepared), prepared.output_spec)
