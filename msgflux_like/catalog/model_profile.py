"""Typed records of the models and providers in the catalogue.

The records decode from the JSON of https://models.dev without conversion. A fact that the catalogue omits is None.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field

from msgflux_like.catalog.cost import ModelCost

Tokens = Annotated[int, Meta(ge=0)]


class Capabilities(Struct, frozen=True):
    """The capabilities of a model. None means that the catalogue does not say.

    Attributes:
        tool_call: Whether the model supports tool calling.
        structured_output: Whether the model can be bound to a JSON schema.
        reasoning: Whether the model reasons before it answers.
        attachment: Whether the model accepts files.
        temperature: Whether the model accepts the parameter `temperature`; requests with it are refused otherwise.
    """

    tool_call: bool | None = None
    structured_output: bool | None = None
    reasoning: bool | None = None
    attachment: bool | None = None
    temperature: bool | None = None


class Modalities(Struct, frozen=True, omit_defaults=True, gc=False, rename=lambda name: name.removeprefix("_")):
    """Kinds of content that a model accepts and produces: "text", "image", "audio", "video", "pdf"."""

    _input: tuple[str, ...] = ()
    _output: tuple[str, ...] = ()

    @property
    def input(self) -> list[str]:
        """Accepted kinds, as a new list."""
        return list(self._input)

    @property
    def output(self) -> list[str]:
        """Produced kinds, as a new list."""
        return list(self._output)

    def __repr__(self) -> str:
        return f"Modalities(input={self.input}, output={self.output})"


class Limits(Struct, frozen=True, omit_defaults=True, gc=False):
    """Maximum sizes in tokens. None means unknown, which the catalogue also writes as 0.

    Attributes:
        context: Input and output together.
        input: Input alone, if that is less than `context`.
        output: Output alone, including reasoning.
    """

    context: Tokens | None = None
    input: Tokens | None = None
    output: Tokens | None = None

    def __post_init__(self) -> None:
        if 0 in (self.context, self.input, self.output):
            for name in self.__struct_fields__:
                if getattr(self, name) == 0:
                    msgspec.structs.force_setattr(self, name, None)


class ReasoningOption(Struct, frozen=True, omit_defaults=True, gc=False):
    """One way to control how much a model reasons.

    Attributes:
        type: "toggle" (on or off), "effort" (a level), "budget_tokens" (a number of tokens).
        values: Levels, for "effort"; None among them means that the parameter may be omitted.
        min_tokens: Minimum budget, for "budget_tokens"; -1 lets the model choose.
        max_tokens: Maximum budget, for "budget_tokens".
    """

    type: str
    values: tuple[str | None, ...] = ()
    min_tokens: int | None = field(name="min", default=None)
    max_tokens: int | None = field(name="max", default=None)


class Interleaved(Struct, frozen=True, omit_defaults=True, gc=False):
    """The field of a reply, such as `reasoning_content`, whose reasoning must be sent back with tool results."""

    field: str


class ProviderOverride(Struct, frozen=True, omit_defaults=True, gc=False):
    """Connection facts of one model, or of one mode of it, that differ from its provider's. None means no difference.

    Attributes:
        npm: The adapter's npm package, which implies the wire dialect.
        api: Base URL; may hold `${VARIABLE}`.
        shape: "responses" or "completions", if the host supports both.
        body: Fields of the request's body.
        headers: Headers of the request.
    """

    npm: str | None = None
    api: str | None = None
    shape: str | None = None
    body: dict[str, Any] | None = None
    headers: dict[str, str] | None = None


class Mode(Struct, frozen=True, omit_defaults=True, gc=False):
    """Experimental mode of a model, such as "fast".

    Attributes:
        cost: Prices of the mode; None if the prices of the model apply.
        provider_override: Connection facts of the mode that differ from the model's; None for no difference.
    """

    cost: ModelCost | None = None
    provider_override: ProviderOverride | None = field(name="provider", default=None)


class Experimental(Struct, frozen=True, omit_defaults=True, gc=False):
    """The experimental features of a model, which may change without notice."""

    modes: dict[str, Mode] = {}


_MODEL_FIELDS = {"limits": "limit", "provider_override": "provider"}


class ModelProfile(
    Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    gc=False,  # decoded JSON has no cycles, and each collection would walk 8,000 of these records
    rename=lambda name: _MODEL_FIELDS.get(name, name.removeprefix("_")),
):
    """One model at one provider, as the catalogue describes it. None means that the catalogue does not say.

    Attributes:
        id: Id of the model, as the provider spells it.
        provider_id: Id of the provider, as in `provider/model`.
        name: Name for display.
        description: Description for display, in one sentence.
        family: Family of similar models, such as "claude-opus".
        canonical_model_id: Id of the model as `lab/model`, the same at every provider; see `get_same_models`.
        capabilities: Features that the model supports.
        modalities: Kinds of content that the model accepts and produces.
        limits: Maximum sizes, in tokens.
        cost: Prices, in US dollars per million tokens; None if unknown.
        modes: Experimental modes by name, such as "fast".
        knowledge: End of the training data, `YYYY-MM` or `YYYY-MM-DD`.
        release_date: `YYYY-MM` or `YYYY-MM-DD`.
        last_updated: `YYYY-MM` or `YYYY-MM-DD`.
        open_weights: Whether the weights are published.
        status: "alpha", "beta" or "deprecated"; None if the catalogue gives no status.
        reasoning_options: Ways to control reasoning; empty if it cannot be controlled.
        interleaved: Whether, or in which field, the model reasons between tool calls.
        provider_override: Connection facts that differ from those of the provider's other models.
        retired_on: Last day on which the catalogue is known to have listed the model; None for a listed model.
        gone_by: First day on which the catalogue is known not to have listed it; None for a listed model.
        raw: The model's entry in the catalogue.

    Example:
        >>> from msgflux_like.models.profiles import get_model_profile
        >>> profile = get_model_profile("gpt-4o", provider_id="openai")
        >>> profile.limits.context, profile.capabilities.tool_call, profile.modalities.input
        (128000, True, ['text', 'image', 'pdf'])
    """

    id: str
    name: str
    description: str | None = None
    family: str | None = None
    _attachment: bool | None = None
    _reasoning: bool | None = None
    reasoning_options: tuple[ReasoningOption, ...] | None = None
    _tool_call: bool | None = None
    interleaved: bool | Interleaved | None = None
    _structured_output: bool | None = None
    _temperature: bool | None = None
    knowledge: str | None = None
    release_date: str | None = None
    last_updated: str | None = None
    modalities: Modalities = Modalities()
    open_weights: bool | None = None
    limits: Limits = Limits()
    status: str | None = None
    _experimental: Experimental | None = None
    provider_override: ProviderOverride | None = None
    cost: ModelCost | None = None
    canonical_model_id: str | None = None

    # Not fields of the catalogue: set by `decode_model`.
    provider_id: str = ""
    retired_on: date | None = None
    gone_by: date | None = None
    _source: msgspec.Raw = msgspec.Raw(b"{}")

    @property
    def capabilities(self) -> Capabilities:
        """Features that the model supports."""
        return Capabilities(
            tool_call=self._tool_call,
            structured_output=self._structured_output,
            reasoning=self._reasoning,
            attachment=self._attachment,
            temperature=self._temperature,
        )

    @property
    def modes(self) -> dict[str, Mode]:
        """Experimental modes by name, such as "fast"; empty for most models."""
        return dict(self._experimental.modes) if self._experimental else {}

    @property
    def raw(self) -> dict[str, Any]:
        """The model's whole entry in the catalogue's `api.json`, as a new dict."""
        return msgspec.json.decode(self._source, type=dict[str, Any])

    def __hash__(self) -> int:
        return hash((self.provider_id, self.id))

    def __repr__(self) -> str:
        shown = ("id", "provider_id", "name", "capabilities", "modalities", "limits", "cost", "retired_on")
        return f"ModelProfile({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"


class ProviderProfile(Struct, frozen=True, kw_only=True):
    """One provider, as the catalogue describes it.

    Attributes:
        id: Id of the provider, as in `provider/model`.
        name: Name for display.
        npm: The adapter's npm package, which implies the wire dialect.
        env: Environment variables that configure it; the key is among them, not always first.
        doc: URL of the documentation.
        api: Base URL, if the adapter does not imply it; may hold `${VARIABLE}`.
        models: Ids of its models, as the provider spells them.
    """

    id: str
    name: str
    npm: str
    env: tuple[str, ...]
    doc: str
    api: str | None = None
    models: tuple[str, ...] = ()


_decoder = msgspec.json.Decoder(ModelProfile)


def decode_model(
    source: msgspec.Raw, provider_id: str, *, retired_on: date | None = None, gone_by: date | None = None
) -> ModelProfile:
    """Decode the record of one model.

    Args:
        source: The model's entry in `api.json`.
        provider_id: Id of the provider.
        retired_on: See `ModelProfile`.
        gone_by: See `ModelProfile`.

    Raises:
        msgspec.DecodeError: `source` does not have the catalogue's form; the message names the field.
    """
    profile = _decoder.decode(source)
    # The record is not shared yet. `msgspec.structs.replace` would copy all its fields, for each of 8,000 models.
    set_field = msgspec.structs.force_setattr
    set_field(profile, "provider_id", provider_id)
    set_field(profile, "_source", source)
    set_field(profile, "retired_on", retired_on)
    set_field(profile, "gone_by", gone_by)
    return profile
