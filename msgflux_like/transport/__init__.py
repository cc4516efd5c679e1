"""The only package that touches the network: connections, and the two drivers that answer an exchange.

clock.py        the time limits of a call
http_client.py  the only file that imports the HTTP client: connecting, requests, its exceptions
connections.py  which connection a request takes, and one reply on it
drivers.py      an exchange, answered from a thread or from an event loop
"""

from msgflux_like.transport.clock import Timeouts
from msgflux_like.transport.connections import Transport
from msgflux_like.transport.drivers import AsyncDrive, Drive, in_thread

__all__ = ["AsyncDrive", "Drive", "Timeouts", "Transport", "in_thread"]
