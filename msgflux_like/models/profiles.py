"""Public interface to the profiles of models: capabilities, limits and prices, looked up offline.

    get_model_profile("gpt-4o", provider_id="openai").cost.output_per_million

The look-ups are in `msgflux_like.catalog`; `refresh_profiles` alone uses the network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgflux_like.catalog.profiles import (
    PROVIDER_ALIASES,
    Capabilities,
    CostBreakdown,
    Limits,
    Modalities,
    Mode,
    ModelCost,
    ModelProfile,
    ProviderOverride,
    ProviderProfile,
    ReasoningOption,
    SnapshotError,
    SnapshotInfo,
    all_profiles,
    get_model_profile,
    get_provider_profile,
    get_same_models,
    provider_ids,
    reload_profiles,
    search_profiles,
    snapshot_info,
)

if TYPE_CHECKING:
    from msgflux_like.catalog.snapshot_refresh import Fetch, RefreshReport

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
    "refresh_profiles",
    "reload_profiles",
    "search_profiles",
    "snapshot_info",
]


def refresh_profiles(*, url: str | None = None, fetch: Fetch | None = None) -> RefreshReport:
    """Fetch the newest catalogue, check it, and store it in the user's cache folder.

    This process uses it at once, other processes when they start. After an error, the profiles in use are unchanged.

    Args:
        url: URL of an `api.json`; default: the variable `MSGFLUX_LIKE_PROFILES_URL`, else
            https://models.dev/api.json.
        fetch: Function that takes a URL and headers and returns status, headers (names in lower case) and body;
            default: this package's HTTP client.

    Returns:
        The number of models and providers, and the differences from the profiles that were in use before.

    Raises:
        InvalidRequestError: The URL is neither https nor on this machine.
        APIError: The catalogue could not be fetched; the class says why.
        SnapshotError: The reply is not a catalogue, or has less than half of the models of the one in use.
        OSError: The cache folder cannot be written.

    Example:
        >>> report = refresh_profiles()  # doctest: +SKIP
        >>> report.diff.added  # doctest: +SKIP
        ('openai/gpt-6',)
    """
    from msgflux_like.catalog import snapshot_refresh  # noqa: PLC0415  look-ups do not need it

    if fetch is None:
        from msgflux_like._http.fetch import fetch  # noqa: PLC0415  look-ups need no network
    return snapshot_refresh.refresh_profiles(fetch=fetch, url=url)
