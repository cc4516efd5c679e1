"""The format of a snapshot of the catalogue, and its reader.

Theory of operation

A snapshot is a folder:

    _index.json.gz                `Index`: the providers, and which of them list a model id
    <provider>.json.gz            the provider's entry of https://models.dev/api.json, byte for byte
    retired/<provider>.json.gz    `RetiredModel` by model id
    SOURCE.toml                   for people: URL, day and licence of the catalogue

A look-up decompresses the index, then the file of one provider, then decodes one model; each result is kept. A search
decodes all models once. The ids of providers match `ProviderId`, so that they are safe as file names and cannot clash
with the index. A file that is missing or damaged raises SnapshotError when it is read, and `active_snapshot` then
falls back to the shipped snapshot. The writer is `msgflux_like.catalog.snapshot`; fetching a newer catalogue is
`snapshot_refresh`.
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
"""Maximum size of a catalogue, and of each file of a snapshot when decompressed. The catalogue has 5 MB today."""

# The id of a provider is the name of its file.
ProviderId = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
_Listing = tuple[int, str]

_T = TypeVar("_T")


class Index(Struct, frozen=True, kw_only=True):
    """The index of a snapshot.

    Attributes:
        newest_entry: Latest `last_updated` of the models, by which snapshots are compared in age.
        sha256: SHA-256 of the `api.json` that it was made from.
        providers: Ids of the providers, in the order of `api.json`.
        listed: Model id -> positions in `providers`, the preferred provider first (see `snapshot._preferred`).
        same: `lab/model` -> (position in `providers`, model id) of every listing of that model.
        retired: Provider -> ids of its retired models, the labs' own providers first.
    """

    newest_entry: date
    sha256: str
    providers: tuple[ProviderId, ...]
    listed: Raw
    same: Raw
    retired: Raw


class ProviderEntry(Struct, frozen=True, gc=False):
    """One provider's entry of `api.json`; its models are not decoded yet."""

    id: ProviderId
    name: str
    npm: str
    env: tuple[str, ...]
    doc: str
    models: dict[str, Raw]
    api: str | None = None


class RetiredModel(Struct, frozen=True, gc=False):
    """A model that has left the catalogue: the last day it was listed, the first day it was not, and its last entry."""

    retired_on: date
    gone_by: date
    model: Raw


RetiredTable = dict[str, dict[str, RetiredModel]]
"""Retired models by provider id and model id."""


class Snapshot:
    """A reader of one snapshot folder, which keeps what it has read.

    All methods raise SnapshotError if a file of the folder is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._entries: dict[str, ProviderEntry] = {}
        self._retired: RetiredTable = {}
        self._profiles: dict[tuple[str, str], ModelProfile] = {}

    @cached_property
    def index(self) -> Index:
        """The index of the snapshot."""
        return _decode(read_gzip(self.folder / INDEX), Index, INDEX)

    @cached_property
    def _provider_ids(self) -> frozenset[str]:
        return frozenset(self.index.providers)

    @cached_property
    def _listed(self) -> dict[str, tuple[int, ...]]:
        return _decode(self.index.listed, dict[str, tuple[int, ...]], INDEX)

    @cached_property
    def _same(self) -> dict[str, tuple[_Listing, ...]]:
        return _decode(self.index.same, dict[str, tuple[_Listing, ...]], INDEX)

    @cached_property
    def _retired_ids(self) -> dict[str, frozenset[str]]:
        return _decode(self.index.retired, dict[ProviderId, frozenset[str]], INDEX)

    def entry(self, provider_id: str) -> ProviderEntry | None:
        """Return the entry of a provider; None for an unknown provider. Only known ids are used as file names."""
        entry = self._entries.get(provider_id)
        if entry is None and provider_id in self._provider_ids:
            name = file_of(provider_id)
            entry = self._entries[provider_id] = _decode(read_gzip(self.folder / name), ProviderEntry, name)
        return entry

    def provider(self, provider_id: str) -> ProviderProfile | None:
        """Return the record of a provider; None if it is not listed."""
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
        """Return the record of a model that the provider lists; None if there is none."""
        if profile := self._profiles.get((provider_id, model_id)):
            return profile
        entry = self.entry(provider_id)
        if entry is None or model_id not in entry.models:
            return None
        return self._keep(provider_id, entry.models[model_id])

    def retired(self, provider_id: str) -> dict[str, RetiredModel]:
        """Return the retired models of a provider by id."""
        if provider_id not in self._retired_ids:
            return {}
        if provider_id not in self._retired:
            name = f"{RETIRED}/{file_of(provider_id)}"
            self._retired[provider_id] = _decode(read_gzip(self.folder / name), dict[str, RetiredModel], name)
        return self._retired[provider_id]

    def retired_model(self, provider_id: str, model_id: str) -> ModelProfile | None:
        """Return the record of a retired model of a provider; None if there is none."""
        if model_id not in self._retired_ids.get(provider_id, ()):
            return None
        return _retired_model(provider_id, self.retired(provider_id)[model_id])

    def retired_listings(self, model_id: str) -> Iterator[str]:
        """Yield the ids of the providers that have a retired model with that id, the labs' own first."""
        return (provider_id for provider_id, model_ids in self._retired_ids.items() if model_id in model_ids)

    def retired_table(self) -> RetiredTable:
        """Return all retired models."""
        return {provider_id: self.retired(provider_id) for provider_id in self._retired_ids}

    def listings(self, model_id: str) -> Iterator[str]:
        """Yield the ids of the providers that list the model id, the preferred one first."""
        return (self.index.providers[position] for position in self._listed.get(model_id, ()))

    def same(self, canonical_model_id: str) -> Iterator[tuple[str, str]]:
        """Yield (provider id, model id) of every listing of the model with the canonical id `lab/model`."""
        places = self._same.get(canonical_model_id, ())
        return ((self.index.providers[position], model_id) for position, model_id in places)

    def models(self) -> Iterator[ModelProfile]:
        """Yield all listed models."""
        for provider_id in self.index.providers:
            yield from self.models_of(provider_id)

    def models_of(self, provider_id: str) -> Iterator[ModelProfile]:
        """Yield the models that a provider lists."""
        if entry := self.entry(provider_id):
            known = self._profiles
            for model_id, source in entry.models.items():
                yield known.get((provider_id, model_id)) or self._keep(provider_id, source)

    def retired_models(self) -> Iterator[ModelProfile]:
        """Yield all retired models."""
        for provider_id in self._retired_ids:
            yield from self.retired_models_of(provider_id)

    def retired_models_of(self, provider_id: str) -> Iterator[ModelProfile]:
        """Yield the retired models of a provider."""
        return (_retired_model(provider_id, found) for found in self.retired(provider_id).values())

    def _keep(self, provider_id: str, source: Raw) -> ModelProfile:
        profile = _model(source, provider_id)
        return self._profiles.setdefault((provider_id, profile.id), profile)


def file_of(provider_id: str) -> str:
    """Return the name of a provider's file."""
    return f"{provider_id}.json.gz"


def read_gzip(path: Path) -> bytes:
    """Read and decompress a file.

    Raises:
        SnapshotError: The file is missing, damaged, or longer than `MAX_BYTES` when decompressed.
    """
    try:
        return gunzip(path.read_bytes(), MAX_BYTES)
    except (OSError, CompressionError) as error:
        raise SnapshotError(f"{path.name} cannot be read: {error}") from error


def _decode(content: bytes | Raw, form: type[_T], name: str) -> _T:
    try:
        return msgspec.json.decode(content, type=form)
    except (msgspec.DecodeError, RecursionError) as error:
        raise SnapshotError(f"{name} does not have the form of a snapshot: {error}") from error


def _model(
    source: Raw, provider_id: str, *, retired_on: date | None = None, gone_by: date | None = None
) -> ModelProfile:
    try:
        return decode_model(source, provider_id, retired_on=retired_on, gone_by=gone_by)
    except (msgspec.DecodeError, RecursionError) as error:
        raise SnapshotError(f"a model of {provider_id} does not have the form of the catalogue: {error}") from error


def _retired_model(provider_id: str, found: RetiredModel) -> ModelProfile:
    return _model(found.model, provider_id, retired_on=found.retired_on, gone_by=found.gone_by)
