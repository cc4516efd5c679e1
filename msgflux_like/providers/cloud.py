"""Environment variables in the addresses of cloud providers, under all the names that the clouds' own tools use."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

_ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "AWS_REGION": ("AWS_DEFAULT_REGION",),
    "GOOGLE_VERTEX_PROJECT": ("GOOGLE_CLOUD_PROJECT",),
    "GOOGLE_VERTEX_LOCATION": ("GOOGLE_CLOUD_LOCATION",),
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


def cloud_environment() -> Mapping[str, str]:
    """Return the current environment, with aliases resolved and Vertex's endpoint derived from its location."""
    found = dict(os.environ)
    for name, aliases in _ALIASES.items():
        given = next((os.environ[each] for each in (name, *aliases) if os.environ.get(each)), None)
        if given is not None:
            found[name] = given
    if location := found.get("GOOGLE_VERTEX_LOCATION"):
        found.setdefault(
            "GOOGLE_VERTEX_ENDPOINT", _VERTEX_HOSTS.get(location) or f"{location}-aiplatform.googleapis.com"
        )
    return found
