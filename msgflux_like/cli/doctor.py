"""`msgflux-like doctor`: a report on installed packages, the profiles in use, and how providers are reached."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from msgflux_like import __version__
from msgflux_like._paths import cache_folder, config_folder
from msgflux_like.catalog.active_snapshot import find_refreshed
from msgflux_like.catalog.profiles import snapshot_info
from msgflux_like.cli import provider_status
from msgflux_like.cli.output import echo
from msgflux_like.cli.tables import Column, card, table
from msgflux_like.errors import MsgfluxError, SnapshotError
from msgflux_like.local import llama
from msgflux_like.providers import resolve
from msgflux_like.providers.config import key_is_set, read_row

_COLUMNS = (
    Column("provider"),
    Column("from"),
    Column("dialect"),
    Column("key"),
    Column("base URL"),
    Column("set by"),
    Column("problem"),
)


_OPTIONAL = (
    ("toktok-rs", "tokens", "counts tokens of OpenAI's models"),
    ("redis", "redis", "shares a cache between machines"),
    ("botocore", "aws", "finds whatever the AWS CLI logs in with"),
    ("google-auth", "vertex", "finds the default credentials of Google Cloud"),
    ("foundry-local-sdk", "foundry", "runs Foundry Local in this process"),
)
"""Optional packages, the extras that install them, and their purposes."""


def examine(options: argparse.Namespace) -> int:
    """Print the report. Problems are part of the report and do not change the exit status."""
    today = datetime.now(UTC).date()
    echo(*card((*_installed(), *_profiles(today), *_folders())))
    names = options.provider or sorted(provider_status.written_rows() | _with_key())
    echo("", *table(_COLUMNS, (_row(provider_status.find(name)) for name in names)))
    return 0


def _installed() -> Iterator[tuple[str, str]]:
    yield "msgflux-like", __version__
    yield "Python", f"{platform.python_version()} on {platform.platform(terse=True)}"
    yield "xllamacpp", _version("xllamacpp", "local", "runs local models")
    try:
        yield "local model", str(llama.find_gguf())
    except MsgfluxError as error:
        yield "local model", str(error)
    for package, extra, purpose in _OPTIONAL:
        yield package, _version(package, extra, purpose)


def _version(package: str, extra: str, purpose: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return f'not installed; it {purpose}: pip install "msgflux-like[{extra}]"'


def _profiles(today: date) -> Iterator[tuple[str, str]]:
    try:
        yield from profile_facts(today)
    except SnapshotError as error:
        yield "profiles", f"cannot be used: {error}"


def profile_facts(today: date) -> Iterator[tuple[str, str]]:
    """Yield the origin and the age of the profiles in use, and why fetched ones are not used."""
    info = snapshot_info()
    yield "profiles", f"of {info.newest_entry}, {(today - info.newest_entry).days} days old, {_origin(info.refreshed)}"
    yield "", info.folder
    yield "problem", info.problem or ""


def _origin(refreshed: bool) -> str:
    current = find_refreshed() if refreshed else None
    if current is None:
        return "shipped with the package"
    return f"fetched on {current.fetched_on} from {provider_status.shown_url(current.url)}"


def _folders() -> Iterator[tuple[str, str]]:
    yield "cache", _folder_state(cache_folder())
    yield "config", _folder_state(config_folder())
    rows = provider_status.own_rows()
    yield "your rows", ", ".join(file.stem for file in rows)
    for file in rows:
        if problem := _row_problem(file):
            yield "broken row", problem


def _folder_state(folder: Path) -> str:
    return str(folder) if folder.is_dir() else f"{folder} (not there yet)"


def _row_problem(file: Path) -> str:
    try:
        read_row(file)
    except (OSError, ValueError) as error:
        text = str(error)
        return text if file.name in text else f"{file.name}: {text}"
    return ""


def _with_key() -> set[str]:
    found: Iterable[provider_status.Found] = map(provider_status.find, resolve.provider_names())
    return {each.name for each in found if each.row is not None and key_is_set(each.row)}


def _row(found: provider_status.Found) -> tuple[str, ...]:
    row = found.row
    if row is None:
        return found.name, "", "", "", "", "", found.problem
    url, variable = provider_status.address(row)
    return (
        found.name,
        provider_status.where_from(found.name),
        row.dialect,
        provider_status.key_words(row),
        url,
        variable,
        provider_status.problem(row),
    )
