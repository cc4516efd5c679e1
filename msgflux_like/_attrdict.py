"""Dict whose string keys can be read and set as attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast


class dotdict(dict[str, Any]):  # noqa: N801  the name its users know
    """Dict whose string keys are attributes as well. It is equal to a plain dict with the same items.

    Nested dicts are converted; dicts inside lists are not. A key with the name of a dict method, such as "items", can
    only be read as `d["items"]`.

    Args:
        *args: A mapping, or an iterable of pairs, as for `dict`.
        **kwargs: Further items by name.

    Raises:
        AttributeError: On reading an attribute without a key; the message lists the keys.

    Example:
        >>> metadata = dotdict({"usage": {"prompt_tokens": 19}}, model="gpt-4o")
        >>> metadata.usage.prompt_tokens
        19
        >>> metadata.model = "gpt-4.1"
        >>> metadata
        {'usage': {'prompt_tokens': 19}, 'model': 'gpt-4.1'}
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for key, value in self.items():
            if type(value) is dict:
                self[key] = dotdict(cast("Mapping[str, Any]", value))

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"there is no key {name!r}; the keys are {', '.join(map(str, self))}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)
