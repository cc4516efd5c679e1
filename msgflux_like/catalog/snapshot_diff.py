"""The difference between two states of the catalogue."""

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
    """A changed field: its path in the entry, such as "cost.input", and its values, None for a missing one."""

    field: str
    old: Any
    new: Any


class EntryChange(Struct, frozen=True):
    """A provider or a model (`provider/model`) that is on both sides, and its changed fields."""

    path: str
    fields: tuple[FieldChange, ...]


class SnapshotDiff(Struct, frozen=True, kw_only=True):
    """The difference between two states of the catalogue; false if there is none.

    A change of a provider's `api` changes the host that requests and keys are sent to.

    Attributes:
        added: New models, as `provider/model`.
        removed: Removed models, as `provider/model`.
        changed: Changed models.
        providers_added: Ids of new providers.
        providers_removed: Ids of removed providers.
        providers_changed: Providers that changed, apart from their models.
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
    """Compare two states of the catalogue.

    Args:
        old: A snapshot, or the bytes of an `api.json`.
        new: A snapshot, or the bytes of an `api.json`.

    Returns:
        The changes from `old` to `new`, in alphabetical order.

    Raises:
        SnapshotError: One of them cannot be read.
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
    """Return the providers by id, without their models, and the models by `provider/model`."""
    api = read_api(source) if isinstance(source, Snapshot) else source
    try:
        providers = msgspec.json.decode(api, type=_Entries)
        models = {
            f"{provider_id}/{model_id}": model
            for provider_id, provider in providers.items()
            for model_id, model in msgspec.convert(provider.pop("models", {}), _Entries).items()
        }
    except (msgspec.MsgspecError, RecursionError) as error:
        raise SnapshotError(f"the file does not have the form of the catalogue: {error}") from error
    return providers, models


def _missing(have: _Entries, other: _Entries) -> tuple[str, ...]:
    return tuple(sorted(have.keys() - other.keys()))


def _changes(old: _Entries, new: _Entries) -> Iterator[EntryChange]:
    for path in sorted(old.keys() & new.keys()):
        if old[path] != new[path]:
            before, after = dict(_flat(old[path])), dict(_flat(new[path]))
            paths = sorted(before.keys() | after.keys())
            yield EntryChange(
                path=path,
                fields=tuple(
                    FieldChange(field=name, old=before.get(name), new=after.get(name))
                    for name in paths
                    if before.get(name) != after.get(name)
                ),
            )


def _flat(entry: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value with its dotted path; a list is one value."""
    for name, value in entry.items():
        if isinstance(value, dict):
            yield from _flat(msgspec.convert(value, dict[str, Any]), f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
