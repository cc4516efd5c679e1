"""A call, from what goes out to what is made of the reply; run from a thread or from an event loop."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Any, Generic, TypeVar

from msgspec import Struct

from msgflux_like._http.connections import Transport
from msgflux_like._http.deadline import Timeouts
from msgflux_like._http.drivers import AsyncDriver, Driver
from msgflux_like._http.steps import Step
from msgflux_like.client.reading import Reading
from msgflux_like.client.streams import AsyncStream, Stream
from msgflux_like.client.tracing import Span, Traced
from msgflux_like.errors import APIError, AuthenticationError, NotFoundError
from msgflux_like.events import Event
from msgflux_like.request import HttpRequest
from msgflux_like.response.openai_objects import ApiObject

W = TypeVar("W", bound=ApiObject)
C = TypeVar("C", bound=ApiObject)


def _as_it_is(error: NotFoundError) -> NotFoundError:
    return error


class Call(Struct, Generic[W, C], frozen=True):
    """One call, ready to be sent.

    Attributes:
        http: What goes out.
        exchange: Begins the exchange of it.
        timeouts: How long to wait.
        transport: The connections.
        reads: Makes objects of the reply.
        renewed: Whether there is another token to try with, once the provider refused the one that was sent.
        explained: Adds what may help to an error about a name that the provider does not know.
        span: Told what happens, where spans are wanted.
    """

    http: HttpRequest
    exchange: Callable[[HttpRequest], Generator[Step, Any, None]]
    timeouts: Timeouts
    transport: Transport
    reads: Reading[W, C]
    renewed: Callable[[], bool]
    explained: Callable[[NotFoundError], NotFoundError] = _as_it_is
    span: Span | None = None

    def driven(self) -> tuple[Generator[Step, Any, None], Transport, Timeouts]:
        """What a drive takes."""
        return self._steps(), self.transport, self.timeouts

    def _steps(self) -> Generator[Step, Any, None]:
        """The exchange, and what is said of it where it fails."""
        try:
            yield from self._attempts()
        except NotFoundError as error:
            raise self._failed(self.explained(error)) from None
        except APIError as error:
            raise self._failed(error) from None
        except GeneratorExit:  # nobody reads on
            if self.span is not None:
                self.span.end()
            raise

    def _attempts(self) -> Generator[Step, Any, None]:
        """One, and another one where there is a new token for it."""
        try:
            yield from self.exchange(self.http)
        except AuthenticationError as error:
            if error.status != 401 or not self.renewed():
                raise
            yield from self.exchange(self.http)

    def _failed(self, error: APIError) -> APIError:
        if self.span is not None:
            self.span.failed(error)
        return error

    def reading(self) -> Reading[W, C]:
        """What makes objects of the reply, and tells the span of them."""
        return self.reads if self.span is None else Traced(self.reads, self.span)

    def whole(self, events: Iterable[Event]) -> W:
        """The object of these events."""
        reply = self.reading().whole(events)
        if self.reads.changes:
            reply.with_changes(self.reads.changes)
        return reply


def run(call: Call[W, Any]) -> W:
    """The whole answer."""
    return call.whole(event for batch in Driver(*call.driven()) for event in batch)


async def arun(call: Call[W, Any]) -> W:
    """The async twin of `run`."""
    events: list[Event] = []
    async for batch in AsyncDriver(*call.driven()):
        events += batch
    return call.whole(events)


def opened(call: Call[Any, C]) -> Stream[C]:
    """The stream, once its first piece is there."""
    drive = Driver(*call.driven())
    return Stream(drive, next(drive), call.reading())


async def aopened(call: Call[Any, C]) -> AsyncStream[C]:
    """The async twin of `opened`."""
    drive = AsyncDriver(*call.driven())
    return AsyncStream(drive, await anext(drive), call.reading())
