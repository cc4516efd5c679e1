"""Support of `with` and `async with` for classes that have `close` and `aclose`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class _AsyncContext(ABC):
    """Base of objects that are closed at the end of an `async with` block."""

    @abstractmethod
    async def aclose(self) -> None:
        """Async counterpart of `close`."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.aclose()


class ClosesOnExit(_AsyncContext):
    """Base of objects that are closed at the end of a `with` or `async with` block."""

    @abstractmethod
    def close(self) -> None:
        """Close the object. Idempotent."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class AsyncClosesOnExit(_AsyncContext):
    """Base of objects whose `close` is awaited, as in the async classes of OpenAI's client."""

    @abstractmethod
    async def close(self) -> None:
        """Close the object. Idempotent."""

    async def aclose(self) -> None:
        """Close the object; the same as `close`."""
        await self.close()
