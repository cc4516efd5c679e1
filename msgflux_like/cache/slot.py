"""How one call uses the cache: look-up, single flight with equal calls, and storing the answer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Mapping
from typing import Any, Protocol

import msgspec

from msgflux_like._concurrency.single_flight import Role
from msgflux_like._concurrency.threads import to_thread
from msgflux_like._http.reply_errors import wire_failure
from msgflux_like._http.steps import Do, Join, Step, WireError
from msgflux_like.cache import ResponseCache, engine_of
from msgflux_like.errors import APIError, APITimeoutError
from msgflux_like.events import Event
from msgflux_like.request import HttpRequest

Steps = Generator[Step, Any, None]


class Form(Protocol):
    """How the answers of one kind of model are encoded: a module, such as `answers`.

    Attributes:
        KIND: The `Entry.kind` of its entries.
    """

    KIND: str

    def pack(self, events: list[Event], /) -> bytes | None:
        """Return the events as bytes, or None if they cannot be stored."""
        ...

    def unpack(self, value: bytes, /) -> list[Event]:
        """Return new events."""
        ...


class CacheSlot:
    """The entry of one request in a cache.

    Args:
        cache: The model's cache.
        form: Encodes answers.
        http: The request as it would be sent.
        facts: Everything else that distinguishes answers, as plain values.
        names: Provider and model id, for the entry.
        worth: Returns whether an answer is worth storing.
        is_read: Whether the caller's code reads the answer (a parser, a type), so that a stored one is checked with
            `worth` again: the code may have changed.

    Attributes:
        blocks: Whether a look-up may wait for a disk or a network.
        cached: Whether the answer came without a request of this call.
        key: The key of the request; None until it was looked up, and while the store fails.
    """

    __slots__ = ("_engine", "_facts", "_form", "_http", "_is_read", "_names", "_worth", "blocks", "cached", "key")

    def __init__(
        self,
        cache: ResponseCache,
        form: Form,
        http: HttpRequest,
        *,
        facts: Mapping[str, Any],
        names: tuple[str, str],
        worth: Callable[[list[Event]], bool],
        is_read: bool,
    ) -> None:
        self._engine = engine_of(cache)
        self._form = form
        self._http = http
        self._names = names
        self._facts = facts
        self._worth = worth
        self._is_read = is_read
        # A signer may have to look up its account.
        self.blocks = self._engine.blocks or (http.signer is not None and http.signer.blocks)
        self.cached = False
        self.key: bytes | None = None

    def find_key(self) -> bytes | None:
        """Return the key; None while the store fails."""
        if self.key is None:
            self.key = self._engine.key(self._http, self._facts)
        return self.key

    def find(self) -> list[Event] | None:
        """Return the stored answer as new events, or None."""
        if (key := self.find_key()) is None:
            return None
        value = self._engine.get(key, self._form.KIND)
        if value is None:
            return None
        try:
            events = self._form.unpack(value)
        except msgspec.DecodeError:
            events = []
        if not events or (self._is_read and not self._worth(events)):
            self._engine.discard(key)
            return None
        self.cached = True
        return events

    async def afind(self) -> list[Event] | None:
        """Async counterpart of `find`; never blocks the event loop."""
        return await to_thread(self.find) if self.blocks else self.find()

    def streamed(self, steps: Steps) -> Steps:
        """Run a streamed exchange and store its answer at the end. Streams do not wait for equal calls."""
        self._engine.count_miss()
        if self.key is None:
            yield from steps
            return
        events: list[Event] = []
        yield from _record(steps, events)
        yield from self._store(self.key, events)

    def whole(self, steps: Steps) -> Steps:
        """Run an exchange, or wait for an equal call in flight; the outcome is shared by all equal calls."""
        if self.key is None or not self._engine.has_room:
            self._engine.count_miss()
            yield from steps
            return
        try:
            outcome = yield Join(self._engine.flights, self.key)
        except WireError as failure:
            provider, model = self._names
            raise wire_failure(failure, {"provider": provider, "model": model}) from None
        if isinstance(outcome, bytes):
            yield self._shared(outcome)
        elif isinstance(outcome, Exception):
            raise copy.copy(outcome)  # each caller gets a separate error with a separate traceback
        elif outcome is Role.LEADER:
            yield from self._lead(self.key, steps)
        else:
            yield from self.streamed(steps)

    def _shared(self, value: bytes) -> list[Event]:
        self._engine.count_hit()
        self.cached = True
        return self._form.unpack(value)

    def _lead(self, key: bytes, steps: Steps) -> Steps:
        """Send for all callers. A leader that is cancelled, or exceeds its own time limit, promotes a waiter."""
        flights, events = self._engine.flights, list[Event]()
        try:
            # An earlier leader may have stored its answer since this call looked.
            found: list[Event] | None = yield Do(self.find, self.blocks)
            if found is None:
                self._engine.count_miss()
                yield from _record(steps, events)
        except APITimeoutError:
            flights.promote(key)
            raise
        except APIError as error:
            flights.publish(key, copy.copy(error))
            raise
        except BaseException:
            flights.promote(key)
            raise
        value = self._form.pack(found or events)
        try:
            if found is None:
                yield from self._store(key, events)
        finally:
            flights.publish(key, value or Role.SOLO)
        if found is not None:
            yield found

    def _store(self, key: bytes, events: list[Event]) -> Steps:
        if self._engine.has_room and self._worth(events) and (value := self._form.pack(events)) is not None:
            yield Do(lambda: self._engine.put(key, self._form.KIND, value, *self._names), self.blocks)


def _record(steps: Steps, events: list[Event]) -> Steps:
    """Pass the steps through, and append the events they yield to `events`."""
    advance: Callable[[Any], Step] = steps.send
    outcome: Any = None
    try:
        while True:
            try:
                step = advance(outcome)
            except StopIteration:
                return
            if isinstance(step, list):
                events += step
            try:
                advance, outcome = steps.send, (yield step)
            except WireError as failure:
                advance, outcome = steps.throw, failure
    finally:
        steps.close()
