"""Several models behind one call: the next one answers where one cannot, and the response says how it came about."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from decimal import Decimal
from itertools import count
from typing import Any, Final, Literal

from msgflux_like.closing import Closing
from msgflux_like.errors import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AuthenticationError,
    GatewayError,
    InvalidRequestError,
    RateLimitError,
    ServerError,
    UnsupportedError,
)
from msgflux_like.models import Model
from msgflux_like.models.chat_completion import ChatCompletion
from msgflux_like.response import Tried

Order = Literal["given", "price", "context", "weight"]
_ORDERS: Final = ("given", "price", "context", "weight")
# What says something of the model and not of the request: it rests, and others are asked first.
_PASSING: Final = (APIConnectionError, APITimeoutError, AuthenticationError, RateLimitError, ServerError)


class _Entry:
    """A model with one key, and until when it rests."""

    def __init__(self, model: ChatCompletion, weight: float) -> None:
        self.model = model
        self.weight = weight
        self.path = f"{model.provider}/{model.model_id}"
        self.rests_until = 0.0  # on the gateway's clock


class ModelGateway(Closing):
    """Asks one of several models, and the next one when that fails.

    Args:
        models: Chat models, or their paths, the preferred one first.
        order: Which is asked first: as "given"; by "price" (the cheapest for an equal share of input and output),
            by "context" (the one that takes most) or by "weight" (at random, in proportion to `weights`).
        weights: One number for each model, for `order="weight"`.
        keys: Several keys for a provider: its models are asked with each in turn, and with the next when one fails.
        on: Which errors of a model let the next one try; what the model cannot take at all (UnsupportedError) always
            does. Mistakes of the caller are raised at once.
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
        on: tuple[type[Exception], ...] = (APIError,),
        cool_down_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        given = [models] if isinstance(models, str) else list(models)
        if not given:
            raise InvalidRequestError("models is empty: give at least one model")
        if order not in _ORDERS:
            raise InvalidRequestError(f"order must be one of {', '.join(_ORDERS)}, not {order!r}")
        self._order: Order = order
        self._on = on
        self._cool_down_s = cool_down_s
        self._clock = clock
        self._turns = count()
        self._keyed = bool(keys)
        each_weight = _checked_weights(weights, len(given), order)
        self._groups = [
            [_Entry(model, weight) for model in _models(each, keys or {})]
            for each, weight in zip(given, each_weight, strict=True)
        ]
        known = {group[0].model.provider for group in self._groups}
        if unused := sorted(set(keys or ()) - known):
            raise InvalidRequestError(f"keys names {', '.join(unused)}, of which there is no model")

    @property
    def paths(self) -> list[str]:
        """The models, in the order they were given."""
        return [group[0].path for group in self._groups]

    # ---- calling

    def __call__(self, messages: Any = None, *, model_preference: str | None = None, **call: Any) -> Any:
        """Ask; see `ChatCompletion.__call__` for what it takes and gives.

        A stream falls back until its first piece is there. The response's `route` lists who was asked, and its cost
        has that of the attempts that failed.

        Args:
            messages: As a model takes them.
            model_preference: The path or the id of the model to ask first.
            call: As a model takes it.

        Raises:
            GatewayError: No model answered; `route` says why not, and the last failure is the cause.
            InvalidRequestError: The call is wrong, whichever model it goes to.
        """
        steps = self._steps(model_preference)
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

    async def acall(self, messages: Any = None, *, model_preference: str | None = None, **call: Any) -> Any:
        """The async twin of calling the gateway."""
        steps = self._steps(model_preference)
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

    def _steps(self, preference: str | None) -> Generator[_Entry, Any, Any]:
        """Yields the model to ask and is sent its answer or its failure: all that a gateway decides."""
        route: list[Tried] = []
        cause: Exception | None = None
        for entry in self._in_order(preference, route):
            outcome = yield entry
            if not isinstance(outcome, Exception):
                outcome.routed((*route, Tried(entry.path, "answered")))
                return outcome
            if not isinstance(outcome, (UnsupportedError, *self._on)):
                raise outcome
            kind = "cannot" if isinstance(outcome, UnsupportedError) else "failed"
            route.append(Tried(entry.path, kind, f"{type(outcome).__name__}: {outcome}", _spent(outcome)))
            if isinstance(outcome, _PASSING):
                asked_for = getattr(outcome, "retry_after_s", None)
                entry.rests_until = self._clock() + (self._cool_down_s if asked_for is None else asked_for)
            cause = outcome
        failures = "; ".join(f"{each.model}: {each.why}" for each in route if each.outcome != "resting")
        raise GatewayError(f"no model answered. {failures}", route=tuple(route)) from cause

    def _in_order(self, preference: str | None, route: list[Tried]) -> list[_Entry]:
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
        route += [Tried(entry.path, "resting", f"for {entry.rests_until - now:.0f} s") for entry in resting]
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

        Raises TypeError for a gateway that was given keys: those of the restored one come from the environment.
        """
        if self._keyed:
            raise TypeError("a gateway that was given keys cannot be serialized: make it anew where it is needed")
        return {
            "msgflux_type": "model_gateway",
            "models": [group[0].model.serialize() for group in self._groups],
            "order": self._order,
            "weights": [group[0].weight for group in self._groups],
            "cool_down_s": self._cool_down_s,
        }

    @classmethod
    def from_serialized(cls, data: Mapping[str, Any]) -> ModelGateway:
        """The gateway that `serialize` described; the keys are read from the environment."""
        if data.get("msgflux_type") != "model_gateway":
            raise InvalidRequestError(f"msgflux_type is {data.get('msgflux_type')!r}: this is not a serialized gateway")
        models = [Model.from_serialized(**state) for state in data["models"]]
        order = data.get("order", "given")
        weights = data.get("weights") if order == "weight" else None
        return cls(models, order=order, weights=weights, cool_down_s=data.get("cool_down_s", 60.0))

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


def _models(given: Any, keys: Mapping[str, Sequence[str]]) -> list[ChatCompletion]:
    """The model, or one for each key of its provider."""
    if not isinstance(given, (str, ChatCompletion)):
        raise InvalidRequestError(f"models must be chat models or their paths, not {type(given).__name__}")
    provider = given.partition("/")[0] if isinstance(given, str) else given.provider
    if not keys.get(provider):
        return [Model.chat_completion(given) if isinstance(given, str) else given]
    if not isinstance(given, str):
        raise InvalidRequestError(f"keys has some for {provider}: give its models by their paths")
    return [Model.chat_completion(given, api_key=key) for key in keys[provider]]


def _checked_weights(weights: Sequence[float] | None, models: int, order: Order) -> list[float]:
    if weights is None:
        return [1.0] * models
    if order != "weight":
        raise InvalidRequestError(f'weights need order="weight", not {order!r}')
    if len(weights) != models or not all(weight > 0 for weight in weights):
        raise InvalidRequestError(f"weights must be {models} numbers above 0, one for each model")
    return list(weights)


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
