"""From `provider/model` to a provider row, or to an error that says what was probably meant.

The order: the user's own rows, the rows of this package, those of installed packages, then whatever the catalogue
lists. A provider that is in none of them does not exist.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from msgflux_like._paths import config_folder, data_folder
from msgflux_like._suggest import did_you_mean
from msgflux_like.catalog.profiles import (
    ModelProfile,
    get_model_profile,
    get_provider_profile,
    get_same_models,
    provider_ids,
    search_profiles,
)
from msgflux_like.errors import (
    InvalidRequestError,
    MissingKeyError,
    UnknownModelError,
    UnknownProviderError,
    UnsupportedError,
)
from msgflux_like.providers.config import Provider, has_key, read_row, with_dialect

ENTRY_POINTS = "msgflux_like.providers"
"""Group of entry points: the name is the provider's, the object a `Provider`, or the path of a row's file."""


def split_path(path: Any) -> tuple[str, str]:
    """Provider and model of `provider/model`; split at the first slash, so that model ids may hold others.

    Raises UnknownModelError for anything else, with what was probably meant.
    """
    if not isinstance(path, str):
        raise UnknownModelError(f"a model is named by a text like 'openai/gpt-4o', not by {type(path).__name__}")
    provider, slash, model = path.partition("/")
    if not slash or not provider or not model or model != model.strip():
        raise UnknownModelError(f"{path!r} does not name a model: write provider/model{_meant(path)}")
    return provider, model


def find_provider(name: str, model: str, kind: str = "chat_completion") -> Provider:
    """The row of that provider for that model; `kind` is what is wanted of it, for the error.

    Raises UnknownProviderError with near names, or UnsupportedError where the provider speaks a dialect that is not
    built in, with others that serve the model.
    """
    try:
        return find_row(name, model, kind)
    except UnsupportedError as error:
        raise UnsupportedError(f"{error}{_elsewhere(get_model_profile(model, name))}") from None


def find_row(name: str, model: str, kind: str = "chat_completion") -> Provider:
    """The same, without a look at who else serves the model."""
    row = _written_row(name)
    if row is not None:
        return _as_listed(row, model) or _for_model(row, model)
    provider = get_provider_profile(name)
    if provider is None:
        raise UnknownProviderError(
            f"Provider `{name}` not registered for type `{kind}`{did_you_mean(name, provider_names())}"
        )
    from msgflux_like.providers import derive  # noqa: PLC0415  the adapters' table, for providers without a row

    return msgspec.structs.replace(derive.derive(provider, get_model_profile(model, provider.id)), name=name)


def provider_names() -> tuple[str, ...]:
    """All names that `find_provider` knows, installed packages' included."""
    return tuple(sorted({*_rows_of(data_folder("providers")), *_rows_of(_own_rows()), *_installed(), *provider_ids()}))


def explain_missing_key(error: MissingKeyError, model: ModelProfile | None) -> MissingKeyError:
    """The error, with the providers of that model whose key is set."""
    return MissingKeyError(f"{error}{_elsewhere(model)}")


def explain_unknown_model(provider: str, model: str) -> str:
    """Why a provider may not know a model: a typo, a model that is elsewhere, one that has left. "" for no idea."""
    profile = get_model_profile(model, provider)
    if profile is not None and profile.retired_on is not None:
        return f"{provider}/{model} left the catalogue after {profile.retired_on}{_successor(profile)}"
    if profile is not None:
        return ""
    known = get_provider_profile(provider)
    listed = known.models if known else ()
    typo = did_you_mean(model, listed)
    if typo.startswith(":"):
        return f"no model {model!r} is known at {provider}{typo}"
    elsewhere = get_model_profile(model)
    if elsewhere is not None and elsewhere.retired_on is None:
        return f"no model {model!r} is known at {provider}: it is at {elsewhere.provider_id}/{elsewhere.id}"
    return ""


def _as_listed(row: Provider, model: str) -> Provider | None:
    """The row of a model that is served elsewhere than the others of its provider, by the catalogue; the key is theirs.

    A row that is not of this package says of itself where its models are.
    """
    if row.name not in _rows_of(data_folder("providers")) or row.name in _rows_of(_own_rows()):
        return None
    listed, provider = get_model_profile(model, row.name), get_provider_profile(row.name)
    override = listed.provider_override if listed is not None else None
    if provider is None or override is None or not (override.npm or override.api):
        return None
    from msgflux_like.providers import derive  # noqa: PLC0415  for the few

    derived = derive.derive(provider, listed)
    return msgspec.structs.replace(derived, docs=row.docs, api_key_env=row.api_key_env)


def _for_model(row: Provider, model: str) -> Provider:
    for dialect, beginnings in row.other_dialects.items():
        if model.startswith(beginnings):
            return with_dialect(row, dialect)
    return row


@cache
def _written_row(name: str) -> Provider | None:
    """A row that somebody wrote. Others' broken rows do not matter here: only the one that is asked for is read."""
    for folder in (_own_rows(), data_folder("providers")):
        if name in _rows_of(folder):
            return read_row(folder / f"{name}.toml")
    if name in _installed():
        return _installed_row(name)
    return None


def forget_rows() -> None:
    """Read rows anew: a user's row was written or changed while this process runs."""
    for cached in (_written_row, _rows_of, _installed):
        cached.cache_clear()


def _own_rows() -> Path:
    return config_folder() / "providers"


@cache
def _rows_of(folder: Path) -> frozenset[str]:
    return frozenset(file.stem for file in folder.glob("*.toml"))


@cache
def _installed() -> frozenset[str]:
    from importlib.metadata import entry_points  # noqa: PLC0415  slow, and only for names that nothing else knows

    return frozenset(point.name for point in entry_points(group=ENTRY_POINTS))


def _installed_row(name: str) -> Provider:
    from importlib.metadata import entry_points  # noqa: PLC0415

    point = next(iter(entry_points(group=ENTRY_POINTS, name=name)))
    try:
        found: Any = point.load()
    except Exception as error:
        raise InvalidRequestError(
            f"the provider {name!r} of the installed package {point.dist.name if point.dist else '?'} "
            f"cannot be loaded: {type(error).__name__}"
        ) from error
    return found if isinstance(found, Provider) else read_row(Path(found))


def _meant(path: str) -> str:
    """The end of the message for a path without a provider."""
    if path in _rows_of(data_folder("providers")) or path in provider_ids():
        return f" ({path!r} alone is a provider)"
    if (exact := get_model_profile(path)) is not None:
        return f": did you mean {exact.provider_id}/{exact.id}?"
    # The labs' own listings: the same model at forty gateways would hide the others.
    labs = [f"{model.provider_id}/{model.id}" for model in search_profiles(provider=("openai", "anthropic", "google"))]
    typo = did_you_mean(path, [name.partition("/")[2] for name in labs])
    if not typo.startswith(":"):
        return ", like 'openai/gpt-4o'"
    full = {name.partition("/")[2]: name for name in labs}
    names = typo.removeprefix(": did you mean ").removesuffix("?").split(" or ")
    return f": did you mean {' or '.join(full[name] for name in names)}?"


def _elsewhere(model: ModelProfile | None) -> str:
    """Up to three other providers of the model, those whose key is set first."""
    if model is None:
        return ""
    ready: list[str] = []
    others: list[str] = []
    for other in get_same_models(model):
        if other.provider_id == model.provider_id:
            continue
        try:
            row = find_row(other.provider_id, other.id)
        except (UnsupportedError, InvalidRequestError):
            continue
        (ready if has_key(row) else others).append(f"{other.provider_id}/{other.id}")
        if len(ready) == 3:
            break
    if ready:
        return f"; the same model is within reach at {', '.join(ready)}"
    if others:
        return f"; the same model is also at {', '.join(others[:3])}"
    return ""


def _successor(model: ModelProfile) -> str:
    """The newest model of the same family at the same provider."""
    family = [
        other
        for other in search_profiles(provider=model.provider_id, sort="date")
        if other.family == model.family and model.family
    ]
    return f"; {family[0].provider_id}/{family[0].id} is the newest of its family" if family else ""
