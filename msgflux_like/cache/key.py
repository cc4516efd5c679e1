"""The key of a request: a SHA-256 of everything that would be sent, of the account, and of how the answer is read."""

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

_LAYOUT: Final = 1  # version of what is hashed

# Every field of a request except its body, which is hashed as it is, and the account, which `_account_of` returns.
_FIELDS: Final = tuple(name for name in HttpRequest.__struct_fields__ if name not in ("body", "key", "signer"))
_fields_of = attrgetter(*_FIELDS)

# Sorted, so that the order of headers and facts does not matter. The order inside the body does matter: a model writes
# the properties of a schema in the order of the schema.
_encode = msgspec.msgpack.Encoder(order="sorted").encode


def request_key(http: HttpRequest, facts: Mapping[str, Any], salt: bytes, account: str | None) -> bytes:
    """Return 32 bytes that are equal for equal requests of one account, and different otherwise.

    The whole request is hashed, not a choice of its fields, so that a field that is added to requests later is part
    of the key at once. Header values are only hashed together with the salt.

    Args:
        http: The request as it would be sent.
        facts: Everything else that distinguishes answers, as plain values: the dialect, and how the answer is read.
        salt: The salt of the store.
        account: Name of the account; without it the key, its source or the signer distinguishes accounts.
    """
    owner = ("given", account) if account is not None else _account_of(http)
    hashed = hashlib.sha256(_encode((_LAYOUT, salt, owner, facts, len(http.body), _fields_of(http))))
    hashed.update(http.body)
    return hashed.digest()


def _account_of(http: HttpRequest) -> tuple[str, str | bytes]:
    if isinstance(http.key, Secret):
        return "key", http.key.reveal()  # only hashed, together with the salt
    if http.key is not None:
        return "source", _nonce(http.key)
    if http.signer is not None:
        account = getattr(http.signer, "account", None)
        return ("signer", account) if isinstance(account, str) else ("signed", _nonce(http.signer))
    return "nobody", ""


def client_facts(client: Any) -> Any:
    """Return what a user's httpx client adds to every request, as plain values.

    A client with `auth` or request hooks may change requests in any way, so it counts as a separate account as long
    as the process lives. Cookies are left out, since providers change them with every answer.
    """
    acts = client.auth is not None or client.event_hooks["request"]
    return sorted(client.headers.multi_items()), str(client.params), _nonce(client) if acts else None


# A token function does not tell whose tokens they are, so each function counts as a separate account.
_nonces: weakref.WeakKeyDictionary[Any, bytes] = weakref.WeakKeyDictionary()


def _nonce(source: Any) -> bytes:
    try:
        return _nonces.setdefault(source, secrets.token_bytes(16))
    except TypeError:  # it cannot be recognised later, so that nothing is found for it
        return secrets.token_bytes(16)
