"""Finding what a command names: a model or a provider of the catalogue, or an error with what was probably meant."""

from __future__ import annotations

from msgflux_like._suggest import did_you_mean
from msgflux_like.catalog.profiles import ModelProfile, get_model_profile, get_provider_profile, search_profiles
from msgflux_like.errors import UnknownModelError, UnknownProviderError
from msgflux_like.providers import resolve


def find_model(path: str) -> ModelProfile:
    """The profile of `provider/model`, also of one that has left the catalogue.

    Raises UnknownModelError or UnknownProviderError with near names.
    """
    provider, model = resolve.split_path(path)
    if (profile := get_model_profile(model, provider)) is not None:
        return profile
    check_provider(provider)
    raise UnknownModelError(
        resolve.explain_unknown_model(provider, model) or f"the catalogue lists no model {model!r} at {provider}"
    )


def check_provider(name: str) -> None:
    """UnknownProviderError, with near names or the reason, for a provider that never had models in the catalogue."""
    if get_provider_profile(name) is not None or search_profiles(provider=name, retired=True):
        return
    names = resolve.provider_names()
    if name in names:
        raise UnknownProviderError(f"the catalogue does not list what {name} serves")
    raise UnknownProviderError(f"there is no provider {name!r}{did_you_mean(name, names)}")
