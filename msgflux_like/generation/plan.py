"""Types of answers that make a model think before it concludes. Their code is in `msgflux_like.structured.plan`."""

from __future__ import annotations

from msgflux_like.structured.plan import Action, ChainOfThought, ChainOfThoughts, Path, ReAct, SelfConsistency

__all__ = ["Action", "ChainOfThought", "ChainOfThoughts", "Path", "ReAct", "SelfConsistency"]
