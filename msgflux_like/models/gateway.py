"""Fallback over several models: the next one is asked where one fails, and the response records the attempts."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Literal, Unpack, cast, overload

from msgflux_like._context import ClosesOnExit
from msgflux_like._validate import check_boolean, check_mapping
from msgflux_like._wire.secrets import ApiKey
from msgflux_like.calls.arguments import GATEWAY, GATEWAY_CALL, check_arguments
from msgflux_like.calls.options import CallOptions, UntypedCallOptions
from msgflux_like.errors import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AuthenticationError,
    ChangeError,
    GatewayError,
    InvalidRequestError,
    RateLimitError,
    ServerError,
    UnsupportedError,
)
from msgflux_like.models import Model
from msgflux_like.models.chat_completion import ChatCompletion
from msgflux_like.models.gateway_arguments import (
    Order,
    checked_errors,
    checked_keys,
    checked_models,
    checked_weights,
    error_of,
    models_of,
    name_of,
)
from msgflux_like.response.metadata import RouteAttempt
from msgflux_like.response.response import ModelResponse, T
from msgflux_like.response.stream import ModelStreamResponse

if TYPE_CHECKING:
    from msgflux_like.streaming.push import Opened

# Errors about the model and not about the request: it cools down, and others are asked first.
_TRANSIENT: Final = (APIConnectionError, APITimeoutError, AuthenticationError, RateLimitError, ServerError)
# Errors about what one model does not support and another one may.
_UNSUPPORTED: Final = (UnsupportedError, ChangeError)
_ON: Final = (APIError,)
# Options of one provider, which must not be sent to another one.
_OF_ONE_PROVIDER: Final = ("api_key", "base_url")


class _Entry:
    """A model with one key, and the time until which it cools down."""

    def __init__(self, model: ChatCompletion, weight: float) -> None:
        self.model = model
        self.weight = weight
        self.path = f"{model.provider}/{model.model_id}"
        self.cools_until_s = 0.0  # on the gateway's clock


_Steps = Generator[_Entry, Any, tuple[Any, _Entry]]


class ModelGateway(ClosesOnExit):
    """Asks one of several models, and the next one when that fails.

    Args:
        models: Chat models or their paths, the preferred one first.
        order: Which model is asked first: as "given" (default); by "price" (the cheapest for an equal share of input
            and output), by "context" (the longest) or by "weight" (at random, in proportion to `weights`).
        weights: A number above 0 for each model, for `order="weight"`.
        keys: Several keys for a provider, by its name: its models are asked with each in turn, and with the next one
            when a request fails.
        on: Errors of a model after which the next one is asked; default APIError. UnsupportedError, and ChangeError
            with `changes="refuse"`, are always among them. Mistakes of the caller are raised at once.
        cool_down_s: How long a model that failed is asked last, in seconds, unless its provider says how long; at
            least 0, default 60.
        clock: Monotonic clock in seconds, for tests; default `time.monotonic`.

    Raises:
        InvalidRequestError: If there is no model, an argument is wrong, or there are keys for a provider without model.

    Example:
        >>> import msgflux_like as mf
        >>> gateway = mf.ModelGateway([
        ...     mf.Model.chat_completion("openai/gpt-4o", api_key="sk-1"),
        ...     mf.Model.chat_completion("anthropic/claude-sonnet-4-5", api_key="sk-2"),
        ... ], order="price")
        >>> gateway.paths
        ['openai/gpt-4o', 'anthropic/claude-sonnet-4-5']
    """

    def __init__(
        self,
        models: Sequence[ChatCompletion | str],
        *,
        order: Order = "given",
        weights: Sequence[float] | None = None,
        keys: Mapping[str, Sequence[str]] | None = None,
        on: type[Exception] | Sequence[type[Exception]] = _ON,
        cool_down_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        checked = check_arguments({"order": order, "keys": keys, "cool_down_s": cool_down_s, "clock": clock}, GATEWAY)
        given = checked_models(models)
        self._order: Order = checked.get("order", "given")
        self._on = checked_errors(on)
        self._cool_down_s: float = checked.get("cool_down_s", 60.0)
        self._clock = clock
        self._turns = count()
        self._keyed = bool(keys)
        each_weight = checked_weights(weights, len(given), order)
        each_key = checked_keys(keys)
        self._groups = [
            [_Entry(model, weight) for model in models_of(each, each_key)]
            for each, weight in zip(given, each_weight, strict=True)
        ]
        known = {group[0].model.provider for group in self._groups}
        if unused := sorted(each_key.keys() - known):
            raise InvalidRequestError(f"keys names {', '.join(unused)}, of which there is no model")

    @property
    def paths(self) -> list[str]:
        """The paths of the models, in the order they were given."""
        return [group[0].path for group in self._groups]

    # ---- calling

    @overload
    def __call__(
        self,
        messages: Any = None,
        *,
        model_preference: str | None = None,
        generation_schema: type[T],
        stream: Literal[False] = False,
        **call: Unpack[UntypedCallOptions],
    ) -> ModelResponse[T]: ...
    @overload
    def __call__(
        self,
        messages: Any = None,
        *,
        model_preference: str | None = None,
        generation_schema: type[T],
        stream: Literal[True],
        **call: Unpack[UntypedCallOptions],
    ) -> ModelStreamResponse[T]: ...
    @overload
    def __call__(
        self,
        messages: Any = None,
        *,
        model_preference: str | None = None,
        stream: Literal[False] = False,
        **call: Unpack[CallOptions],
    ) -> ModelResponse: ...
    @overload
    def __call__(
        self,
        messages: Any = None,
        *,
        model_preference: str | None = None,
        stream: Literal[True],
        **call: Unpack[CallOptions],
    ) -> ModelStreamResponse: ...
    @overload
    def __call__(
        self,
        messages: Any = None,
        *,
        model_preference: str | None = None,
        stream: bool,
        **call: Unpack[CallOptions],
    ) -> ModelResponse | ModelStreamResponse: ...
    def __call__(
        self,
        messages: Any = None,
        *,
        model_preference: str | None = None,
        stream: bool = False,
        **call: Unpack[CallOptions],
    ) -> ModelResponse | ModelStreamResponse:
        """Ask the models, one after the other, until one answers.

        A stream falls back until its first piece is there. The response's `route` lists the models that were asked,
        and its cost includes the attempts that failed.

        Args:
            messages: As for a model.
            model_preference: Path or id of the model to ask first.
            stream: As for a model.
            **call: As for a model, without `api_key` and `base_url`, which belong to one provider. A `stream_to`
                receives the answer, and nothing of the attempts before it.

        Returns:
            The answer; with `stream=True`, a stream of it.

        Raises:
            GatewayError: No model answered; `route` says why, and the last failure is the cause.
            InvalidRequestError: The call is wrong, whichever model it goes to.
            UnknownParameterError: There is no argument of that name.
        """
        check_boolean("stream", stream)
        steps, messages = self._steps(model_preference, call), _reusable(messages)
        stream_to = call.pop("stream_to", None) if stream else None
        asked = partial(_ask, steps, messages, {**call, "stream": stream})
        if stream_to is None:
            return asked()[0]
        from msgflux_like.streaming.push import failed_stream, maker_of, push  # noqa: PLC0415  only for streams that are pushed

        def opened() -> Opened:
            try:
                answer = asked()
            except (APIError, GatewayError) as error:
                return failed_stream(error, in_loop=False), maker_of("chat_completion", "")
            return _with_chunk_maker(answer)

        return push(stream_to, opened)

    @overload
    async def acall(
        self,
        messages: Any = None,
        *,
        model_preference: str | None = None,
        generation_schema: type[T],
        stream: Literal[False] = False,
        **call: Unpack[UntypedCallOptions],
    ) -> ModelResponse[T]: ...
    @overload
    async def acall(
        self,
        messages: Any = None,
        *,
        model_preference: str | None = None,
        generation_schema: type[T],
        stream: Literal[True],
        **call: Unpack[UntypedCallOptions],
    ) -> ModelStreamResponse[T]: ...
    @overload
    async def acall(
        self,
        messages: Any = None,
        *,
        model_preference: str | None = None,
        stream: Literal[False] = False,
        **call: Unpack[CallOptions],
    ) -> ModelResponse: ...
    @overload
    async def acall(
        self,
        messages: Any = None,
        *,
        model_preference: str | None = None,
        stream: Literal[True],
        **call: Unpack[CallOptions],
    ) -> ModelStreamResponse: ...
    @overload
    async def acall(
        self,
        messages: Any = None,
        *,
        model_preference: str | None = None,
        stream: bool,
        **call: Unpack[CallOptions],
    ) -> ModelResponse | ModelStreamResponse: ...
    async def acall(
        self,
        messages: Any = None,
        *,
        model_preference: str | None = None,
        stream: bool = False,
        **call: Unpack[CallOptions],
    ) -> ModelResponse | ModelStreamResponse:
        """Async counterpart of calling the gateway."""
        check_boolean("stream", stream)
        steps, messages = self._steps(model_preference, call), _reusable(messages)
        stream_to = call.pop("stream_to", None) if stream else None
        asked = partial(_aask, steps, messages, {**call, "stream": stream})
        if stream_to is None:
            return (await asked())[0]
        from msgflux_like.streaming.push import apush, failed_stream, maker_of  # noqa: PLC0415  only for pushed streams

        async def opened() -> Opened:
            try:
                answer = await asked()
            except (APIError, GatewayError) as error:
                return failed_stream(error, in_loop=True), maker_of("chat_completion", "")
            return _with_chunk_maker(answer)

        return await apush(stream_to, opened)

    def _steps(self, preference: str | None, call: Mapping[str, Any]) -> _Steps:
        """Yield the entry to ask, and receive its answer or its failure: all decisions of a gateway are here."""
        if own := [name for name in _OF_ONE_PROVIDER if call.get(name) is not None]:
            raise InvalidRequestError(
                f"{' and '.join(own)}: a gateway asks several models, and would give it to all of them; "
                "give it to the models themselves"
            )
        check_arguments({**call, "model_preference": preference}, GATEWAY_CALL)
        route: list[RouteAttempt] = []
        cause: Exception | None = None
        for entry in self._in_order(preference, route):
            outcome = yield entry
            if not isinstance(outcome, Exception):
                outcome._set_route((*route, RouteAttempt(entry.path, "answered")))  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001  set here only
                return outcome, entry
            if not isinstance(outcome, (*_UNSUPPORTED, *self._on)):
                raise outcome
            kind = "cannot" if isinstance(outcome, _UNSUPPORTED) else "failed"
            route.append(RouteAttempt(entry.path, kind, f"{type(outcome).__name__}: {outcome}", _spent(outcome)))
            if isinstance(outcome, _TRANSIENT):
                retry_after_s = getattr(outcome, "retry_after_s", None)
                entry.cools_until_s = self._clock() + (self._cool_down_s if retry_after_s is None else retry_after_s)
            cause = outcome
        failures = "; ".join(f"{each.model}: {each.why}" for each in route if each.outcome != "resting")
        raise GatewayError(f"no model answered. {failures}", route=tuple(route)) from cause

    def _in_order(self, preference: str | None, route: list[RouteAttempt]) -> list[_Entry]:
        """Return the entries in the order in which they are asked, and add those that cool down to the route."""
        turn = next(self._turns)
        groups = self._sorted(list(self._groups))
        if preference is not None:
            preferred = [group for group in groups if preference in (group[0].path, group[0].model.model_id)]
            if not preferred:
                raise InvalidRequestError(f"model_preference {preference!r} is none of {', '.join(self.paths)}")
            groups = [*preferred, *(group for group in groups if group not in preferred)]
        entries = [entry for group in groups for entry in (*group[turn % len(group) :], *group[: turn % len(group)])]
        now = self._clock()
        resting = [entry for entry in entries if entry.cools_until_s > now]
        if len(resting) == len(entries):
            return entries
        route += [RouteAttempt(entry.path, "resting", f"for {entry.cools_until_s - now:.0f} s") for entry in resting]
        return [*(entry for entry in entries if entry not in resting), *resting]

    def _sorted(self, groups: list[list[_Entry]]) -> list[list[_Entry]]:
        match self._order:
            case "given":
                return groups
            case "price":
                return sorted(groups, key=lambda group: _price(group[0].model))
            case "context":
                return sorted(groups, key=lambda group: -_context(group[0].model))
            case "weight":
                # Each comes first with the probability of its weight: Efraimidis and Spirakis, 2006.
                return sorted(groups, key=lambda group: -(random.random() ** (1 / group[0].weight)))  # noqa: S311  no secret

    # ---- state, and ending

    def serialize(self) -> dict[str, Any]:
        """Return the state for `from_serialized`, as plain JSON, without keys.

        Raises:
            TypeError: If the gateway was given keys, or has error classes of your own in `on`.
        """
        if self._keyed:
            raise TypeError("a gateway that was given keys cannot be serialized: make it anew where it is needed")
        state: dict[str, Any] = {
            "msgflux_type": "model_gateway",
            "models": [group[0].model.serialize() for group in self._groups],
            "order": self._order,
            "weights": [group[0].weight for group in self._groups],
            "cool_down_s": self._cool_down_s,
        }
        return state if self._on == _ON else {**state, "on": [name_of(error) for error in self._on]}

    @classmethod
    def from_serialized(
        cls, data: Mapping[str, Any], *, api_keys: Mapping[str, ApiKey] | None = None, cache: Any = None
    ) -> ModelGateway:
        """Return the gateway that `serialize` described.

        Args:
            data: The state that `serialize` returned.
            api_keys: A key for each provider, by its name; the provider's environment variable if not given.
            cache: Replaces the cache of the models that had one; see `Model.from_serialized`.

        Raises:
            InvalidRequestError: If this is not the state of a gateway, or of one of its models.
            MissingKeyError: If there is no key, or a stored base URL needs one to be given.
        """
        check_mapping("data", data, "the state of a gateway, as serialize() returns it")
        if data.get("msgflux_type") != "model_gateway":
            raise InvalidRequestError(f"msgflux_type is {data.get('msgflux_type')!r}: this is not a serialized gateway")
        known = api_keys or {}
        models = [
            Model.from_serialized(
                **state,
                api_key=known.get(state.get("provider", "")),
                cache=cache if "cache" in state.get("state", {}) else None,
            )
            for state in data.get("models", ())
        ]
        order = data.get("order", "given")
        return cls(
            models,
            order=order,
            weights=data.get("weights") if order == "weight" else None,
            on=tuple(error_of(name) for name in data["on"]) if "on" in data else _ON,
            cool_down_s=data.get("cool_down_s", 60.0),
        )

    def __reduce__(self) -> tuple[Any, ...]:
        if self._keyed:
            raise TypeError(
                "a gateway that was given keys cannot be copied or pickled: make it anew where it is needed"
            )
        options: dict[str, Any] = {
            "order": self._order,
            "on": self._on,
            "cool_down_s": self._cool_down_s,
            "clock": self._clock,
        }
        if self._order == "weight":
            options["weights"] = [group[0].weight for group in self._groups]
        return partial(type(self), **options), ([group[0].model for group in self._groups],)

    def close(self) -> None:
        """Close the idle connections of all models. Idempotent."""
        for group in self._groups:
            for entry in group:
                entry.model.close()

    async def aclose(self) -> None:
        """Async counterpart of `close`."""
        for group in self._groups:
            for entry in group:
                await entry.model.aclose()

    def __repr__(self) -> str:
        return f"ModelGateway({', '.join(self.paths)})"


def _reusable(messages: Any) -> Any:
    """Return messages that can be read more than once."""
    return list(cast("Iterator[Any]", messages)) if isinstance(messages, Iterator) else messages


def _ask(steps: _Steps, messages: Any, call: Mapping[str, Any]) -> tuple[Any, _Entry]:
    """Return the first answer, and the entry whose model gave it."""
    outcome: Any = None
    try:
        while True:
            model: Any = steps.send(outcome).model
            try:
                outcome = model(messages, **call)
            except Exception as error:  # noqa: BLE001  the steps decide what is raised
                outcome = error
    except StopIteration as end:
        return end.value


async def _aask(steps: _Steps, messages: Any, call: Mapping[str, Any]) -> tuple[Any, _Entry]:
    """Async counterpart of `_ask`."""
    outcome: Any = None
    try:
        while True:
            model: Any = steps.send(outcome).model
            try:
                outcome = await model.acall(messages, **call)
            except Exception as error:  # noqa: BLE001  as above
                outcome = error
    except StopIteration as end:
        return end.value


def _with_chunk_maker(answer: tuple[Any, _Entry]) -> Opened:
    """Return a stream, with what makes the chunks for its `stream_to`."""
    from msgflux_like.streaming.push import maker_of  # noqa: PLC0415  imported already

    stream, entry = answer
    return stream, maker_of(entry.model.model_type, entry.model.model_id)


def _price(model: ChatCompletion) -> Decimal | float:
    """Return US dollars for a million tokens in and a million out; an unknown price is infinite."""
    cost = model.profile.cost if model.profile else None
    return cost.input_per_million + cost.output_per_million if cost else float("inf")


def _context(model: ChatCompletion) -> int:
    return (model.profile.limits.context if model.profile else None) or 0


def _spent(error: Exception) -> Decimal | None:
    """Return the cost of a failed attempt, which may have had an answer or a part of one; None where it is unknown."""
    answer = getattr(error, "partial", None) or getattr(error, "response", None)
    return answer.cost if answer is not None else None
