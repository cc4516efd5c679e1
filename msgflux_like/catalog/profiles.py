"""Look-up of models and providers in the catalogue, offline.

    get_model_profile("gpt-4o", provider_id="openai").cost.output_per_million

The facts come from https://models.dev. A snapshot ships with the package, and `models.profiles.refresh_profiles`
fetches a newer one. Nothing in this module opens a connection or writes a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from math import inf
from typing import Any, Literal

from msgspec import Struct

from msgflux_like._paths import data_folder
from msgflux_like._validate import check_choice, check_number, check_string, did_you_mean, require
from msgflux_like.catalog.active_snapshot import active_snapshot
from msgflux_like.catalog.cost import CostBreakdown, ModelCost
from msgflux_like.catalog.model_profile import (
    Capabilities,
    Limits,
    Modalities,
    Mode,
    ModelProfile,
    ProviderOverride,
    ProviderProfile,
    ReasoningOption,
)
from msgflux_like.catalog.snapshot_reader import Snapshot, SnapshotError
from msgflux_like.errors import InvalidRequestError, UnknownProviderError

__all__ = [
    "PROVIDER_ALIASES",
    "Capabilities",
    "CostBreakdown",
    "Limits",
    "Modalities",
    "Mode",
    "ModelCost",
    "ModelProfile",
    "ProviderOverride",
    "ProviderProfile",
    "ReasoningOption",
    "SnapshotError",
    "SnapshotInfo",
    "all_profiles",
    "get_model_profile",
    "get_provider_profile",
    "get_same_models",
    "provider_ids",
    "reload_profiles",
    "search_profiles",
    "snapshot_info",
]

PROVIDER_ALIASES: Mapping[str, str | None] = {
    "azure-openai": "azure",
    "bedrock": "amazon-bedrock",
    "dashscope": "alibaba",
    "fireworks": "fireworks-ai",
    "gemini": "google",
    "mistralai": "mistral",
    "moonshot": "moonshotai",
    "novita": "novita-ai",
    "together": "togetherai",
    "vertex": "google-vertex",
    # These serve whatever was loaded into them: no catalogue can say what that accepts or costs.
    "bud": None,
    "foundry-local": None,
    "local": None,
    "ollama": None,
    "vllm": None,
}
"""Other names of providers -> the catalogue's id; None for a provider that the catalogue cannot describe.

Underscores are equivalent to hyphens.
"""

Sort = Literal["name", "price", "context", "date"]


class SnapshotInfo(Struct, frozen=True):
    """The origin of the profiles in use.

    Attributes:
        folder: Path of the folder they are read from.
        refreshed: True for fetched profiles, False for those that ship with the package.
        newest_entry: Day of the latest change in them.
        sha256: SHA-256 of the `api.json` that they were made from.
        problem: Why fetched profiles are not used; None if they are, or if there are none.
    """

    folder: str
    refreshed: bool
    newest_entry: date
    sha256: str
    problem: str | None = None


def reload_profiles() -> None:
    """Look for fetched profiles again, for example after another process has refreshed them.

    Example:
        >>> reload_profiles()
    """
    active_snapshot.reset()


def snapshot_info() -> SnapshotInfo:
    """Return the origin and the age of the profiles in use.

    Raises:
        SnapshotError: The profiles that ship with the package are damaged.

    Example:
        >>> snapshot_info().newest_entry.year >= 2026
        True
    """
    snapshot, index = active_snapshot.ask(lambda snapshot: (snapshot, snapshot.index))
    return SnapshotInfo(
        folder=str(snapshot.folder),
        refreshed=snapshot.folder != data_folder("profiles"),
        newest_entry=index.newest_entry,
        sha256=index.sha256,
        problem=active_snapshot.problem,
    )


def get_model_profile(model_id: str, provider_id: str | None = None) -> ModelProfile | None:
    """Return the profile of a model.

    Without `provider_id`, the result is the first of these:

    1. the model with the path `provider/model`, if `model_id` has that form;
    2. the model with that id at the preferred provider: the lab that made the model, else a provider with a price for
       it, else any provider, in each case the first by name;
    3. the model with the canonical id `lab/model`, if `model_id` has that form, at the preferred provider;
    4. the first match by 1 or 2 among the retired models, which have `retired_on` set.

    Args:
        model_id: Id of the model; without `provider_id` also a path or a canonical id.
        provider_id: Id of the provider, or one of `PROVIDER_ALIASES`; default: any provider, by the rules above.

    Returns:
        The profile; None if the model is not known.

    Raises:
        SnapshotError: The profiles that ship with the package are damaged.

    Example:
        >>> get_model_profile("gpt-4o", provider_id="openai").limits.context
        128000
        >>> get_model_profile("gpt-4o").provider_id
        'openai'
        >>> get_model_profile("no-such-model") is None
        True
    """
    if provider_id is None:
        return active_snapshot.ask(lambda snapshot: _find(snapshot, model_id))
    known_as = _catalogue_id(provider_id)
    if known_as is None:
        return None
    return active_snapshot.ask(
        lambda snapshot: snapshot.model(known_as, model_id) or snapshot.retired_model(known_as, model_id)
    )


def get_provider_profile(provider_id: str) -> ProviderProfile | None:
    """Return the profile of a provider.

    Args:
        provider_id: Id of the provider, or one of `PROVIDER_ALIASES`.

    Returns:
        The profile; None if the provider is not known or no longer listed.

    Raises:
        SnapshotError: The profiles that ship with the package are damaged.

    Example:
        >>> get_provider_profile("together").env
        ('TOGETHER_API_KEY',)
    """
    known_as = _catalogue_id(provider_id)
    return None if known_as is None else active_snapshot.ask(lambda snapshot: snapshot.provider(known_as))


def get_same_models(model: ModelProfile | str) -> tuple[ModelProfile, ...]:
    """Return every listing of one model, at all providers.

    Args:
        model: Profile of any of the listings, or the canonical id `lab/model`.

    Returns:
        The profiles, in the order of preference of `get_model_profile`; empty if no listing has that canonical id.

    Raises:
        SnapshotError: The profiles that ship with the package are damaged.

    Example:
        >>> [profile.provider_id for profile in get_same_models("openai/gpt-4o")][:2]
        ['openai', 'abacus']
    """
    name = model if isinstance(model, str) else model.canonical_model_id or f"{model.provider_id}/{model.id}"

    def listings(snapshot: Snapshot) -> tuple[ModelProfile, ...]:
        found = (snapshot.model(provider_id, model_id) for provider_id, model_id in snapshot.same(name))
        return tuple(profile for profile in found if profile)

    return active_snapshot.ask(listings)


def provider_ids() -> tuple[str, ...]:
    """Return the ids of all providers of the catalogue, in alphabetical order.

    Raises:
        SnapshotError: The profiles that ship with the package are damaged.

    Example:
        >>> "anthropic" in provider_ids()
        True
    """
    return active_snapshot.ask(lambda snapshot: tuple(sorted(snapshot.index.providers)))


def all_profiles(*, retired: bool = False) -> tuple[ModelProfile, ...]:
    """Return the profiles of all models of all providers.

    Args:
        retired: Whether to include models that have left the catalogue; default: False.

    Raises:
        SnapshotError: The profiles that ship with the package are damaged.

    Example:
        >>> len(all_profiles(retired=True)) > len(all_profiles()) > 1000
        True
    """
    return active_snapshot.ask(lambda snapshot: (*snapshot.models(), *(snapshot.retired_models() if retired else ())))


def search_profiles(
    text: str | None = None,
    *,
    provider: str | Sequence[str] | None = None,
    tools: bool | None = None,
    reasoning: bool | None = None,
    structured_output: bool | None = None,
    input_modalities: str | Sequence[str] | None = None,
    output_modalities: str | Sequence[str] | None = None,
    open_weights: bool | None = None,
    max_input_per_million: float | None = None,
    max_output_per_million: float | None = None,
    min_context_tokens: int | None = None,
    min_output_tokens: int | None = None,
    released_after: date | str | None = None,
    status: str | None = None,
    retired: bool = False,
    sort: Sort = "name",
) -> tuple[ModelProfile, ...]:
    """Return the models that meet all conditions. A fact that is not known of a model never meets one.

    Args:
        text: Words that all occur in `provider/model`, name or family, in any case.
        provider: One provider or several.
        tools: Whether it calls tools.
        reasoning: Whether it reasons.
        structured_output: Whether it supports JSON schemas; False finds the models whose profile states False.
        input_modalities: What it must take: one of "text", "image", "audio", "video", "pdf", or several.
        output_modalities: What it must give.
        open_weights: Whether its weights are published.
        max_input_per_million: US dollars per million input tokens, at most; models without a known price do not pass.
        max_output_per_million: The same for output.
        min_context_tokens: Context, at least.
        min_output_tokens: Longest answer, at least.
        released_after: A date, or text as `YYYY-MM-DD`; where only the month is known, all of
            it must be later.
        status: "alpha", "beta", "deprecated", or "stable" for those that the catalogue marks as none of these.
        retired: Look among the models as well that have left the catalogue.
        sort: "name" (provider, then model), "price" (input plus output; unknown last), "context" (longest first),
            "date" (newest first).

    Raises:
        InvalidRequestError: If a value is not one of those above, or has the wrong type; the message lists them, or
            suggests similar names.
        UnknownProviderError: If the catalogue has no such provider; the message suggests similar names.

    >>> cheapest = search_profiles("haiku", provider="anthropic", tools=True, sort="price")[0]
    >>> cheapest.provider_id, cheapest.capabilities.tool_call
    ('anthropic', True)
    """
    check_choice("sort", sort, tuple(_SORTS))
    if status is not None:
        check_choice("status", status, _STATUSES)
    limits = {
        "max_input_per_million": max_input_per_million,
        "max_output_per_million": max_output_per_million,
        "min_context_tokens": min_context_tokens,
        "min_output_tokens": min_output_tokens,
    }
    for name, limit in limits.items():
        if limit is not None and limit != inf:
            check_number(name, limit, "a number of at least 0", low=0)
    words = ("" if text is None else check_string("text", text)).casefold().split()
    takes = _modalities("input_modalities", input_modalities)
    gives = _modalities("output_modalities", output_modalities)
    most_in, most_out = _or(max_input_per_million, inf), _or(max_output_per_million, inf)
    least_context, least_output = _or(min_context_tokens, 0), _or(min_output_tokens, 0)
    after = "" if released_after is None else _iso_date(released_after)
    conditions: list[tuple[Any, Callable[[ModelProfile], bool]]] = [
        (tools, lambda found: found.capabilities.tool_call is tools),
        (reasoning, lambda found: found.capabilities.reasoning is reasoning),
        (structured_output, lambda found: found.capabilities.structured_output is structured_output),
        (open_weights, lambda found: found.open_weights is open_weights),
        (input_modalities, lambda found: takes <= set(found.modalities.input)),
        (output_modalities, lambda found: gives <= set(found.modalities.output)),
        (max_input_per_million, lambda found: found.cost is not None and found.cost.input_per_million <= most_in),
        (max_output_per_million, lambda found: found.cost is not None and found.cost.output_per_million <= most_out),
        (min_context_tokens, lambda found: _or(found.limits.context, -1) >= least_context),
        (min_output_tokens, lambda found: _or(found.limits.output, -1) >= least_output),
        (released_after, lambda found: (found.release_date or "") > after),
        (status, lambda found: (found.status or "stable") == status),
        (text, lambda found: all(word in _searched_text(found) for word in words)),
    ]
    tests = [test for condition, test in conditions if condition is not None]
    profiles = _candidates(provider, retired=retired)
    found = [profile for profile in profiles if all(test(profile) for test in tests)]
    key, greatest_first = _SORTS[sort]
    return tuple(sorted(sorted(found, key=_by_name), key=key, reverse=greatest_first))


_STATUSES = ("alpha", "beta", "deprecated", "stable")
_MODALITIES = ("text", "image", "audio", "video", "pdf")


def _modalities(argument: str, given: str | Sequence[str] | None) -> frozenset[str]:
    """Return the names of modalities, if there are such."""
    names = _names(argument, given)
    for name in sorted(names):
        check_choice(argument, name, _MODALITIES)
    return names


def _iso_date(given: date | str) -> str:
    """Return the ISO form of a date, which sorts as dates do."""
    try:
        return (given if isinstance(given, date) else date.fromisoformat(given)).isoformat()[:10]
    except (TypeError, ValueError):
        raise InvalidRequestError(f"released_after must be a date, or a string YYYY-MM-DD, not {given!r}") from None


def _by_name(found: ModelProfile) -> tuple[str, str]:
    return found.provider_id, found.id


_SORTS: Mapping[str, tuple[Callable[[ModelProfile], Any], bool]] = {
    "name": (_by_name, False),
    "price": (lambda found: found.cost.input_per_million + found.cost.output_per_million if found.cost else inf, False),
    "context": (lambda found: found.limits.context or 0, True),
    "date": (lambda found: found.release_date or "", True),
}
"""Sort key of each order, and whether it is descending. Equal models are sorted by name."""


def _find(snapshot: Snapshot, model_id: str) -> ModelProfile | None:
    """Return the preferred listing of `model_id`, by the rules of `get_model_profile`."""
    provider_id, slash, own_id = model_id.partition("/")
    provider_id = _catalogue_id(provider_id) if slash else None
    if provider_id and (found := snapshot.model(provider_id, own_id)):
        return found
    if listed_by := next(snapshot.listings(model_id), None):
        return snapshot.model(listed_by, model_id)
    if slash and (listing := next(snapshot.same(model_id), None)):
        return snapshot.model(*listing)
    if provider_id and (found := snapshot.retired_model(provider_id, own_id)):
        return found
    left = next(snapshot.retired_listings(model_id), None)
    return snapshot.retired_model(left, model_id) if left else None


def _catalogue_id(provider_id: str) -> str | None:
    return PROVIDER_ALIASES.get(provider_id.replace("_", "-"), provider_id)


def _candidates(provider: str | Sequence[str] | None, *, retired: bool) -> tuple[ModelProfile, ...]:
    if provider is None:
        return all_profiles(retired=retired)
    names = _names("provider", provider)
    wanted_ids = sorted({known_as for name in names if (known_as := _catalogue_id(name))})
    known = provider_ids()
    for name in sorted(names):
        known_as = _catalogue_id(name)
        if known_as is not None and known_as not in known and not _has_retired_models(known_as):
            raise UnknownProviderError(
                f"there is no provider {name!r}{did_you_mean(name, (*known, *PROVIDER_ALIASES))}"
            )

    def models(snapshot: Snapshot) -> tuple[ModelProfile, ...]:
        listed = (found for provider_id in wanted_ids for found in snapshot.models_of(provider_id))
        left = (found for provider_id in wanted_ids for found in snapshot.retired_models_of(provider_id))
        return (*listed, *(left if retired else ()))

    return active_snapshot.ask(models)


def _has_retired_models(provider_id: str) -> bool:
    return active_snapshot.ask(lambda snapshot: any(True for _ in snapshot.retired_models_of(provider_id)))


def _names(argument: str, given: Any) -> frozenset[str]:
    """Return one name or several as a set."""
    if isinstance(given, str):
        return frozenset([given])
    is_list = given is None or isinstance(given, Iterable)
    expected = "a string or a list of strings"
    names: Iterable[Any] = require(argument, given, expected, is_right=is_list) or ()
    return frozenset(check_string(argument, name) for name in names)


def _or(value: float | None, otherwise: float) -> float:
    """Return `value`, or `otherwise` if it is None."""
    return otherwise if value is None else value


def _searched_text(found: ModelProfile) -> str:
    return f"{found.provider_id}/{found.id} {found.name} {found.family or ''}".casefold()
