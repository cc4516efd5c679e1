"""`msgflux-like local`: the embedded model."""

from __future__ import annotations

import argparse

from msgflux_like.cli.output import echo
from msgflux_like.local import llama


def setup(_options: argparse.Namespace) -> int:
    """Install the embedded model and print what was done."""
    echo(llama.setup())
    return 0
