"""Whether an object of ours says what an object of the openai package says: every field of it, and no more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel


def differences(theirs: Any, ours: Any, place: str = "$") -> Iterator[str]:
    """The places where they differ, by attribute and by dump."""
    if isinstance(theirs, BaseModel):
        for name in {*type(theirs).model_fields, *(theirs.model_extra or {})}:
            yield from differences(getattr(theirs, name), getattr(ours, name, "no such attribute"), f"{place}.{name}")
        if theirs.model_dump(mode="json", exclude_unset=True, warnings=False) != ours.model_dump():
            yield f"{place}: dumped as {ours.model_dump()!r}"
    elif isinstance(theirs, list):
        if not isinstance(ours, list) or len(ours) != len(theirs):
            yield f"{place}: {ours!r}"
            return
        for index, (their, our) in enumerate(zip(theirs, ours, strict=True)):
            yield from differences(their, our, f"{place}[{index}]")
    elif isinstance(theirs, Mapping):
        if theirs != ours:
            yield f"{place}: {ours!r}"
    elif theirs != ours:
        yield f"{place}: {theirs!r} and {ours!r}"
