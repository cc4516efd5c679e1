"""Profiles of models: what every known model can do, accept and cost, looked up offline.

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
    """Fetch the catalogue, check it, and use it from now on; this process at once, others when they start.

    Args:
        url: Of an `api.json`; else `MSGFLUX_LIKE_PROFILES_URL`, else https://models.dev/api.json.
        fetch: How to get it, in place of `msgflux_like._http.fetch`: given the URL and headers, it answers with
            status, headers (names in lower case) and body.

    Raises:
        InvalidRequestError: The URL is neither https nor of this machine.
        APIError: It could not be fetched; the class says why.
        SnapshotError: The answer is no catalogue, or less than half of the one in use.
        OSError: The cache folder cannot be written to.

    Whatever is raised, the profiles in use stay as they were.
    """
    from msgflux_like.catalog import snapshot_refresh  # noqa: PLC0415  looking something up needs none of it

    if fetch is None:
        from msgflux_like._http.fetch import fetch  # noqa: PLC0415  looking something up needs no network
    return snapshot_refresh.refresh_profiles(fetch=fetch, url=url)
