"""The value of a streamed answer while it grows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

from msgflux_like.response.stream import StreamConsumer
from msgflux_like.structured.json_schema.codecs import RestoreError
from msgflux_like.structured.json_schema.partial import PartialJson
from msgflux_like.structured.json_schema.record import Record
from msgflux_like.structured.json_schema.schema import as_records
from msgflux_like.structured.output_spec import OutputSpec


class Partials:
    """An iterable over the growing value of a stream, for `for` and `async for`; from `StructuredStream.partial`."""

    def __init__(self, pieces: StreamConsumer, output_spec: OutputSpec) -> None:
        self._pieces = pieces
        self._output_spec = output_spec

    def __iter__(self) -> Iterator[Any]:
        reader = _PartialReader(self._output_spec)
        for piece in self._pieces:
            if reader.feed(piece):
                yield reader.value()

    async def __aiter__(self) -> AsyncIterator[Any]:
        reader = _PartialReader(self._output_spec)
        pieces = aiter(self._pieces)
        async with aclosing(pieces):  # pyright: ignore[reportArgumentType]  `__aiter__` is an async generator
            async for piece in pieces:
                if reader.feed(piece):
                    yield reader.value()


class _PartialReader:
    """Incremental reader of the value from the pieces of its text, JSON or XML."""

    def __init__(self, output_spec: OutputSpec) -> None:
        self._lowered = output_spec.lowered
        self._json = PartialJson(Record) if output_spec.parser is None else None
        new_reader: Any = getattr(output_spec.parser, "partial", None)
        self._xml: Any = new_reader() if new_reader else None
        self._last: Any = None

    def feed(self, piece: str) -> bool:
        """Read the next piece; return whether the value has grown."""
        if self._json is not None:
            if not self._json.feed(piece):
                return False
            value = self._json.snapshot()
            if self._lowered is not None and not self._lowered.alters:  # a snapshot shares its closed parts: no copy
                self._last = self._lowered.restore(value, partial=True)
                return self._last is not None
            value = self._restored(value)
        elif self._xml is not None:
            value = self._xml.feed(piece)
        else:
            return False
        if value is None or (self._last is not None and value == self._last):
            return False
        self._last = as_records(value)
        return True

    def _restored(self, value: Any) -> Any:
        if self._lowered is None:
            return value
        try:
            return self._lowered.restore(value, partial=True)
        except RestoreError:
            return self._last  # the check of the whole answer reports it

    def value(self) -> Any:
        """Return the last value."""
        return self._last
