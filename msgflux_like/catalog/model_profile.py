"""What the catalogue says of a model and of a provider, as typed records.

The records decode from the JSON of https://models.dev as it is; a fact the catalogue leaves out is None here.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field

from msgflux_like.catalog.cost import ModelCost

Tokens = Annotated[int, Meta(ge=0)]


class Capabilities(Struct, frozen=True):
    """What a model can do. None: the catalogue does not say.

    Attributes:
        tool_call: It calls tools.
        structured_output: It keeps to a JSON schema.
        reasoning: It reasons before it answers.
        attachment: It takes files.
        temperature: It takes the parameter; False means that a request with it is refused.
    """

    tool_call: bool | None = None
    structured_output: bool | None = None
    reasoning: bool | None = None
    attachment: bool | None = None
    temperature: bool | None = None


class Modalities(Struct, frozen=True, omit_defaults=True, gc=False, rename=lambda name: name.removeprefix("_")):
    """Kinds of content a model takes and gives: "text", "image", "audio", "video", "pdf"."""

    _input: tuple[str, ...] = ()
    _output: tuple[str, ...] = ()

    @property
    def input(self) -> list[str]:
        """What it takes; a list of your own."""
        return list(self._input)

    @property
    def output(self) -> list[str]:
        """What it gives; a list of your own."""
        return list(self._output)

    def __repr__(self) -> str:
        return f"Modalities(input={self.input}, output={self.output})"


class Limits(Struct, frozen=True, omit_defaults=True, gc=False):
    """Sizes in tokens. None: not known, which the catalogue also writes as 0.

    Attributes:
        context: Input and output together.
        input: Input alone, where that is less.
        output: Output alone, with reasoning.
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
    """One way to say how much to reason.

    Attributes:
        type: "toggle" (on or off), "effort" (a word), "budget_tokens" (a number of tokens).
        values: The words, for "effort"; a None among them means that leaving it out is one.
        min_tokens: Least budget, for "budget_tokens"; -1 lets the model choose.
        max_tokens: Greatest budget, for "budget_tokens".
    """

    type: str
    values: tuple[str | None, ...] = ()
    min_tokens: int | None = field(name="min", default=None)
    max_tokens: int | None = field(name="max", default=None)


class Interleaved(Struct, frozen=True, omit_defaults=True, gc=False):
    """The reply's field that holds reasoning between tool calls and must be sent back, such as `reasoning_content`."""

    field: str


class ProviderOverride(Struct, frozen=True, omit_defaults=True, gc=False):
    """How one model, or one mode of it, is reached differently from the provider's others. None: no different.

    Attributes:
        npm: The adapter's npm package, which tells the wire dialect.
        api: Base URL; may hold `${VARIABLE}`.
        shape: "responses" or "completions", where the dialect has both.
        body: Fields for the request's body.
        headers: Headers for the request.
    """

    npm: str | None = None
    api: str | None = None
    shape: str | None = None
    body: dict[str, Any] | None = None
    headers: dict[str, str] | None = None


class Mode(Struct, frozen=True, omit_defaults=True, gc=False):
    """An experimental way to call a model, such as "fast", with its own prices (None: those of the model)."""

    cost: ModelCost | None = None
    provider_override: ProviderOverride | None = field(name="provider", default=None)


class Experimental(Struct, frozen=True, omit_defaults=True, gc=False):
    """What of a model may change without notice."""

    modes: dict[str, Mode] = {}


_MODEL_FIELDS = {"limits": "limit", "provider_override": "provider"}


class ModelProfile(
    Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    gc=False,  # JSON makes no cycles, and 8,000 records of them would be walked at every collection
    rename=lambda name: _MODEL_FIELDS.get(name, name.removeprefix("_")),
):
    """One model at one provider, as the catalogue describes it. None: the catalogue does not say.

    Attributes:
        id: The model's id, as the provider spells it.
        provider_id: The provider's id, as in `provider/model`.
        name: For people.
        description: One sentence, for people.
        family: Models of one kind share it, such as "claude-opus".
        canonical_model_id: The model itself as `lab/model`, the same at every provider; see `get_same_models`.
        modalities: What it takes and gives.
        limits: Sizes, in tokens.
        cost: Prices, in US dollars per million tokens; None when they are not known, so there is nothing to calculate.
        knowledge: End of the training data, `YYYY-MM` or `YYYY-MM-DD`.
        release_date: `YYYY-MM` or `YYYY-MM-DD`.
        last_updated: `YYYY-MM` or `YYYY-MM-DD`.
        open_weights: Whether the weights are published.
        status: "alpha", "beta" or "deprecated"; None when the catalogue marks none.
        reasoning_options: How reasoning is asked for; empty when it cannot be steered.
        interleaved: Whether, or in which field, reasoning goes between tool calls.
        provider_override: How it is reached differently from the provider's other models.
        retired_on: The last day the catalogue is known to have listed it; None while it does.
        gone_by: A day by which the catalogue listed it no more; None while it does.
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

    # Not the catalogue's: set by `decode_model`.
    provider_id: str = ""
    retired_on: date | None = None
    gone_by: date | None = None
    _source: msgspec.Raw = msgspec.Raw(b"{}")

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
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
        """The model's entry in the catalogue's `api.json`, whole; a dict of your own."""
        return msgspec.json.decode(self._source, type=dict[str, Any])

    def __hash__(self) -> int:
        return hash((self.provider_id, self.id))

    def __repr__(self) -> str:
        shown = ("id", "provider_id", "name", "capabilities", "modalities", "limits", "cost", "retired_on")
        return f"ModelProfile({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"


class ProviderProfile(Struct, frozen=True, kw_only=True):
    """A provider, as the catalogue describes it.

    Attributes:
        id: As in `provider/model`.
        name: For people.
        npm: The adapter's npm package, which tells the wire dialect.
        env: Environment variables it is set up with; a key is among them, not always the first.
        doc: URL of its documentation.
        api: Base URL, where the adapter does not imply it; may hold `${VARIABLE}`.
        models: Ids of its models, as it spells them.
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
    """The record of one model from its JSON.

    Raises:
        msgspec.DecodeError: It is not of the catalogue's form; the text names the place.
    """
    profile = _decoder.decode(source)
    # The record is nobody else's yet. `msgspec.structs.replace` would copy all its fields, 8,000 times over.
    set_field = msgspec.structs.force_setattr
    set_field(profile, "provider_id", provider_id)
    set_field(profile, "_source", source)
    set_field(profile, "retired_on", retired_on)
    set_field(profile, "gone_by", gone_by)
    return profile
