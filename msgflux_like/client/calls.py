"""One call of a client, from the request to the object of its reply, run from a thread or from an event loop."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Any, Generic, TypeVar

from msgspec import Struct

from msgflux_like._http.connections import Transport
from msgflux_like._http.deadline import Timeouts
from msgflux_like._http.drivers import AsyncDriver, Driver
from msgflux_like._http.steps import Step
from msgflux_like.client.reply_readers import ReplyReader
from msgflux_like.client.streams import AsyncStream, Stream
from msgflux_like.client.tracing import Span, TracedReader
from msgflux_like.errors import APIError, AuthenticationError, NotFoundError
from msgflux_like.events import Event
from msgflux_like.request import HttpRequest
from msgflux_like.response.openai_objects import ApiObject

W = TypeVar("W", bound=ApiObject)
C = TypeVar("C", bound=ApiObject)


def _unchanged(error: NotFoundError) -> NotFoundError:
    return error


class Call(Struct, Generic[W, C], frozen=True):
    """One call, ready to be sent.

    Attributes:
        http: The request.
        exchange: Function that starts the exchange of a request.
        timeouts: Time limits.
        transport: Connections to send with.
        reader: Makes objects of the reply.
        renew_token: Function that is called when the token was refused; whether there is another one to try with.
        explain: Function that adds a remedy to an error about a name that the provider does not know.
        span: OpenTelemetry span of the call, None without spans.
    """

    http: HttpRequest
    exchange: Callable[[HttpRequest], Generator[Step, Any, None]]
    timeouts: Timeouts
    transport: Transport
    reader: ReplyReader[W, C]
    renew_token: Callable[[], bool]
    explain: Callable[[NotFoundError], NotFoundError] = _unchanged
    span: Span | None = None

    def driver_args(self) -> tuple[Generator[Step, Any, None], Transport, Timeouts]:
        """Return the arguments of a driver."""
        return self._steps(), self.transport, self.timeouts

    def _steps(self) -> Generator[Step, Any, None]:
        """Run the exchange, and report its failure to the span."""
        try:
            yield from self._attempts()
        except NotFoundError as error:
            raise self._recorded(self.explain(error)) from None
        except APIError as error:
            raise self._recorded(error) from None
        except GeneratorExit:  # the reader stopped early
            if self.span is not None:
                self.span.end()
            raise

    def _attempts(self) -> Generator[Step, Any, None]:
        """Run the exchange, and once more where a refused token can be renewed."""
        try:
            yield from self.exchange(self.http)
        except AuthenticationError as error:
            if error.status != 401 or not self.renew_token():
                raise
            yield from self.exchange(self.http)

    def _recorded(self, error: APIError) -> APIError:
        if self.span is not None:
            self.span.record_error(error)
        return error

    def traced_reader(self) -> ReplyReader[W, C]:
        """Return the reader of the reply, which reports to the span if there is one."""
        return self.reader if self.span is None else TracedReader(self.reader, self.span)

    def read_whole(self, events: Iterable[Event]) -> W:
        """Return the object of a reply that was not streamed."""
        reply = self.traced_reader().read_whole(events)
        if self.reader.changes:
            reply.with_changes(self.reader.changes)
        return reply


def run(call: Call[W, Any]) -> W:
    """Send the call, and return the object of its reply."""
    return call.read_whole(event for batch in Driver(*call.driver_args()) for event in batch)


async def run_async(call: Call[W, Any]) -> W:
    """Send the call, and return the object of its reply; the async counterpart of `run`."""
    events: list[Event] = []
    async for batch in AsyncDriver(*call.driver_args()):
        events += batch
    return call.read_whole(events)


def open_stream(call: Call[Any, C]) -> Stream[C]:
    """Send the call, and return its stream once the first events are there."""
    driver = Driver(*call.driver_args())
    return Stream(driver, next(driver), call.traced_reader())


async def open_async_stream(call: Call[Any, C]) -> AsyncStream[C]:
    """Send the call, and return its stream once the first events are there; the async counterpart of `open_stream`."""
    driver = AsyncDriver(*call.driver_args())
    return AsyncStream(driver, await anext(driver), call.traced_reader())
