"""What changed from one state of the catalogue to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from msgflux_like.catalog.snapshot import read_api
from msgflux_like.catalog.snapshot_reader import Snapshot, SnapshotError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_Entries = dict[str, dict[str, Any]]


class FieldChange(Struct, frozen=True):
    """One field of an entry: its place, such as "cost.input", and its values; None where it was not there."""

    field: str
    old: Any
    new: Any


class EntryChange(Struct, frozen=True):
    """A provider or a model (`provider/model`) that is in both, and what of it changed."""

    path: str
    fields: tuple[FieldChange, ...]


class SnapshotDiff(Struct, frozen=True, kw_only=True):
    """What changed; false when nothing did. A change of a provider's `api` moves where requests and keys go.

    Attributes:
        added: `provider/model` of models that are new.
        removed: `provider/model` of models that are gone.
        changed: Models that changed.
        providers_added: Ids of providers that are new.
        providers_removed: Ids of providers that are gone.
        providers_changed: Providers that changed, other than in their models.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[EntryChange, ...] = ()
    providers_added: tuple[str, ...] = ()
    providers_removed: tuple[str, ...] = ()
    providers_changed: tuple[EntryChange, ...] = ()

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__struct_fields__)


def diff_profiles(old: bytes | Snapshot, new: bytes | Snapshot) -> SnapshotDiff:
    """What changed from `old` to `new`, each a snapshot or the bytes of an `api.json`, all in alphabetical order.

    Raises:
        SnapshotError: One of them cannot be used.
    """
    old_providers, old_models = _entries(old)
    new_providers, new_models = _entries(new)
    return SnapshotDiff(
        added=_missing(new_models, old_models),
        removed=_missing(old_models, new_models),
        changed=tuple(_changes(old_models, new_models)),
        providers_added=_missing(new_providers, old_providers),
        providers_removed=_missing(old_providers, new_providers),
        providers_changed=tuple(_changes(old_providers, new_providers)),
    )


def _entries(source: bytes | Snapshot) -> tuple[_Entries, _Entries]:
    """The providers without their models by id, and the models by `provider/model`."""
    api = read_api(source) if isinstance(source, Snapshot) else source
    try:
        providers = msgspec.json.decode(api, type=_Entries)
        models = {
            f"{provider_id}/{model_id}": model
            for provider_id, provider in providers.items()
            for model_id, model in msgspec.convert(provider.pop("models", {}), _Entries).items()
        }
    except (msgspec.MsgspecError, RecursionError) as error:
        raise SnapshotError(f"not of the catalogue's form: {error}") from error
    return providers, models


def _missing(have: _Entries, other: _Entries) -> tuple[str, ...]:
    return tuple(sorted(have.keys() - other.keys()))


def _changes(old: _Entries, new: _Entries) -> Iterator[EntryChange]:
    for path in sorted(old.keys() & new.keys()):
        if old[path] != new[path]:
            before, after = dict(_flat(old[path])), dict(_flat(new[path]))
            places = sorted(before.keys() | after.keys())
            yield EntryChange(
                path=path,
                fields=tuple(
                    FieldChange(field=place, old=before.get(place), new=after.get(place))
                    for place in places
                    if before.get(place) != after.get(place)
                ),
            )


def _flat(entry: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every value with its dotted place; a list is one value."""
    for name, value in entry.items():
        if isinstance(value, dict):
            yield from _flat(msgspec.convert(value, dict[str, Any]), f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
