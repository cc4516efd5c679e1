"""What the addresses of cloud providers take from the environment, under every name that their own tools use."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

_ALSO: Final[Mapping[str, tuple[str, ...]]] = {
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
    """A variable's name, and the others that do as well."""
    return " or ".join((name, *_ALSO.get(name, ())))


def cloud_environment() -> Mapping[str, str]:
    """The environment of this moment, and what follows from it."""
    found = dict(os.environ)
    for name, others in _ALSO.items():
        given = next((os.environ[other] for other in (name, *others) if os.environ.get(other)), None)
        if given is not None:
            found[name] = given
    if location := found.get("GOOGLE_VERTEX_LOCATION"):
        found.setdefault(
            "GOOGLE_VERTEX_ENDPOINT", _VERTEX_HOSTS.get(location) or f"{location}-aiplatform.googleapis.com"
        )
    return found
