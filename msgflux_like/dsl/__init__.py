"""Small languages in which a model can be asked to answer."""

from __future__ import annotations

from msgflux_like.dsl import typed_parsers

__all__ = ["typed_parsers"]
