"""The status of a provider for display: its row, URL, key variable and problems. Keys are never shown."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from msgflux_like._paths import config_folder, data_folder
from msgflux_like.catalog.profiles import get_provider_profile
from msgflux_like.errors import MsgfluxError
from msgflux_like.local import servers
from msgflux_like.providers import environment, resolve
from msgflux_like.providers.config import Provider, endpoint, key_is_set


class Found(Struct, frozen=True):
    """The row of a provider, or the reason why there is none."""

    name: str
    row: Provider | None = None
    problem: str = ""


def find(name: str, model: str = "") -> Found:
    """Return the row of a provider for one of its models."""
    try:
        return Found(name, resolve.find_provider(name, model))
    except MsgfluxError as error:
        return Found(name, problem=str(error))
    except (OSError, ValueError) as error:
        return Found(name, problem=f"{name}.toml cannot be read: {error}")


def own_rows() -> list[Path]:
    """Return the files of the rows that the user wrote."""
    return sorted((config_folder() / "providers").glob("*.toml"))


def written_rows() -> set[str]:
    """Return the names of the rows that ship with the package and of those that the user wrote."""
    return {file.stem for file in (*data_folder("providers").glob("*.toml"), *own_rows())}


def where_from(name: str) -> str:
    """Return the origin of a provider's row, in words."""
    if name in {file.stem for file in own_rows()}:
        return "your row"
    if name in written_rows():
        return "built-in row"
    return "catalogue" if get_provider_profile(name) else "installed package"


def key_words(row: Provider) -> str:
    """Return which variable holds the key, or which variables may, in words."""
    if name := _first_set((*row.api_key_env, *row.token_env)):
        return f"{name} set"
    if key_is_set(row):
        return "AWS credentials found" if row.signing else "GOOGLE_APPLICATION_CREDENTIALS set"
    if not row.key_required:
        return "none needed"
    variables = (
        *row.api_key_env,
        *row.token_env,
        *(("GOOGLE_APPLICATION_CREDENTIALS",) if row.tokens == "google" else ()),
    )
    missing = f"{' or '.join(variables)} not set" if variables else "api_key= only"
    return f"{missing}, no AWS credentials found" if row.signing else missing


def address(row: Provider) -> tuple[str, str]:
    """Return the base URL without secrets, and the variable that it comes from; "" for the row itself."""
    url, name = environment.address(row)
    if name:
        return shown_url(url), name
    if row.embedded:
        return servers.LOCATIONS[row.embedded], ""
    return shown_url(row.base_url), ""


def problem(row: Provider) -> str:
    """Return why a call would fail, apart from a missing key; "" if nothing is wrong."""
    if row.embedded and (missing := servers.missing(row.embedded)):
        return missing
    try:
        # A placeholder: `key_words` reports a missing key.
        endpoint(row, api_key="any" if row.key_required and not key_is_set(row) else None)
    except MsgfluxError as error:
        return str(error)
    return ""


def shown_url(url: str) -> str:
    """Return the URL without the parts that may be secret: user name, password and query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "invalid URL"
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, query="", fragment="").geturl()


def _first_set(names: tuple[str, ...]) -> str | None:
    return next((name for name in names if os.environ.get(name)), None)
