"""Environment variables in the addresses of cloud providers, under all the names that the clouds' own tools use."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from configparser import ConfigParser
from configparser import Error as ConfigError
from pathlib import Path
from typing import Final

from msgflux_like.providers.environment import aliases

_ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "AWS_REGION": aliases("region", "amazon-bedrock"),
    "GOOGLE_VERTEX_PROJECT": aliases("project", "google-vertex"),
    "GOOGLE_VERTEX_LOCATION": aliases("region", "google-vertex"),
}
# Source: https://cloud.google.com/vertex-ai/docs/general/locations
_VERTEX_HOSTS: Final[Mapping[str, str]] = {
    "global": "aiplatform.googleapis.com",
    "eu": "aiplatform.eu.rep.googleapis.com",
    "us": "aiplatform.us.rep.googleapis.com",
}


def variable_names(name: str) -> str:
    """Return the name of a variable and its aliases, joined with "or" for a message."""
    return " or ".join((name, *_ALIASES.get(name, ())))


def cloud_environment(needed: Collection[str] = ()) -> Mapping[str, str]:
    """Return the current environment, with aliases resolved and Vertex's endpoint derived from its location.

    AWS's region is read from its configuration file, if it is among the `needed` variables and not in the environment.
    """
    found = dict(os.environ)
    for name, others in _ALIASES.items():
        given = next((os.environ[each] for each in (name, *others) if os.environ.get(each)), None)
        if given is not None:
            found[name] = given
    if "AWS_REGION" in needed and not found.get("AWS_REGION") and (region := _configured_region()):
        found["AWS_REGION"] = region
    if location := found.get("GOOGLE_VERTEX_LOCATION"):
        found.setdefault(
            "GOOGLE_VERTEX_ENDPOINT", _VERTEX_HOSTS.get(location) or f"{location}-aiplatform.googleapis.com"
        )
    return found


def _configured_region() -> str:
    """Return the region of the profile in use in AWS's configuration file; "" where there is none.

    Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-region.html.
    """
    profile = os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE") or "default"
    parser = ConfigParser(interpolation=None)
    try:
        file = os.environ.get("AWS_CONFIG_FILE") or Path.home() / ".aws" / "config"
        parser.read(file, encoding="utf-8")
    except (OSError, RuntimeError, UnicodeDecodeError, ConfigError):  # RuntimeError: no home folder
        return ""
    section = profile if profile == "default" else f"profile {profile}"
    return parser.get(section, "region", fallback="").strip()
