"""The only package that touches the network: connections, the drivers that answer an exchange, one request.

clock.py        the time limits of a call
http_client.py  the only file that imports the HTTP client: connecting, requests, its exceptions
connections.py  which connection a request takes, and one reply on it
interception.py a reply, and who may stand in between, for tests
drivers.py      an exchange, answered from a thread or from an event loop
together.py     several functions or coroutines at once
push.py         a stream handed to a callback from a thread or a task of its own
handlers.py     a stream's events handled one by one by an object with state
fetch.py        one GET or POST: the data that the library keeps, services on this machine
"""

from msgflux_like._concurrency.threads import gather_all, run_in_threads, to_thread
from msgflux_like._http.connections import Transport
from msgflux_like._http.deadline import Timeouts
from msgflux_like._http.drivers import AsyncDriver, Driver, in_thread
from msgflux_like._http.fetch import fetch

__all__ = [
    "AsyncDriver",
    "Driver",
    "Timeouts",
    "Transport",
    "fetch",
    "gather_all",
    "in_thread",
    "run_in_threads",
    "to_thread",
]
