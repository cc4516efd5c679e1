"""Resolution of a path such as "openai/gpt-4o" to a provider row.

Theory of operation

A path is split at its first slash into the name of a provider and the id of a model. The row of the provider is the
first of these:

1. `<config folder>/providers/<name>.toml`, a row that the user wrote;
2. `providers/<name>.toml`, a row that comes with this package;
3. an entry point of an installed package, in the group `msgflux_like.providers`;
4. a row derived from the provider's entry in the catalogue (see `derive`).

A row of kind 2 is then adjusted to the model: if the catalogue says that this one model has another host or package,
its row is derived too, but keeps the written row's key. Any written row may use another dialect for some of its models
(`other_dialects`). Only the row that is asked for is read, so that a broken row affects its own provider alone. Rows
are cached for the life of the process; `forget_rows` drops them.

Errors suggest what was probably meant: similar names, another provider of the same model, or a retired model's
successor.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from msgflux_like._paths import config_folder, data_folder
from msgflux_like._validate import did_you_mean
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
from msgflux_like.providers.environment import with_variables

ENTRY_POINTS = "msgflux_like.providers"
"""Group of entry points. The name is the provider's; the object is a `Provider`, or the path of a row's file."""


def split_path(path: Any) -> tuple[str, str]:
    """Split `provider/model` at its first slash; model ids may contain further slashes.

    Raises:
        UnknownModelError: The path has another form; the message suggests what was probably meant.
    """
    if not isinstance(path, str):
        raise UnknownModelError(f"a model path must be a string such as 'openai/gpt-4o'; got {type(path).__name__}")
    provider, slash, model = path.partition("/")
    if not slash or not provider or not model or model != model.strip():
        raise UnknownModelError(f"{path!r} does not name a model: write provider/model{_suggest_path(path)}")
    return provider, model


def find_provider(name: str, model: str, kind: str = "chat_completion") -> Provider:
    """Return the row of a provider for one model.

    Args:
        name: Name of the provider.
        model: Id of the model; "" for none in particular.
        kind: Kind of model that is wanted, for the error message; default: "chat_completion".

    Raises:
        UnknownProviderError: There is no such provider; the message suggests similar names.
        UnsupportedError: The provider's protocol is not supported; the message lists other providers of the model.
    """
    try:
        return find_row(name, model, kind)
    except UnsupportedError as error:
        raise UnsupportedError(f"{error}{_other_providers(get_model_profile(model, name))}") from None


def find_row(name: str, model: str, kind: str = "chat_completion") -> Provider:
    """Return the row as `find_provider` does, but do not list other providers of the model in errors."""
    row = _written_row(name)
    if row is not None:
        return _row_of_relocated_model(row, model) or _with_dialect_for(row, model)
    provider = get_provider_profile(name)
    if provider is None:
        raise UnknownProviderError(
            f"Provider `{name}` not registered for type `{kind}`{did_you_mean(name, provider_names())}"
        )
    from msgflux_like.providers import derive  # noqa: PLC0415  the adapters' table, for providers without a row

    derived = derive.derive(provider, get_model_profile(model, provider.id))
    return with_variables(msgspec.structs.replace(derived, name=name))


def provider_names() -> tuple[str, ...]:
    """Return all names that `find_provider` knows, in alphabetical order."""
    return tuple(
        sorted(
            {*_row_names(data_folder("providers")), *_row_names(_user_folder()), *_installed_names(), *provider_ids()}
        )
    )


def explain_missing_key(error: MissingKeyError, model: ModelProfile | None) -> MissingKeyError:
    """Return the error with other providers of the model added, those whose key is set first."""
    return MissingKeyError(f"{error}{_other_providers(model)}")


def explain_unknown_model(provider: str, model: str) -> str:
    """Explain why a provider may not know a model: a typo, another provider's, or a retired one; "" if unknown."""
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
    other = get_model_profile(model)
    if other is not None and other.retired_on is None:
        return f"no model {model!r} is known at {provider}: it is at {other.provider_id}/{other.id}"
    return ""


def _row_of_relocated_model(row: Provider, model: str) -> Provider | None:
    """Return the derived row of a model that the catalogue lists at another host than its provider's; else None.

    The key stays that of the written row. Applies to this package's rows only: a user's row overrides the catalogue.
    """
    if row.name not in _row_names(data_folder("providers")) or row.name in _row_names(_user_folder()):
        return None
    listed, provider = get_model_profile(model, row.name), get_provider_profile(row.name)
    override = listed.provider_override if listed is not None else None
    if provider is None or override is None or not (override.npm or override.api):
        return None
    from msgflux_like.providers import derive  # noqa: PLC0415  needed for few models

    derived = derive.derive(provider, listed)
    return msgspec.structs.replace(derived, docs=row.docs, api_key_env=row.api_key_env, token_env=row.token_env)


def _with_dialect_for(row: Provider, model: str) -> Provider:
    for dialect, prefixes in row.other_dialects.items():
        if model.startswith(prefixes):
            return with_dialect(row, dialect)
    return row


@cache
def _written_row(name: str) -> Provider | None:
    """Return the written row of a provider, of kind 1 to 3 in the order above; None if there is none."""
    for folder in (_user_folder(), data_folder("providers")):
        if name in _row_names(folder):
            row = read_row(folder / f"{name}.toml")
            return row if folder == _user_folder() else with_variables(row)
    if name in _installed_names():
        return _installed_row(name)
    return None


def forget_rows() -> None:
    """Drop cached rows, so that a row that was added or changed while this process runs is read."""
    for cached in (_written_row, _row_names, _installed_names):
        cached.cache_clear()


def _user_folder() -> Path:
    return config_folder() / "providers"


@cache
def _row_names(folder: Path) -> frozenset[str]:
    return frozenset(file.stem for file in folder.glob("*.toml"))


@cache
def _installed_names() -> frozenset[str]:
    from importlib.metadata import entry_points  # noqa: PLC0415  slow, and needed only for names that are not found otherwise

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


def _suggest_path(path: str) -> str:
    """Return the end of the message for a path without a provider."""
    if path in _row_names(data_folder("providers")) or path in provider_ids():
        return f" ({path!r} is the name of a provider)"
    if (exact := get_model_profile(path)) is not None:
        return f": did you mean {exact.provider_id}/{exact.id}?"
    # Only the labs' own listings: with those of forty gateways, each model would be suggested forty times.
    labs = [f"{model.provider_id}/{model.id}" for model in search_profiles(provider=("openai", "anthropic", "google"))]
    typo = did_you_mean(path, [name.partition("/")[2] for name in labs])
    if not typo.startswith(":"):
        return ", such as 'openai/gpt-4o'"
    full = {name.partition("/")[2]: name for name in labs}
    names = typo.removeprefix(": did you mean ").removesuffix("?").split(" or ")
    return f": did you mean {' or '.join(full[name] for name in names)}?"


def _other_providers(model: ModelProfile | None) -> str:
    """Return the end of a message with up to three other providers of the model, those whose key is set first."""
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
        return f"; the same model is available from {', '.join(ready)}"
    if others:
        return f"; the same model is also offered by {', '.join(others[:3])}"
    return ""


def _successor(model: ModelProfile) -> str:
    """Return the end of a message with the newest model of the same family at the same provider."""
    family = [
        other
        for other in search_profiles(provider=model.provider_id, sort="date")
        if other.family == model.family and model.family
    ]
    return f"; {family[0].provider_id}/{family[0].id} is the newest of its family" if family else ""
