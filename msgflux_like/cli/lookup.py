"""Look-up of the models and providers that a command names, with suggestions for unknown names."""

from __future__ import annotations

from msgflux_like._validate import did_you_mean
from msgflux_like.catalog.profiles import ModelProfile, get_model_profile, get_provider_profile, search_profiles
from msgflux_like.errors import UnknownModelError, UnknownProviderError
from msgflux_like.providers import resolve


def find_model(path: str) -> ModelProfile:
    """Return the profile of `provider/model`, including retired models.

    Raises:
        UnknownModelError: The provider has no such model; the message suggests similar names.
        UnknownProviderError: There is no such provider; the message suggests similar names.
    """
    provider, model = resolve.split_path(path)
    if (profile := get_model_profile(model, provider)) is not None:
        return profile
    check_provider(provider)
    raise UnknownModelError(
        resolve.explain_unknown_model(provider, model) or f"the catalogue lists no model {model!r} at {provider}"
    )


def check_provider(name: str) -> None:
    """Raise UnknownProviderError, with similar names or the reason, for a provider without models in the catalogue."""
    if get_provider_profile(name) is not None or search_profiles(provider=name, retired=True):
        return
    names = resolve.provider_names()
    if name in names:
        raise UnknownProviderError(f"the catalogue does not list what {name} serves")
    raise UnknownProviderError(f"there is no provider {name!r}{did_you_mean(name, names)}")
