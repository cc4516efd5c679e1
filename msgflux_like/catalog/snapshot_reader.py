"""Reads a snapshot folder: an index, and for each provider its models and its retired ones.

    _index.json.gz                `Index`: which providers there are, which of them list a model id
    <provider>.json.gz            the provider's entry of https://models.dev/api.json, byte for byte
    retired/<provider>.json.gz    `RetiredModel` by model id
    SOURCE.toml                   for people: where it came from, when, under which licence

`msgflux_like.catalog.snapshot` writes one. No provider's id begins with an underscore, so the index clashes with none.
"""

from __future__ import annotations

from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

from msgflux_like._wire.compression import CompressionError, gunzip
from msgflux_like.catalog.model_profile import ModelProfile, ProviderProfile, decode_model
from msgflux_like.errors import SnapshotError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INDEX = "_index.json.gz"
RETIRED = "retired"

MAX_BYTES = 64 * 1024 * 1024
"""A catalogue, or one of its files unpacked, longer than this is refused; the whole of it is 5 MB today."""

# A provider's id becomes a file's name.
ProviderId = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
_Place = tuple[int, str]

_T = TypeVar("_T")


class Index(Struct, frozen=True, kw_only=True):
    """What is where in a snapshot.

    Attributes:
        newest_entry: The latest `last_updated` of its models, by which the age of snapshots is told.
        sha256: Of the `api.json` it was made from.
        providers: Ids of the providers, in the order of `api.json`.
        listed: Model id -> positions in `providers`, the preferred provider first (see `snapshot`).
        same: `lab/model` -> (position in `providers`, model id) of every listing of that model.
        retired: Provider -> ids of the models it lists no more, the labs' own providers first.
    """

    newest_entry: date
    sha256: str
    providers: tuple[ProviderId, ...]
    listed: Raw
    same: Raw
    retired: Raw


class ProviderEntry(Struct, frozen=True, gc=False):
    """One provider's entry of `api.json`, its models not yet decoded."""

    id: ProviderId
    name: str
    npm: str
    env: tuple[str, ...]
    doc: str
    models: dict[str, Raw]
    api: str | None = None


class RetiredModel(Struct, frozen=True, gc=False):
    """A model that has left the catalogue: the last day it was seen, the first it was not, its last entry."""

    retired_on: date
    gone_by: date
    model: Raw


RetiredTable = dict[str, dict[str, RetiredModel]]
"""By provider id and model id."""


class Snapshot:
    """A snapshot folder; what is read of it is kept.

    Everything here raises SnapshotError when a file of the folder is missing or broken.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._entries: dict[str, ProviderEntry] = {}
        self._retired: RetiredTable = {}
        self._profiles: dict[tuple[str, str], ModelProfile] = {}

    @cached_property
    def index(self) -> Index:
        """What is where."""
        return _decode(read_gzip(self.folder / INDEX), Index, INDEX)

    @cached_property
    def _provider_ids(self) -> frozenset[str]:
        return frozenset(self.index.providers)

    @cached_property
    def _listed(self) -> dict[str, tuple[int, ...]]:
        return _decode(self.index.listed, dict[str, tuple[int, ...]], INDEX)

    @cached_property
    def _same(self) -> dict[str, tuple[_Place, ...]]:
        return _decode(self.index.same, dict[str, tuple[_Place, ...]], INDEX)

    @cached_property
    def _retired_ids(self) -> dict[str, frozenset[str]]:
        return _decode(self.index.retired, dict[ProviderId, frozenset[str]], INDEX)

    def entry(self, provider_id: str) -> ProviderEntry | None:
        """The provider's entry; None when there is no such provider. Only a known id is ever used as a file's name."""
        entry = self._entries.get(provider_id)
        if entry is None and provider_id in self._provider_ids:
            name = file_of(provider_id)
            entry = self._entries[provider_id] = _decode(read_gzip(self.folder / name), ProviderEntry, name)
        return entry

    def provider(self, provider_id: str) -> ProviderProfile | None:
        """The provider's record."""
        if (entry := self.entry(provider_id)) is None:
            return None
        return ProviderProfile(
            id=entry.id,
            name=entry.name,
            npm=entry.npm,
            env=entry.env,
            doc=entry.doc,
            api=entry.api,
            models=tuple(entry.models),
        )

    def model(self, provider_id: str, model_id: str) -> ModelProfile | None:
        """The record of a model that the provider lists."""
        if profile := self._profiles.get((provider_id, model_id)):
            return profile
        entry = self.entry(provider_id)
        if entry is None or model_id not in entry.models:
            return None
        return self._keep(provider_id, entry.models[model_id])

    def retired(self, provider_id: str) -> dict[str, RetiredModel]:
        """The models that the provider listed once and no longer does, by id."""
        if provider_id not in self._retired_ids:
            return {}
        if provider_id not in self._retired:
            name = f"{RETIRED}/{file_of(provider_id)}"
            self._retired[provider_id] = _decode(read_gzip(self.folder / name), dict[str, RetiredModel], name)
        return self._retired[provider_id]

    def retired_model(self, provider_id: str, model_id: str) -> ModelProfile | None:
        """The record of a model that the provider listed once and no longer does."""
        if model_id not in self._retired_ids.get(provider_id, ()):
            return None
        return _retired_model(provider_id, self.retired(provider_id)[model_id])

    def retired_listings(self, model_id: str) -> Iterator[str]:
        """Ids of the providers that listed the id once and no longer do, the labs' own first."""
        return (provider_id for provider_id, model_ids in self._retired_ids.items() if model_id in model_ids)

    def retired_table(self) -> RetiredTable:
        """All that the snapshot knows of retired models."""
        return {provider_id: self.retired(provider_id) for provider_id in self._retired_ids}

    def listings(self, model_id: str) -> Iterator[str]:
        """Ids of the providers that list the id, the preferred one first."""
        return (self.index.providers[position] for position in self._listed.get(model_id, ()))

    def same(self, canonical_model_id: str) -> Iterator[tuple[str, str]]:
        """(provider id, model id) of every listing of the model called `lab/model`."""
        places = self._same.get(canonical_model_id, ())
        return ((self.index.providers[position], model_id) for position, model_id in places)

    def models(self) -> Iterator[ModelProfile]:
        """All models that are listed."""
        for provider_id in self.index.providers:
            yield from self.models_of(provider_id)

    def models_of(self, provider_id: str) -> Iterator[ModelProfile]:
        """The models that the provider lists."""
        if entry := self.entry(provider_id):
            known = self._profiles
            for model_id, source in entry.models.items():
                yield known.get((provider_id, model_id)) or self._keep(provider_id, source)

    def retired_models(self) -> Iterator[ModelProfile]:
        """All models that are no longer listed."""
        for provider_id in self._retired_ids:
            yield from self.retired_models_of(provider_id)

    def retired_models_of(self, provider_id: str) -> Iterator[ModelProfile]:
        """The models that the provider listed once and no longer does."""
        return (_retired_model(provider_id, found) for found in self.retired(provider_id).values())

    def _keep(self, provider_id: str, source: Raw) -> ModelProfile:
        profile = _model(source, provider_id)
        return self._profiles.setdefault((provider_id, profile.id), profile)


def file_of(provider_id: str) -> str:
    """Name of the provider's file."""
    return f"{provider_id}.json.gz"


def read_gzip(path: Path) -> bytes:
    """Return the file's content, decompressed.

    Raises:
        SnapshotError: The file is missing or damaged, or its content is longer than `MAX_BYTES`.
    """
    try:
        return gunzip(path.read_bytes(), MAX_BYTES)
    except (OSError, CompressionError) as error:
        raise SnapshotError(f"{path.name} cannot be read: {error}") from error


def _decode(content: bytes | Raw, form: type[_T], name: str) -> _T:
    try:
        return msgspec.json.decode(content, type=form)
    except (msgspec.DecodeError, RecursionError) as error:
        raise SnapshotError(f"{name} is not of a snapshot's form: {error}") from error


def _model(
    source: Raw, provider_id: str, *, retired_on: date | None = None, gone_by: date | None = None
) -> ModelProfile:
    try:
        return decode_model(source, provider_id, retired_on=retired_on, gone_by=gone_by)
    except (msgspec.DecodeError, RecursionError) as error:
        raise SnapshotError(f"a model of {provider_id} is not of the catalogue's form: {error}") from error


def _retired_model(provider_id: str, found: RetiredModel) -> ModelProfile:
    return _model(found.model, provider_id, retired_on=found.retired_on, gone_by=found.gone_by)
