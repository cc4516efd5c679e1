"""The only package that opens sockets: connections, the exchange, and the drivers that perform its IO.

exchange.py      one request and its reply as a generator, without IO; read this first
steps.py         what the generator yields and what a driver answers
retry.py         the retry policy: attempts, backoff, Retry-After
reply_errors.py  which exception a failure becomes
drivers.py       perform the steps from a thread or from an event loop
deadline.py      the time limits of a call
connections.py   the connection pool, and one reply on a connection
http_client.py   the only file that imports the HTTP client
interception.py  the protocol of a reply, and interceptors for tests
fetch.py         one GET or POST outside of an exchange
"""
