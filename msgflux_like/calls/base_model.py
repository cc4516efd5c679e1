"""The model behind a name: the caller says it, or the name contains it (fine-tunes, snapshots, inference profiles)."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from msgflux_like.catalog.model_names import base_ids, is_fine_tuned, is_opaque
from msgflux_like.catalog.model_rules import ModelRules, rules_of
from msgflux_like.catalog.profiles import ModelProfile, get_model_profile
from msgflux_like.errors import UnknownModelError


class ModelFacts(Struct, frozen=True):
    """Facts about the model that answers.

    Attributes:
        model_id: Id of the base model, as its provider spells it; the id of the model itself if it has no base model.
        profile: Entry of the base model in the catalogue; None if there is none.
        rules: Rules that apply to it.
        is_opaque: True if nothing identifies the model.
    """

    model_id: str
    profile: ModelProfile | None
    rules: ModelRules
    is_opaque: bool = False


def facts_of(
    provider: str, model_id: str, base_model: str | None = None, profile: ModelProfile | None = None
) -> ModelFacts:
    """Return the facts of a model.

    Args:
        provider: Name of the provider that serves the model.
        model_id: Id of the model there.
        base_model: The model behind the id, if the caller says it: an id of the same provider, or a path.
        profile: Profile of the model behind the id, if the caller says it.

    Raises:
        UnknownModelError: The catalogue has no `base_model`.
    """
    at = provider.removesuffix("-responses")
    if profile is not None:
        return ModelFacts(profile.id, profile, rules_of(provider, profile.id))
    if base_model is not None:
        found = _find(at, base_model) or get_model_profile(base_model)
        if found is None:
            raise UnknownModelError(
                f"base_model: no model {base_model!r} is known: use the id of a model of {provider}, or a path such as "
                f"'openai/gpt-4o'"
            )
        return ModelFacts(found.id, found, rules_of(provider, found.id))
    found = get_model_profile(model_id, at) or _find(at, model_id)
    if found is not None and is_fine_tuned(model_id):
        found = replace(found, cost=None)  # the price of a fine-tuned model is another
    listed = found.id if found is not None else next(base_ids(model_id), model_id)
    return ModelFacts(listed, found, rules_of(provider, listed), is_opaque(model_id))


def _find(provider: str, model_id: str) -> ModelProfile | None:
    """Return the entry of the model, or of the model that its name contains."""
    if (found := get_model_profile(model_id, provider)) is not None:
        return found
    return next((found for each in base_ids(model_id) if (found := get_model_profile(each, provider))), None)
