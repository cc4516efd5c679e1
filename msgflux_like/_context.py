"""`with` and `async with`, for what has `close` and `aclose`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class ClosesOnExit(ABC):
    """Is closed at the end of its block, however the block ends."""

    @abstractmethod
    def close(self) -> None:
        """End it; twice is once."""

    @abstractmethod
    async def aclose(self) -> None:
        """The async twin of `close`."""

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
