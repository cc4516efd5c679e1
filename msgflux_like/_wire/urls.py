"""Questions about URLs that several rooms ask: is a host this machine, is a connection to it private."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

# Complete numbers up to the end: 127.0.0.1.example.com is a name that anyone may point anywhere.
_LOOPBACK: Final = re.compile(r"(.+\.)?localhost|127\.\d+\.\d+\.\d+|::1")


def is_loopback(host: str) -> bool:
    """Return whether a host (lower case, without port and brackets) is this machine."""
    return _LOOPBACK.fullmatch(host) is not None


def is_private_connection(url: SplitResult) -> bool:
    """Return whether nobody on the way can read or change what is sent: https, or http to this machine."""
    return url.scheme == "https" or (url.scheme == "http" and is_loopback(url.hostname or ""))


def split_http_url(url: str) -> SplitResult | None:
    """Return the parts of an http or https URL with a host and a valid port, or None for anything else."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # validated only when it is read
    except ValueError:
        return None
    return parts if parts.scheme in ("http", "https") and parts.hostname else None
