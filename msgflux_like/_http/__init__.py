"""The only package that opens sockets: connections, the exchange, and the drivers that perform its IO.

http_client.py   the only file that imports the HTTP client: connecting, requests, its exceptions
connections.py   the connection pool: which connection a request takes, and one reply on it
exchange.py      one request as a generator: sending, retrying, reading; it performs no IO
drivers.py       perform an exchange from a thread or from an event loop
deadline.py      the time limits of a call
interception.py  a reply, and what may be put between for tests
fetch.py         one GET or POST: catalogue refresh, services on this machine
"""
