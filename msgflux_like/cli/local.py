"""`msgflux-like local`: the embedded model."""

from __future__ import annotations

import argparse

from msgflux_like import local
from msgflux_like.cli.output import say


def setup(_options: argparse.Namespace) -> int:
    """Install the model, and say what was done."""
    say(local.setup())
    return 0
