"""Validate the caller's arguments and build the request.

Every error that can be found before sending is raised here.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Unpack

from msgspec import structs

from msgflux_like import dialects
from msgflux_like._http.deadline import Timeouts
from msgflux_like._http.retry import Retries
from msgflux_like._http.steps import Step
from msgflux_like._validate import check_boolean
from msgflux_like.calls import capabilities, model_requests
from msgflux_like.calls.arguments import (
    CALL,
    MODEL,
    change_error,
    check_arguments,
    check_logprobs,
    check_use_cache,
    sampling_of,
)
from msgflux_like.calls.http_request import to_http
from msgflux_like.calls.options import CallOptions, Check, ModelOptions
from msgflux_like.calls.provider_model import ProviderModel, split_options
from msgflux_like.catalog.model_profile import Interleaved
from msgflux_like.errors import InvalidRequestError
from msgflux_like.messages.normalize import normalize
from msgflux_like.request import Change, ChatRequest, Endpoint, HttpRequest, OutputMode, ReasoningControls
from msgflux_like.response.accumulator import ResponseAccumulator
from msgflux_like.response.metadata import CallMetadata
from msgflux_like.tools.schemas import check_tools

if TYPE_CHECKING:
    from msgflux_like.cache.slot import CacheSlot
    from msgflux_like.structured.output_spec import OutputSpec


class PreparedCall(NamedTuple):
    """A call that is ready to be sent.

    Attributes:
        request: The call as one value.
        http: The HTTP request.
        steps: The exchange, for a driver.
        answer: The accumulator of the reply.
        call_metadata: Facts of the call, for the response.
        timeouts: Time limits.
        output_spec: The type of the answer, None for text.
        cache_slot: The answer's place in a cache, None without a cache.
    """

    request: ChatRequest
    http: HttpRequest
    steps: Generator[Step, Any, None]
    answer: ResponseAccumulator
    call_metadata: CallMetadata
    timeouts: Timeouts
    output_spec: OutputSpec | None = None
    cache_slot: CacheSlot | None = None


class RequestBuilder(ProviderModel):
    """Base of chat models: builds the requests of calls. `ChatCompletion` documents the arguments."""

    _STORED = ("check", "output_mode", "changes")

    def __init__(self, path: str, **options: Unpack[ModelOptions]) -> None:
        checked = check_arguments(options, MODEL)
        connection, parameters = split_options(checked)
        check_logprobs(parameters)
        super().__init__(path, parameters, **connection)
        facts = self._facts
        self._family = dialects.state_family(self._dialect, self.provider.removesuffix("-responses"), facts.model_id)
        self._base_id = facts.model_id if facts.model_id != self.model_id else ""
        self._adapts = facts.rules.changes_requests or (facts.is_opaque and self._row.dialect == "bedrock_converse")
        self._output_mode: OutputMode | None = checked.get("output_mode")

    def _prepare(self, messages: Any, *, stream: bool, serve: bool = True, **call: Unpack[CallOptions]) -> PreparedCall:
        """Check the arguments, normalize the messages and encode the request. Nothing is sent.

        With `serve=False`, a server on this machine is not started.
        """
        if stream is not True and stream is not False:
            check_boolean("stream", stream)
        checked: Any = check_arguments(call, CALL) if call else {}
        options: CallOptions = checked
        if "stream_to" in options and not stream:
            raise InvalidRequestError("stream_to needs stream=True: a whole answer is not pushed")
        endpoint, model_id = self._endpoint, self.model_id
        if "base_url" in options or "api_key" in options or self._row.embedded:
            endpoint, model_id = self._address(options, serve=serve)
        request, output_spec, implied = self._request(messages, model_id, endpoint, options, stream=stream)
        adapted: tuple[Change, ...] = ()
        translated: tuple[Change, ...] = ()
        if self._adapts:
            request, adapted = model_requests.adapt_request(request, self._facts)
        if "reasoning_effort" in request.parameters or "reasoning_budget" in request.parameters:
            request, translated = self._with_known_reasoning(request, options)
        encoded = self._dialect.encode(request, endpoint.quirks)
        changes = (*adapted, *translated, *encoded.changes)
        if output_spec is not None:
            changes = (*output_spec.changes(), *(change for change in changes if change.field != implied))
        refuses = options["changes"] == "refuse" if "changes" in options else self._refuses_changes
        if changes and refuses:
            raise change_error(changes)
        http = to_http(encoded, request, endpoint)
        warnings = self._check_capabilities(request, len(http.body), options.get("check", self._check))
        slot = None
        if self._response_cache is not None or "use_cache" in options:
            slot = self._cache_slot(http, encoded.prefill, output_spec, options)
        retries = self._retries_of(options, refuses=refuses) if "max_retries" in options or refuses else self._retries
        steps = self._exchange(http, retries, options.get("base_url"))
        return PreparedCall(
            request,
            http,
            steps if slot is None else slot.streamed(steps) if stream else slot.whole(steps),
            ResponseAccumulator(encoded.prefill) if output_spec is None else output_spec.answer(encoded.prefill),
            CallMetadata(
                self.provider, self.model_id, self.profile, changes, warnings, self._family, self._reasoning_field
            ),
            checked.get("timeout", self._timeouts),
            output_spec,
            slot,
        )

    def _address(self, options: CallOptions, *, serve: bool) -> tuple[Endpoint, str]:
        """Return where this call goes, and the model's name there."""
        base_url, api_key = options.get("base_url"), options.get("api_key")
        starts = self._row.embedded and serve
        endpoint, model_id = self._serve(base_url) if starts else (self._endpoint, self.model_id)
        if api_key is not None or base_url is not None:
            endpoint = self._redirected(endpoint, api_key, base_url)
        return endpoint, model_id

    def _retries_of(self, options: CallOptions, *, refuses: bool) -> Retries:
        """Return the retries of this call: none where a retry would send another request than the one asked for."""
        if refuses:
            return Retries(0)
        max_retries = options.get("max_retries")
        return self._retries if max_retries is None else Retries(max_retries)

    def _request(
        self, messages: Any, model_id: str, endpoint: Endpoint, options: CallOptions, *, stream: bool
    ) -> tuple[ChatRequest, OutputSpec | None, str]:
        """Return the call as one value, the type it asks for, and the name of a parameter that this type implies."""
        schemas, tool_choice = options.get("tool_schemas"), options.get("tool_choice")
        tools = check_tools(schemas, tool_choice) if schemas or tool_choice is not None else ()
        system_prompt = options.get("system_prompt")
        sampling = sampling_of(options) if options else {}
        output_spec, implied = None, ""
        if options:
            output_spec = self._typed_output(options, endpoint, sampling, beside_tools=bool(tools))
        if output_spec is not None:
            system_prompt = output_spec.prompt(system_prompt)
            if _wants_one_call(output_spec, endpoint) and not tools and "parallel_tool_calls" not in sampling:
                implied = "parallel_tool_calls"
                sampling[implied] = False
            tools, tool_choice = output_spec.tools(tools, tool_choice)
        extra_body, extra_headers = options.get("extra_body"), options.get("extra_headers")
        parameters = self._parameters
        if sampling or "parallel_tool_calls" in parameters:
            parameters = self._parameters_with(sampling, has_tools=bool(tools))
        request = ChatRequest(
            model=model_id,
            messages=normalize(messages, system_prompt),
            prompted=system_prompt is not None,
            parameters=parameters,
            tools=tools,
            tool_choice=tool_choice,
            prefill=options.get("prefilling"),
            stream=stream,
            extra_body={**self._extra_body, **extra_body} if extra_body else self._extra_body,
            extra_headers={**self._extra_headers, **extra_headers} if extra_headers else self._extra_headers,
            output_limit=self.profile.limits.output if self.profile else None,
            answer_schema=output_spec.schema() if output_spec is not None else None,
            family=self._family,
            reasoning_field=self._reasoning_field,
            reasoning_controls=self._reasoning_controls,
            base_model=self._base_id,
        )
        return request, output_spec, implied

    def _typed_output(
        self, options: CallOptions, endpoint: Endpoint, sampling: Mapping[str, Any], *, beside_tools: bool
    ) -> OutputSpec | None:
        """Return how the type of the answer is asked for; None for a call without a type."""
        typed_parser, output_mode = options.get("typed_parser"), options.get("output_mode")
        schema = options.get("generation_schema")
        if schema is None and typed_parser is None and output_mode is None:
            return None
        if options.get("prefilling"):
            raise InvalidRequestError("prefilling cannot be used with generation_schema: its type begins the answer")
        return self._output_spec(
            schema,
            typed_parser,
            output_mode or (None if typed_parser else self._output_mode),
            options.get("validation") or "strict",
            endpoint,
            beside_tools=beside_tools,
            reasons=_reasons({**self._parameters, **sampling}),
        )

    def _cache_slot(
        self, http: HttpRequest, prefill: str, output_spec: OutputSpec | None, options: CallOptions
    ) -> CacheSlot | None:
        """Return the answer's place in the model's cache; None for a call without a cache."""
        cache = self._response_cache
        if not check_use_cache(options.get("use_cache"), has_cache=cache is not None) or cache is None:
            return None
        cache_policy = self._cache_policy
        facts = self._cache_facts()
        if self._row.embedded:
            http, server = cache_policy.server_facts(http, self._row.embedded)
            facts |= server
        return cache_policy.cache_slot(
            cache,
            http,
            self.provider,
            self.model_id,
            facts=facts,
            prefill=prefill,
            output_spec=output_spec,
            schema=options.get("generation_schema"),
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
        """Return how an answer of that type is asked for."""
        from msgflux_like.structured import modes  # noqa: PLC0415  only for typed answers

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

    def _with_known_reasoning(
        self, request: ChatRequest, options: CallOptions
    ) -> tuple[ChatRequest, tuple[Change, ...]]:
        """Return the request with the reasoning parameters that the model knows, and what was changed for that."""
        from msgflux_like.dialects._shared import reasoning  # noqa: PLC0415  only for calls that control reasoning

        clamps = options.get("check", self._check) == "warn"
        parameters, changes = reasoning.translate(
            request.parameters, request.reasoning_controls, request.output_limit, clamps=clamps
        )
        return structs.replace(request, parameters=parameters), changes

    def _check_capabilities(self, request: ChatRequest, body_bytes: int, check: Check | None) -> tuple[str, ...]:
        """Return the warnings for the response. CapabilityError where `check` is "error"."""
        if self._capabilities is None or self.profile is None or check == "off":
            return ()
        confirmed, hints = self._capabilities.problems(request, body_bytes)
        if confirmed and check == "error":
            raise capabilities.refusal(confirmed, request, self.profile)
        return (*self._capabilities.warnings, *confirmed, *hints)

    def _parameters_with(self, sampling: Mapping[str, Any], *, has_tools: bool) -> Mapping[str, Any]:
        """Return the parameters of this call: those of the model, overridden by `sampling`."""
        parameters = self._parameters
        if sampling:
            parameters = sampling_of({**parameters, **sampling})
            check_logprobs(parameters)
        if "parallel_tool_calls" in parameters and not has_tools:  # providers refuse it without tools
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
        """The module of cached answers. Importing it in every call would take as long as the look-up."""
        from msgflux_like.calls import cache_policy  # noqa: PLC0415

        return cache_policy

    @cached_property
    def _reasoning_field(self) -> str:
        """The field in which the model expects the text of its earlier reasoning, in OpenAI's chat format.

        It is empty for `reasoning_details`, which are not text.
        """
        if self._row.dialect != "openai_chat":
            return ""
        interleaved = self.profile.interleaved if self.profile else None
        field = interleaved.field if isinstance(interleaved, Interleaved) else ""
        return "" if field == "reasoning_details" else field

    @cached_property
    def _reasoning_controls(self) -> ReasoningControls | None:
        """The ways to control reasoning; None where the catalogue does not have the model."""
        from msgflux_like.dialects._shared import reasoning  # noqa: PLC0415  needed by calls, not by the constructor

        quirks = self._endpoint.quirks
        return reasoning.reasoning_controls_for(self.profile, self._row.dialect, quirks) if self.profile else None

    @cached_property
    def _capabilities(self) -> capabilities.CapabilityCheck | None:
        return capabilities.CapabilityCheck(self.profile, self._facts.rules) if self.profile else None


def _wants_one_call(output_spec: OutputSpec, endpoint: Endpoint) -> bool:
    """Return whether the answer comes as the only call of a forced tool, and the provider can be told so."""
    return output_spec.output_mode == "tool" and "parallel_tool_calls" not in endpoint.quirks.refuses


def _reasons(parameters: Mapping[str, Any]) -> bool:
    """Return whether the parameters ask the model to reason."""
    return parameters.get("reasoning_effort") not in (None, "none") or bool(parameters.get("reasoning_budget"))
