"""Support of `with` and `async with` for classes that have `close` and `aclose`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class ClosesOnExit(ABC):
    """Base of objects that are closed at the end of a `with` block."""

    @abstractmethod
    def close(self) -> None:
        """Close the object. Idempotent."""

    @abstractmethod
    async def aclose(self) -> None:
        """Async counterpart of `close`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.aclose()
