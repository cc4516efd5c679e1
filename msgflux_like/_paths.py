"""Paths of the package's data, of the cache folder and of the configuration folder."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Literal

_PACKAGE = Path(__file__).parent


@cache
def data_folder(name: Literal["providers", "profiles"]) -> Path:
    """Return the folder of shipped data called `name`: inside the wheel, or at the root of a checkout.

    `providers/` and `profiles/` are not importable, so that names this general never land in anyone's
    site-packages; the wheel carries them as `msgflux_like/_data/<name>`.
    """
    packaged = _PACKAGE / "_data" / name
    return packaged if packaged.is_dir() else _PACKAGE.parent / name


def cache_folder() -> Path:
    """Return the folder of refreshed profiles and caches, which may not exist yet.

    `MSGFLUX_LIKE_CACHE_DIR`, else `$XDG_CACHE_HOME/msgflux-like`, else `~/.cache/msgflux-like`.
    """
    if own := os.environ.get("MSGFLUX_LIKE_CACHE_DIR"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "msgflux-like"


def config_folder() -> Path:
    """Return the folder of the user's own provider rows, in `providers/`, which may not exist yet.

    `MSGFLUX_LIKE_CONFIG_DIR`, else `$XDG_CONFIG_HOME/msgflux-like`, else `~/.config/msgflux-like`.
    """
    if own := os.environ.get("MSGFLUX_LIKE_CONFIG_DIR"):
        return Path(own)
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "msgflux-like"
