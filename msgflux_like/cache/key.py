"""The key of a request: a SHA-256 over what would go on the wire, who asks, and how the answer is read."""

from __future__ import annotations

import hashlib
import secrets
import weakref
from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Final

import msgspec

from msgflux_like._wire.secrets import Secret
from msgflux_like.request import HttpRequest

_LAYOUT: Final = 1  # of what is hashed

# All of a request but its body, which is hashed as it is, and who asks, which is hashed with the salt.
_AROUND: Final = tuple(name for name in HttpRequest.__struct_fields__ if name not in ("body", "key", "signer"))
_around = attrgetter(*_AROUND)

# Sorted, so that headers and facts may come in any order. The body is taken as it goes out: the order of a schema's
# properties is the order in which a model writes them.
_encode = msgspec.msgpack.Encoder(order="sorted").encode


def key_of(http: HttpRequest, facts: Mapping[str, Any], salt: bytes, account: str | None) -> bytes:
    """32 bytes that are the same for equal requests of one account, and for nothing else.

    The whole request is hashed, not a choice of its fields: what is added to a request one day is in the key that
    day. Header values are only ever hashed, together with the salt.

    Args:
        http: What would be sent.
        facts: What else tells answers apart, as plain values: the dialect, and how the answer is read.
        salt: That of the store.
        account: Who asks, where that is given; else it is seen from the key, its source or the signer.
    """
    who = ("given", account) if account is not None else _who(http)
    hashed = hashlib.sha256(_encode((_LAYOUT, salt, who, facts, len(http.body), _around(http))))
    hashed.update(http.body)
    return hashed.digest()


def _who(http: HttpRequest) -> tuple[str, str | bytes]:
    if isinstance(http.key, Secret):
        return "key", http.key.reveal()  # hashed with the salt, as all the rest
    if http.key is not None:
        return "source", _nonce(http.key)
    if http.signer is not None:
        named = getattr(http.signer, "account", None)
        return ("signer", named) if isinstance(named, str) else ("signed", _nonce(http.signer))
    return "nobody", ""


def client_facts(client: Any) -> Any:
    """What an httpx client of the user's own adds to every request, as plain values.

    What its `auth` and its hooks do to a request is not known: it is an account of its own while the process lives.
    Its cookies are left out, since providers change them with every answer.
    """
    acts = client.auth is not None or client.event_hooks["request"]
    return sorted(client.headers.multi_items()), str(client.params), _nonce(client) if acts else None


# A function that gives tokens says nothing of whose they are: no two of them are taken to be of one account.
_nonces: weakref.WeakKeyDictionary[Any, bytes] = weakref.WeakKeyDictionary()


def _nonce(source: Any) -> bytes:
    try:
        return _nonces.setdefault(source, secrets.token_bytes(16))
    except TypeError:  # it cannot be known again: nothing is found for it
        return secrets.token_bytes(16)
