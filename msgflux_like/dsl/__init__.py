"""Small languages that a model is asked to write."""

from __future__ import annotations

from msgflux_like.dsl import typed_parsers

__all__ = ["typed_parsers"]
