"""From what a caller gives to a call that is ready: all that can be wrong is found here, before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Unpack

from msgspec import structs

from msgflux_like import dialects
from msgflux_like._http.deadline import Timeouts
from msgflux_like._http.retry import Retries
from msgflux_like._http.steps import Step
from msgflux_like._wire.secrets import ApiKey
from msgflux_like.calls import capabilities
from msgflux_like.calls.arguments import (
    change_error,
    check_changes,
    check_check,
    check_headers,
    check_logprobs,
    check_output_mode,
    check_parameters,
    check_retries,
    in_order,
)
from msgflux_like.calls.provider_model import ProviderModel, checked_timeouts, split_options
from msgflux_like.catalog.model_profile import Interleaved
from msgflux_like.errors import InvalidRequestError
from msgflux_like.messages.normalize import normalize
from msgflux_like.request import (
    CallOptions,
    Change,
    ChatRequest,
    Check,
    ConnectionOptions,
    Endpoint,
    HttpRequest,
    ModelOptions,
    OnChange,
    OutputMode,
    ReasoningControls,
    ToolChoice,
    to_http,
)
from msgflux_like.response.accumulator import ResponseAccumulator
from msgflux_like.response.metadata import CallMetadata
from msgflux_like.tools.schemas import check_tools

if TYPE_CHECKING:
    from msgflux_like.cache.slot import CacheSlot
    from msgflux_like.structured.typed_response import OutputSpec

_MODEL_KEYWORDS = (*ConnectionOptions.__annotations__, "check", "output_mode", "changes")
_CALL_KEYWORDS = ("stream", *CallOptions.__annotations__)


class PreparedCall(NamedTuple):
    """A call, ready to be sent."""

    request: ChatRequest
    http: HttpRequest
    steps: Generator[Step, Any, None]
    answer: ResponseAccumulator
    call_metadata: CallMetadata
    timeouts: Timeouts
    output_spec: OutputSpec | None = None  # the type of the answer, if one was asked for
    place: CacheSlot | None = None  # where a cache has the answer, or will have it


class RequestBuilder(ProviderModel):
    """The part of a chat model that makes requests of calls; `ChatCompletion` says what its arguments are."""

    STORED = ("check", "output_mode", "changes")

    def __init__(
        self,
        path: str,
        *,
        check: Check = "error",
        output_mode: OutputMode | None = None,
        changes: OnChange = "record",
        **options: Unpack[ModelOptions],
    ) -> None:
        served, parameters = split_options(options)
        super().__init__(path, check_parameters(parameters, _MODEL_KEYWORDS), **served)
        self._family = dialects.state_family(self._dialect, self.provider.removesuffix("-responses"), self.model_id)
        self._check: Check = check_check(check)
        self._output_mode: OutputMode | None = check_output_mode(output_mode)
        self._refuses_changes = check_changes(changes) == "refuse"
        check_logprobs(self._parameters)

    def _prepare(
        self,
        messages: Any,
        *,
        stream: bool,
        serve: bool = True,
        api_key: ApiKey | None = None,
        base_url: str | None = None,
        stream_to: Any = None,
        timeout: float | Timeouts | None = None,
        max_retries: int | None = None,
        check: Check | None = None,
        changes: OnChange | None = None,
        output_retries: int = 0,  # noqa: ARG002  was looked at before
        use_cache: bool | None = None,
        **asked_for: Any,
    ) -> PreparedCall:
        """Normalize, check, encode: all that can be wrong is found here, before anything is sent."""
        if stream_to is not None and not stream:
            raise InvalidRequestError("stream_to needs stream=True: a whole answer is not pushed")
        endpoint, model_id = self._served(base_url) if self._row.embedded and serve else (self._endpoint, self.model_id)
        if api_key is not None or base_url is not None:
            endpoint = self._elsewhere(endpoint, api_key, base_url)
        request, output_spec, unasked = self._request(messages, model_id, endpoint, stream=stream, **asked_for)
        translated: tuple[Change, ...] = ()
        if "reasoning_effort" in request.parameters or "reasoning_budget" in request.parameters:
            request, translated = self._reasoning(request, check)
        encoded = self._dialect.encode(request, endpoint.quirks)
        changed = (*translated, *encoded.changes)
        if output_spec is not None:
            changed = (*output_spec.changes(), *(change for change in changed if change.field != unasked))
        refuses = self._refuses_changes if changes is None else check_changes(changes) == "refuse"
        if changed and refuses:
            raise change_error(changed)
        http = to_http(encoded, request, endpoint)
        warnings = self._against_profile(request, len(http.body), check)
        again = self._retries if max_retries is None else Retries(check_retries(max_retries))
        if refuses:
            again = Retries(0)  # another request than the one that was asked for
        place = None
        if self._response_cache is not None or use_cache is not None:
            place = self._place(http, encoded.prefill, output_spec, asked_for.get("generation_schema"), use_cache)
        steps = self._exchange(http, again, base_url)
        call_metadata = (
            self.provider,
            self.model_id,
            self.profile,
            changed,
            warnings,
            self._family,
            self._reasoning_field,
        )
        return PreparedCall(
            request,
            http,
            steps if place is None else place.streamed(steps) if stream else place.whole(steps),
            ResponseAccumulator(encoded.prefill) if output_spec is None else output_spec.answer(encoded.prefill),
            CallMetadata(*call_metadata),
            self._timeouts if timeout is None else checked_timeouts(timeout),
            output_spec,
            place,
        )

    def _request(
        self,
        messages: Any,
        model_id: str,
        endpoint: Endpoint,
        *,
        stream: bool,
        system_prompt: str | None = None,
        prefilling: str | None = None,
        tool_schemas: Sequence[Mapping[str, Any] | Callable[..., Any]] | None = None,
        tool_choice: ToolChoice | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        generation_schema: Any = None,
        typed_parser: str | None = None,
        output_mode: OutputMode | None = None,
        validation: Literal["strict", "lax"] = "strict",
        **sampling: Any,
    ) -> tuple[ChatRequest, OutputSpec | None, str]:
        """The call as one value, the type it asks for, and the name of a parameter that nobody asked for."""
        tools = check_tools(tool_schemas, tool_choice) if tool_schemas or tool_choice is not None else ()
        output_spec, unasked = None, ""
        if generation_schema is not None or typed_parser is not None or output_mode is not None:
            if prefilling:
                raise InvalidRequestError("prefilling does not go with generation_schema: the answer begins as it says")
            output_spec = self._output_spec(
                generation_schema,
                typed_parser,
                output_mode or (None if typed_parser else self._output_mode),
                validation,
                endpoint,
                beside_tools=bool(tools),
                reasons=_reasons({**self._parameters, **sampling}),
            )
            system_prompt = output_spec.prompt(system_prompt)
            if output_spec.output_mode == "tool" and not tools and "parallel_tool_calls" not in endpoint.quirks.refuses:
                unasked = "" if "parallel_tool_calls" in sampling else "parallel_tool_calls"
                sampling = {"parallel_tool_calls": False, **sampling}  # one answer
            tools, tool_choice = output_spec.tools(tools, tool_choice)
        parameters, headers = self._parameters, self._extra_headers
        if sampling or "parallel_tool_calls" in parameters:
            parameters = self._sampling(sampling, has_tools=bool(tools))
        if extra_headers:
            headers = {**headers, **check_headers(extra_headers)}
        request = ChatRequest(
            model=model_id,
            messages=normalize(messages, system_prompt),
            prompted=system_prompt is not None,
            parameters=parameters,
            tools=tools,
            tool_choice=tool_choice,
            prefill=prefilling,
            stream=stream,
            extra_body={**self._extra_body, **extra_body} if extra_body else self._extra_body,
            extra_headers=headers,
            output_limit=self.profile.limits.output if self.profile else None,
            answer_schema=output_spec.schema() if output_spec is not None else None,
            family=self._family,
            reasoning_field=self._reasoning_field,
            reasoning_controls=self._reasoning_controls,
        )
        return request, output_spec, unasked

    def _place(
        self, http: HttpRequest, prefill: str, output_spec: OutputSpec | None, asked_for: Any, use_cache: bool | None
    ) -> CacheSlot | None:
        """Where a cache has the answer, or will have it; None for nowhere."""
        if use_cache not in (None, True, False) or (use_cache and self._response_cache is None):
            raise InvalidRequestError("use_cache is True or False, and True only for a model with a cache")
        if self._response_cache is None or use_cache is False:
            return None
        cache_policy = self._cache_policy
        facts = self._facts()
        if self._row.embedded:
            http, seen = cache_policy.server_facts(http, self._row.embedded)
            facts |= seen
        return cache_policy.cache_slot(
            self._response_cache,
            http,
            self.provider,
            self.model_id,
            facts=facts,
            prefill=prefill,
            output_spec=output_spec,
            asked_for=asked_for,
        )

    def _output_spec(
        self,
        generation_schema: Any,
        typed_parser: str | None,
        output_mode: OutputMode | None,
        validation: Literal["strict", "lax"],
        endpoint: Endpoint,
        *,
        beside_tools: bool,
        reasons: bool,
    ) -> OutputSpec:
        """How an answer of that type is asked for here."""
        from msgflux_like.structured import modes  # noqa: PLC0415  for those who want it

        return modes.output_spec(
            generation_schema,
            typed_parser,
            output_mode,
            validation,
            dialect=self._row.dialect,
            quirks=endpoint.quirks,
            profile=self.profile,
            beside_tools=beside_tools,
            reasons=reasons,
        )

    def _reasoning(self, request: ChatRequest, check: Check | None) -> tuple[ChatRequest, tuple[Change, ...]]:
        """The request with the reasoning parameters that the model knows, and what was changed for it."""
        from msgflux_like.dialects._shared import reasoning  # noqa: PLC0415  for those who steer it

        clamps = (check or self._check) == "warn"
        told, changes = reasoning.translate(
            request.parameters, request.reasoning_controls, request.output_limit, clamps=clamps
        )
        return structs.replace(request, parameters=told), changes

    def _against_profile(self, request: ChatRequest, body_bytes: int, check: Check | None) -> tuple[str, ...]:
        """CapabilityError, or the warnings for the response."""
        check = self._check if check is None else check_check(check)
        if self._abilities is None or self.profile is None or check == "off":
            return ()
        found = self._abilities.problems(request, body_bytes)
        if found and check == "error":
            raise capabilities.refusal(found, request, self.profile)
        return (*self._abilities.warnings, *found)

    def _sampling(self, given: Mapping[str, Any], *, has_tools: bool) -> Mapping[str, Any]:
        """The parameters of this call: the model's, and over them the call's."""
        parameters = self._parameters
        if given:
            parameters = in_order({**parameters, **check_parameters(given, _CALL_KEYWORDS)})
            check_logprobs(parameters)
        if "parallel_tool_calls" in parameters and not has_tools:  # refused by providers where it says nothing
            parameters = {name: value for name, value in parameters.items() if name != "parallel_tool_calls"}
        return parameters

    def _state(self) -> dict[str, Any]:
        state = super()._state()
        if self._check != "error":
            state["check"] = self._check
        if self._output_mode is not None:
            state["output_mode"] = self._output_mode
        if self._refuses_changes:
            state["changes"] = "refuse"
        return state

    @cached_property
    def _cache_policy(self) -> Any:
        """A module, for models with a cache: to import it for every call would take as long as to look there."""
        from msgflux_like.calls import cache_policy  # noqa: PLC0415

        return cache_policy

    @cached_property
    def _reasoning_field(self) -> str:
        """Where the model wants the text of its earlier reasoning back; `reasoning_details` are no text.

        The field is one of OpenAI's chat format, as are all that the catalogue lists.
        """
        if self._row.dialect != "openai_chat":
            return ""
        interleaved = self.profile.interleaved if self.profile else None
        field = interleaved.field if isinstance(interleaved, Interleaved) else ""
        return "" if field == "reasoning_details" else field

    @cached_property
    def _reasoning_controls(self) -> ReasoningControls | None:
        from msgflux_like.dialects._shared import reasoning  # noqa: PLC0415  when a model is called, not when it is made

        return (
            reasoning.reasoning_controls_for(self.profile, self._row.dialect, self._endpoint.quirks)
            if self.profile
            else None
        )

    @cached_property
    def _abilities(self) -> capabilities.CapabilityCheck | None:
        return capabilities.CapabilityCheck(self.profile) if self.profile else None


def _reasons(parameters: Mapping[str, Any]) -> bool:
    """Whether the parameters ask the model to reason."""
    return parameters.get("reasoning_effort") not in (None, "none") or bool(parameters.get("reasoning_budget"))
