"""Public path of the answer types for planning, defined in `msgflux_like.structured.plan`."""

from __future__ import annotations

from msgflux_like.structured.plan import Action, ChainOfThought, ChainOfThoughts, Path, ReAct, SelfConsistency

__all__ = ["Action", "ChainOfThought", "ChainOfThoughts", "Path", "ReAct", "SelfConsistency"]
