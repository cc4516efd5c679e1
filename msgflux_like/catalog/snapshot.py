"""Writer of snapshots of https://models.dev, and the command that rebuilds the one that ships with the package.

    python -m msgflux_like.catalog.snapshot api.json --retired older/*.json

`snapshot_reader` documents the format. Output is reproducible: equal input gives equal bytes. Models that have left
the catalogue stay in the table of retired models: those that the folder held before, and those of the older files.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import sys
from collections import Counter, defaultdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec
from msgspec import Raw, Struct

from msgflux_like.catalog.model_profile import ModelProfile, decode_model
from msgflux_like.catalog.snapshot_reader import (
    INDEX,
    MAX_BYTES,
    RETIRED,
    Index,
    ProviderEntry,
    RetiredModel,
    RetiredTable,
    Snapshot,
    SnapshotError,
    file_of,
    read_gzip,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SOURCE_URL = "https://models.dev/api.json"

OWN_PROVIDER = {"amazon": "amazon-bedrock", "arcee-ai": "arcee", "bytedance-seed": "volcengine"}
"""Labs -> the ids of their own providers, where they differ."""

_MAX_MODEL_ID = 256

_T = TypeVar("_T")


class Catalogue(Struct, frozen=True):
    """A validated `api.json`.

    Attributes:
        sha256: SHA-256 of its bytes.
        newest_entry: Latest `last_updated` of its models, which serves as the date of the catalogue.
        providers: Entries of the providers by id.
        sources: Entries of the providers by id, byte for byte.
        models: Models by provider id and model id.
    """

    sha256: str
    newest_entry: date
    providers: dict[str, ProviderEntry]
    sources: dict[str, Raw]
    models: dict[tuple[str, str], ModelProfile]


class SnapshotSummary(Struct, frozen=True):
    """The size and the date of a snapshot that was written.

    Attributes:
        newest_entry: Day of the latest change among the models.
        providers: Number of providers.
        models: Number of listed models.
        retired: Number of retired models.
        file_bytes: Size of all data files together, in bytes.
    """

    newest_entry: date
    providers: int
    models: int
    retired: int
    file_bytes: int


def read_catalogue(api: bytes) -> Catalogue:
    """Decode and validate an `api.json` from end to end.

    Raises:
        SnapshotError: It is too long, not JSON, does not have the catalogue's form, or holds a negative price or an
            invalid id; the message names the entry.
    """
    if len(api) > MAX_BYTES:
        raise SnapshotError(f"the catalogue is {len(api)} bytes long; the maximum is {MAX_BYTES}")
    if b"\\u001b" in api.lower():
        raise SnapshotError("the catalogue contains a terminal escape sequence")
    sources = _decode(api, dict[str, Raw], "the catalogue")
    providers = {name: _decode(source, ProviderEntry, name) for name, source in sources.items()}
    if wrong := [name for name, entry in providers.items() if entry.id != name]:
        raise SnapshotError(f"the entry of {wrong[0]!r} in the catalogue has another id")
    models = {(profile.provider_id, profile.id): profile for profile in _checked_models(providers)}
    if not models:
        raise SnapshotError("the catalogue lists no models")
    return Catalogue(
        sha256=hashlib.sha256(api).hexdigest(),
        newest_entry=_newest_entry(models.values()),
        providers=providers,
        sources=sources,
        models=models,
    )


def read_api(snapshot: Snapshot) -> bytes:
    """Return the `api.json` that the snapshot was made from, byte for byte if that was written without spaces."""
    files = ((name, read_gzip(snapshot.folder / file_of(name))) for name in snapshot.index.providers)
    return b"{" + b",".join(msgspec.json.encode(name) + b":" + entry for name, entry in files) + b"}"


def write_snapshot(
    api: bytes,
    folder: Path,
    *,
    source: str = SOURCE_URL,
    older: Iterable[bytes] = (),
    retired: RetiredTable | None = None,
    mode: int = 0o644,
) -> SnapshotSummary:
    """Write a snapshot into a folder, replacing the one that it holds.

    Args:
        api: Content of an `api.json`.
        folder: Folder, which is created if necessary.
        source: URL that `api` came from, for `SOURCE.toml`; default: `SOURCE_URL`.
        older: Contents of `api.json` files of other days, to find models that have left since.
        retired: Known retired models.
        mode: Permissions of the files; default: 0o644.

    Returns:
        The size and the date of the snapshot.

    Raises:
        SnapshotError: `api`, one of `older` or the existing snapshot is not valid; nothing was written.
    """
    newest = read_catalogue(api)
    past = [read_catalogue(content) for content in older]
    table = retired or {}
    if (folder / INDEX).exists():
        before = Snapshot(folder)
        past.append(read_catalogue(read_api(before)))
        table = before.retired_table() | table
    retired = find_retired(newest, past, table)
    files = dict(_data_files(newest, retired))
    summary = SnapshotSummary(
        newest_entry=newest.newest_entry,
        providers=len(newest.providers),
        models=len(newest.models),
        retired=sum(map(len, retired.values())),
        file_bytes=sum(map(len, files.values())),
    )
    (folder / RETIRED).mkdir(parents=True, exist_ok=True)
    for stale in {path.relative_to(folder).as_posix() for path in folder.rglob("*.json.gz")} - files.keys():
        (folder / stale).unlink()
    files["SOURCE.toml"] = _source_text(summary, newest.sha256, len(api), source).encode()
    for name, content in files.items():
        write_atomically(folder / name, content, mode)
    return summary


def write_atomically(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace a file atomically: concurrent readers see the old content or the new, never a part."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def find_retired(newest: Catalogue, past: Sequence[Catalogue], table: RetiredTable) -> RetiredTable:
    """Return the models of `past` and of `table` that `newest` does not list, the labs' own providers first."""
    days = sorted({catalogue.newest_entry for catalogue in [*past, newest]})
    seen = {
        (provider_id, model_id): found for provider_id, models in table.items() for model_id, found in models.items()
    }
    for catalogue in sorted(past, key=lambda catalogue: catalogue.newest_entry):
        day = catalogue.newest_entry
        for provider_id, entry in catalogue.providers.items():
            for model_id, source in entry.models.items():
                known = seen.get((provider_id, model_id))
                if known is None or known.retired_on < day:
                    seen[provider_id, model_id] = RetiredModel(retired_on=day, gone_by=date.max, model=source)
    labs = _lab_providers(newest)
    left: RetiredTable = defaultdict(dict)
    for provider_id, model_id in sorted(seen.keys() - newest.models.keys(), key=lambda key: (key[0] not in labs, key)):
        last = seen[provider_id, model_id]
        missed_on = next((day for day in days if day > last.retired_on), newest.newest_entry)
        left[provider_id][model_id] = msgspec.structs.replace(last, gone_by=min(last.gone_by, missed_on))
    return dict(left)


def _checked_models(providers: dict[str, ProviderEntry]) -> Iterator[ModelProfile]:
    for provider_id, entry in providers.items():
        for model_id, source in entry.models.items():
            if not (0 < len(model_id) <= _MAX_MODEL_ID and model_id.isprintable()):
                raise SnapshotError(f"a model of {provider_id} has an invalid id: {model_id[:80]!r}")
            try:
                profile = decode_model(source, provider_id)
            except (msgspec.DecodeError, RecursionError) as error:
                raise SnapshotError(
                    f"{provider_id}/{model_id} does not have the form of the catalogue: {error}"
                ) from error
            if profile.id != model_id:
                raise SnapshotError(f"the entry of {provider_id}/{model_id} in the catalogue has another id")
            yield profile


def _newest_entry(models: Iterable[ModelProfile]) -> date:
    """Return the latest day on which a model was updated, without the entries that state a month only."""
    days = (model.last_updated or "" for model in models)
    try:
        return date.fromisoformat(max(day for day in days if len(day) == len("2026-01-31")))
    except ValueError as error:
        raise SnapshotError(f"the catalogue has no date: {error}") from error


def _data_files(newest: Catalogue, retired: RetiredTable) -> Iterator[tuple[str, bytes]]:
    yield INDEX, _gzip(msgspec.json.encode(_index(newest, retired)))
    for provider_id, models in retired.items():
        yield f"{RETIRED}/{file_of(provider_id)}", _gzip(msgspec.json.encode(models))
    for provider_id, source in newest.sources.items():
        yield file_of(provider_id), _gzip(bytes(source))


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, 9, mtime=0)  # without a time, so that equal content gives equal files


def _index(catalogue: Catalogue, retired: RetiredTable) -> Index:
    position = {provider_id: number for number, provider_id in enumerate(catalogue.providers)}
    listed: dict[str, list[ModelProfile]] = defaultdict(list)
    stated = {model.canonical_model_id for model in catalogue.models.values() if model.canonical_model_id}
    same: dict[str, list[ModelProfile]] = defaultdict(list)
    for model in catalogue.models.values():
        listed[model.id].append(model)
        if (name := _canonical_id(model)) in stated:
            same[name].append(model)
    labs = _lab_providers(catalogue)
    return Index(
        newest_entry=catalogue.newest_entry,
        sha256=catalogue.sha256,
        providers=tuple(catalogue.providers),
        listed=_raw(
            {
                model_id: [position[model.provider_id] for model in _preferred(models, labs)]
                for model_id, models in listed.items()
            }
        ),
        same=_raw(
            {
                name: [(position[model.provider_id], model.id) for model in _preferred(models, {_lab_of(name)})]
                for name, models in sorted(same.items())
            }
        ),
        retired=_raw({provider_id: list(models) for provider_id, models in retired.items()}),
    )


def _preferred(models: list[ModelProfile], labs: set[str]) -> list[ModelProfile]:
    """Sort listings by preference: the lab's own, those with a price, the others; each group by provider.

    The lab is the one that most listings name in their canonical id; if none has one, any of `labs`.
    """
    listings = Counter(_lab_of(model.canonical_model_id) for model in models if model.canonical_model_id)
    own = {max(listings, key=lambda lab: (listings[lab], lab))} if listings else labs

    def rank(model: ModelProfile) -> tuple[bool, bool, str, str]:
        priced = model.cost is not None and model.cost.output_per_million + model.cost.input_per_million > 0
        return model.provider_id not in own, not priced, model.provider_id, model.id

    return sorted(models, key=rank)


def _lab_providers(catalogue: Catalogue) -> set[str]:
    labs = {_lab_of(model.canonical_model_id) for model in catalogue.models.values() if model.canonical_model_id}
    return labs & catalogue.providers.keys()


def _lab_of(canonical_model_id: str) -> str:
    """Return the id of the provider that belongs to the lab of `lab/model`."""
    lab = canonical_model_id.partition("/")[0]
    return OWN_PROVIDER.get(lab, lab)


def _canonical_id(model: ModelProfile) -> str:
    return model.canonical_model_id or f"{model.provider_id}/{model.id}"


def _source_text(summary: SnapshotSummary, sha256: str, api_bytes: int, source: str) -> str:
    return f"""\
# Written by `python -m msgflux_like.catalog.snapshot`.
source = {msgspec.json.encode(source).decode()}
licence = "MIT"
newest_entry = {summary.newest_entry}
sha256 = "{sha256}"  # of the api.json; the provider files hold it byte for byte
bytes = {api_bytes}
providers = {summary.providers}
models = {summary.models}
retired_models = {summary.retired}  # listed in older snapshots of the same source, but not in this one
"""


def _raw(value: object) -> Raw:
    return Raw(msgspec.json.encode(value))


def _decode(content: bytes | Raw, form: type[_T], name: str) -> _T:
    try:
        return msgspec.json.decode(content, type=form)
    except (msgspec.DecodeError, RecursionError) as error:
        raise SnapshotError(f"{name} does not have the form of the catalogue: {error}") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    import argparse  # noqa: PLC0415  `refresh_profiles` does not need it

    from msgflux_like._paths import data_folder  # noqa: PLC0415

    parser = argparse.ArgumentParser(
        prog="python -m msgflux_like.catalog.snapshot", description="Write the snapshot of models.dev."
    )
    parser.add_argument("source", type=Path, metavar="SOURCE", help="an api.json")
    parser.add_argument("--into", type=Path, default=data_folder("profiles"), metavar="FOLDER")
    parser.add_argument("--retired", type=Path, nargs="*", default=[], metavar="FILE_OR_FOLDER", help="older api.json")
    parser.add_argument("--url", default=SOURCE_URL, help="where SOURCE came from, for SOURCE.toml")
    options = parser.parse_args(arguments)
    older = [file for path in options.retired for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
    try:
        summary = write_snapshot(
            options.source.read_bytes(),
            options.into,
            source=options.url,
            older=(file.read_bytes() for file in older),
        )
    except (SnapshotError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(
        f"{options.into}: {summary.models} models of {summary.providers} providers up to {summary.newest_entry}, "
        f"{summary.retired} retired, {summary.file_bytes} bytes\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
