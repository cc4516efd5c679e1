"""How a call meets the cache: what is looked up, who sends where equal calls are made at once, and what is kept."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Mapping
from typing import Any, Protocol

import msgspec

from msgflux_like._concurrency.single_flight import Turn
from msgflux_like._concurrency.threads import to_thread
from msgflux_like._http.reply_errors import wire_failure
from msgflux_like._http.steps import Do, Join, Step, WireError
from msgflux_like.cache import ResponseCache
from msgflux_like.errors import APIError, APITimeoutError
from msgflux_like.events import Event
from msgflux_like.request import HttpRequest

Steps = Generator[Step, Any, None]


class Form(Protocol):
    """What the answers of one kind of model are, as bytes: a module, such as `answers`.

    Attributes:
        KIND: What an entry of it is called.
    """

    KIND: str

    def pack(self, events: list[Event], /) -> bytes | None:
        """The events as bytes, or None where they cannot be kept."""
        ...

    def unpack(self, value: bytes, /) -> list[Event]:
        """New events."""
        ...


class CacheSlot:
    """Where the answer of one request belongs.

    Attributes:
        blocks: Whether to look there may wait for a disk or a network.
        cached: Whether the answer came without a request of this call's own.
    """

    __slots__ = ("_cache", "_facts", "_form", "_http", "_is_read", "_names", "_worth", "blocks", "cached", "key")

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
        self._cache = cache
        self._form = form
        self._http = http
        self._names = names  # provider and model
        self._facts = facts
        self._worth = worth
        self._is_read = is_read  # by code of the caller's, which may have changed since
        self.blocks = cache.blocks or (http.signer is not None and http.signer.blocks)  # which tells its account
        self.cached = False
        self.key: bytes | None = None

    def looked_for(self) -> bytes | None:
        """The key; None while the store cannot be asked."""
        if self.key is None:
            self.key = self._cache.key(self._http, self._facts)
        return self.key

    def find(self) -> list[Event] | None:
        """The answer that is there, as events of the caller's own; looks for the key first."""
        if (key := self.looked_for()) is None:
            return None
        value = self._cache.get(key, self._form.KIND)
        if value is None:
            return None
        try:
            events = self._form.unpack(value)
        except msgspec.DecodeError:
            events = []
        if not events or (self._is_read and not self._worth(events)):  # asked for anew
            self._cache.forget(key)
            return None
        self.cached = True
        return events

    async def afind(self) -> list[Event] | None:
        """The async twin of `find`; it never blocks the event loop."""
        return await to_thread(self.find) if self.blocks else self.find()

    # ---- a request that is sent

    def streamed(self, steps: Steps) -> Steps:
        """The exchange, and its answer kept at its end. It waits for nobody."""
        self._cache.count_miss()
        if self.key is None:
            yield from steps
            return
        events: list[Event] = []
        yield from _recorded(steps, events)
        yield from self._keep(self.key, events)

    def whole(self, steps: Steps) -> Steps:
        """The exchange, unless an equal call brings its answer; what this one brings is everybody's."""
        if self.key is None or not self._cache.keeps:
            self._cache.count_miss()
            yield from steps
            return
        try:
            outcome = yield Join(self._cache.flights, self.key)
        except WireError as failure:
            provider, model = self._names
            raise wire_failure(failure, {"provider": provider, "model": model}) from None
        if isinstance(outcome, bytes):
            yield self._shared(outcome)
        elif isinstance(outcome, Exception):
            raise copy.copy(outcome)  # one's own, with one's own traceback
        elif outcome is Turn.LEAD:
            yield from self._lead(self.key, steps)
        else:
            yield from self.streamed(steps)

    def _shared(self, value: bytes) -> list[Event]:
        self._cache.count_hit()
        self.cached = True
        return self._form.unpack(value)

    def _lead(self, key: bytes, steps: Steps) -> Steps:
        """Send for all that wait. Whoever is cancelled, or runs out of its own time, hands over to the next."""
        flights, events = self._cache.flights, list[Event]()
        try:
            # Whoever led until now may have kept its answer since this call has looked.
            found: list[Event] | None = yield Do(self.find, self.blocks)
            if found is None:
                self._cache.count_miss()
                yield from _recorded(steps, events)
        except APITimeoutError:
            flights.hand_over(key)
            raise
        except APIError as error:
            flights.land(key, copy.copy(error))
            raise
        except BaseException:
            flights.hand_over(key)
            raise
        value = self._form.pack(found or events)
        try:
            if found is None:
                yield from self._keep(key, events)
        finally:
            flights.land(key, value or Turn.ALONE)
        if found is not None:
            yield found

    def _keep(self, key: bytes, events: list[Event]) -> Steps:
        if self._cache.keeps and self._worth(events) and (value := self._form.pack(events)) is not None:
            yield Do(lambda: self._cache.put(key, self._form.KIND, value, *self._names), self.blocks)


def _recorded(steps: Steps, events: list[Event]) -> Steps:
    """The same steps, with the events that come by."""
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
