"""`async with` for what is closed by awaiting it, as the async classes of OpenAI's client are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class AsyncClosesOnExit(ABC):
    """Object that is closed at the end of its `async with` block, however the block ends."""

    @abstractmethod
    async def close(self) -> None:
        """Close it. Idempotent."""

    async def aclose(self) -> None:
        """Close it; another name of `close`."""
        await self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()
