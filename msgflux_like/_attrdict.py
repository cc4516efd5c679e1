"""A dict whose string keys are attributes, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast


class dotdict(dict[str, Any]):  # noqa: N801  the name its users know
    """A dict that can also be read by attribute; it equals a plain dict, and is printed as one.

    Example:
        >>> usage = dotdict({"usage": {"prompt_tokens": 19}})
        >>> usage.usage.prompt_tokens
        19
    """

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        for key, value in self.items():
            if type(value) is dict:
                self[key] = dotdict(cast("Mapping[str, Any]", value))

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"there is no {name!r}; there are {', '.join(map(str, self))}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)
