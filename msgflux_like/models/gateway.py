"""Several models behind one call: the next one answers where one cannot, and the response says how it came about."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Literal, Unpack, cast, overload

from msgflux_like._context import ClosesOnExit
from msgflux_like._wire.secrets import ApiKey
from msgflux_like.calls.arguments import check_seconds
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
    checked_order,
    checked_weights,
    error_of,
    models_of,
    name_of,
)
from msgflux_like.request import CallOptions
from msgflux_like.response.metadata import RouteAttempt
from msgflux_like.response.response import ModelResponse
from msgflux_like.response.stream import ModelStreamResponse

if TYPE_CHECKING:
    from msgflux_like.streaming.push import Opened

# What says something of the model and not of the request: it rests, and others are asked first.
_PASSING: Final = (APIConnectionError, APITimeoutError, AuthenticationError, RateLimitError, ServerError)
# What one model cannot take, or not exactly as asked, and another one may.
_CANNOT: Final = (UnsupportedError, ChangeError)
_ON: Final = (APIError,)
# Of one provider: sent to the next one it would be given away.
_OF_ONE: Final = ("api_key", "base_url")


class _Entry:
    """A model with one key, and until when it rests."""

    def __init__(self, model: ChatCompletion, weight: float) -> None:
        self.model = model
        self.weight = weight
        self.path = f"{model.provider}/{model.model_id}"
        self.rests_until = 0.0  # on the gateway's clock


_Steps = Generator[_Entry, Any, tuple[Any, _Entry]]


class ModelGateway(ClosesOnExit):
    """Asks one of several models, and the next one when that fails.

    Args:
        models: Chat models, or their paths, the preferred one first.
        order: Which is asked first: as "given"; by "price" (the cheapest for an equal share of input and output),
            by "context" (the one that takes most) or by "weight" (at random, in proportion to `weights`).
        weights: One number for each model, for `order="weight"`.
        keys: Several keys for a provider: its models are asked with each in turn, and with the next when one fails.
        on: Which errors of a model let the next one try; what the model cannot take at all (UnsupportedError), or not
            exactly with `changes="refuse"` (ChangeError), always does. Mistakes of the caller are raised at once.
        cool_down_s: How long a model that failed is asked last, unless its provider said for how long; 0 is not.
        clock: Seconds that only grow, for tests.

    Raises:
        InvalidRequestError: No model, a wrong order or weight, keys for a provider that none of the models has.

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
        given = [models] if isinstance(models, str) else list(models)
        if not given:
            raise InvalidRequestError("models is empty: give at least one model")
        self._order: Order = checked_order(order)
        self._on = checked_errors(on)
        self._cool_down_s = cool_down_s if cool_down_s == 0 else check_seconds("cool_down_s", cool_down_s)
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
        """The models, in the order they were given."""
        return [group[0].path for group in self._groups]

    # ---- calling

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
        self, messages: Any = None, *, model_preference: str | None = None, stream: bool = False, **call: Any
    ) -> Any:
        """Ask; see `ChatCompletion.__call__` for what it takes and gives.

        A stream falls back until its first piece is there. The response's `route` lists who was asked, and its cost
        has that of the attempts that failed.

        Args:
            messages: As a model takes them.
            model_preference: The path or the id of the model to ask first.
            stream: As a model takes it.
            call: As a model takes it, but for `api_key` and `base_url`, which are of one provider. A `stream_to` is
                told of the answer that comes, and not of the attempts before it.

        Raises:
            GatewayError: No model answered; `route` says why not, and the last failure is the cause.
            InvalidRequestError: The call is wrong, whichever model it goes to.
        """
        steps, messages = self._steps(model_preference, call), _kept(messages)
        stream_to = call.pop("stream_to", None) if stream else None
        asked = partial(_asked, steps, messages, {**call, "stream": stream})
        if stream_to is None:
            return asked()[0]
        from msgflux_like.streaming.push import failed_stream, maker_of, push  # noqa: PLC0415  for those who want it

        def opened() -> Opened:
            try:
                answer = asked()
            except (APIError, GatewayError) as error:
                return failed_stream(error, in_loop=False), maker_of("chat_completion", "")
            return _opened(answer)

        return push(stream_to, opened)

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
        self, messages: Any = None, *, model_preference: str | None = None, stream: bool = False, **call: Any
    ) -> Any:
        """The async twin of calling the gateway."""
        steps, messages = self._steps(model_preference, call), _kept(messages)
        stream_to = call.pop("stream_to", None) if stream else None
        asked = partial(_aasked, steps, messages, {**call, "stream": stream})
        if stream_to is None:
            return (await asked())[0]
        from msgflux_like.streaming.push import apush, failed_stream, maker_of  # noqa: PLC0415  for those who want it

        async def opened() -> Opened:
            try:
                answer = await asked()
            except (APIError, GatewayError) as error:
                return failed_stream(error, in_loop=True), maker_of("chat_completion", "")
            return _opened(answer)

        return await apush(stream_to, opened)

    def _steps(self, preference: str | None, call: Mapping[str, Any]) -> _Steps:
        """Yields the model to ask and is sent its answer or its failure: all that a gateway decides."""
        if own := [name for name in _OF_ONE if call.get(name) is not None]:
            raise InvalidRequestError(
                f"{' and '.join(own)}: a gateway asks several models, and would give it to all of them; "
                "make the models with their own"
            )
        route: list[RouteAttempt] = []
        cause: Exception | None = None
        for entry in self._in_order(preference, route):
            outcome = yield entry
            if not isinstance(outcome, Exception):
                outcome._set_route((*route, RouteAttempt(entry.path, "answered")))  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001  set here only
                return outcome, entry
            if not isinstance(outcome, (*_CANNOT, *self._on)):
                raise outcome
            kind = "cannot" if isinstance(outcome, _CANNOT) else "failed"
            route.append(RouteAttempt(entry.path, kind, f"{type(outcome).__name__}: {outcome}", _spent(outcome)))
            if isinstance(outcome, _PASSING):
                asked_for = getattr(outcome, "retry_after_s", None)
                entry.rests_until = self._clock() + (self._cool_down_s if asked_for is None else asked_for)
            cause = outcome
        failures = "; ".join(f"{each.model}: {each.why}" for each in route if each.outcome != "resting")
        raise GatewayError(f"no model answered. {failures}", route=tuple(route)) from cause

    def _in_order(self, preference: str | None, route: list[RouteAttempt]) -> list[_Entry]:
        """Who is asked, in this order; those that rest come last, and are noted in the route."""
        turn = next(self._turns)
        groups = self._sorted(list(self._groups))
        if preference is not None:
            preferred = [group for group in groups if preference in (group[0].path, group[0].model.model_id)]
            if not preferred:
                raise InvalidRequestError(f"model_preference {preference!r} is none of {', '.join(self.paths)}")
            groups = [*preferred, *(group for group in groups if group not in preferred)]
        entries = [entry for group in groups for entry in (*group[turn % len(group) :], *group[: turn % len(group)])]
        now = self._clock()
        resting = [entry for entry in entries if entry.rests_until > now]
        if len(resting) == len(entries):
            return entries
        route += [RouteAttempt(entry.path, "resting", f"for {entry.rests_until - now:.0f} s") for entry in resting]
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
        """All that `from_serialized` needs, as plain JSON. No key is in it.

        Raises TypeError for a gateway that was given keys, since those of the restored one come from the environment,
        and for one with errors of your own in `on`.
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
        """The gateway that `serialize` described.

        Args:
            data: The state.
            api_keys: A key for each provider, by its name; else the environment's.
            cache: For those of the models that had one; see `Model.from_serialized`.

        Raises:
            InvalidRequestError: This is no state of a gateway, or of one of its models.
            MissingKeyError: As `Model.from_serialized`, also where a stored base URL must be given a key on purpose.
        """
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
        """Close the idle connections of all models."""
        for group in self._groups:
            for entry in group:
                entry.model.close()

    async def aclose(self) -> None:
        """The async twin of `close`."""
        for group in self._groups:
            for entry in group:
                await entry.model.aclose()

    def __repr__(self) -> str:
        return f"ModelGateway({', '.join(self.paths)})"


def _kept(messages: Any) -> Any:
    """Messages that can be read more than once."""
    return list(cast("Iterator[Any]", messages)) if isinstance(messages, Iterator) else messages


def _asked(steps: _Steps, messages: Any, call: Mapping[str, Any]) -> tuple[Any, _Entry]:
    """The first answer, and whose it is."""
    outcome: Any = None
    try:
        while True:
            model: Any = steps.send(outcome).model
            try:
                outcome = model(messages, **call)
            except Exception as error:  # noqa: BLE001  the steps say what is raised
                outcome = error
    except StopIteration as end:
        return end.value


async def _aasked(steps: _Steps, messages: Any, call: Mapping[str, Any]) -> tuple[Any, _Entry]:
    """The async twin of `_asked`."""
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


def _opened(answer: tuple[Any, _Entry]) -> Opened:
    """A stream that a `stream_to` is to be told of."""
    from msgflux_like.streaming.push import maker_of  # noqa: PLC0415  imported already

    stream, entry = answer
    return stream, maker_of(entry.model.model_type, entry.model.model_id)


def _price(model: ChatCompletion) -> Decimal | float:
    """US dollars for a million tokens in and a million out; what nobody knows comes last."""
    cost = model.profile.cost if model.profile else None
    return cost.input_per_million + cost.output_per_million if cost else float("inf")


def _context(model: ChatCompletion) -> int:
    return (model.profile.limits.context if model.profile else None) or 0


def _spent(error: Exception) -> Decimal | None:
    """What the failed attempt cost, where that is known: it may have had an answer, or a part of one."""
    answer = getattr(error, "partial", None) or getattr(error, "response", None)
    return answer.cost if answer is not None else None
