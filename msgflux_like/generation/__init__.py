"""Answer types for planning, under their public name; `reasoning` is an alias of `plan`.

Example:
>>> import msgflux_like as mf
>>> mf.generation.plan.ChainOfThoughts.__struct_fields__
('reasoning', 'final_answer')
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from msgflux_like.structured import plan
    from msgflux_like.structured import plan as reasoning

__all__ = ["plan", "reasoning"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.plan")  # `reasoning` is an alias
    globals()[name] = module
    return module
