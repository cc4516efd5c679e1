"""Keep secrets out of the file of a recording: keys, accounts, cookies, and other values of headers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Final
from urllib.parse import SplitResult, urlsplit

import msgspec

from msgflux_like._wire.secrets import Secret
from msgflux_like.calls.plan import SHOWN_HEADERS
from msgflux_like.request import HttpRequest

HIDDEN: Final = "***"
_MIN_SECRET_CHARS = 8  # characters; a shorter value, such as "none", is not a secret and occurs in many texts

_HIDDEN_HEADER: Final = re.compile(
    r"x-amz-.*|.*(cookie|auth|api-?key|token(?!s)|secret|organization|project|account|workspace|session).*"
)
_HIDDEN_QUERY: Final = re.compile(r"(x-amz-.*|.*(key|token|secret|sig|signature|password))", re.IGNORECASE)


class Mask:
    """Replaces the secrets of one request, wherever they occur. Its repr does not show them."""

    def __init__(self, http: HttpRequest) -> None:
        key = [http.key] if isinstance(http.key, Secret) else []
        given = [Secret(value) for name, value in http.headers.items() if _HIDDEN_HEADER.fullmatch(name.lower())]
        self._secrets = [each for each in (*key, *given) if len(each.reveal()) >= _MIN_SECRET_CHARS]

    def text(self, text: str) -> str:
        """Return the string with stars in the place of each secret."""
        for secret in self._secrets:
            text = text.replace(secret.reveal(), HIDDEN)
        return text

    def body(self, body: bytes) -> bytes:
        """Return the body of a request with stars in the place of each secret, plain or escaped as in JSON."""
        for secret in self._encodings():
            body = body.replace(secret, HIDDEN.encode())
        return body

    def pieces(self, pieces: Sequence[bytes]) -> list[bytes]:
        """Return the pieces of a reply with stars in the place of each secret; the pieces keep their lengths."""
        whole = b"".join(pieces)
        masked = whole
        for secret in self._encodings():
            masked = masked.replace(secret, b"*" * len(secret))
        if masked == whole:
            return list(pieces)
        return [masked[start:end] for start, end in pairwise(accumulate(map(len, pieces), initial=0))]

    def _encodings(self) -> Iterable[bytes]:
        for secret in self._secrets:
            yield secret.reveal().encode()
            yield msgspec.json.encode(secret.reveal())[1:-1]


def request_headers(http: HttpRequest) -> dict[str, str]:
    """Return the headers that cannot hold a secret; a header that a user adds may hold one under any name."""
    shown = SHOWN_HEADERS - {http.auth[0]}
    return {name: value for name, value in http.headers.items() if name in shown}


def reply_headers(headers: Mapping[bytes, bytes], mask: Mask) -> dict[str, str]:
    """Return the headers that name no account and hold no cookie."""
    texts = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}
    return {name: mask.text(value) for name, value in texts.items() if not _HIDDEN_HEADER.fullmatch(name)}


def masked_url(url: str, mask: Mask) -> str:
    """Return the URL without its user, and with stars in the place of keys in its query."""
    parts = urlsplit(mask.text(url))
    fields = [_field(each) for each in parts.query.split("&")]
    host = parts.netloc.rpartition("@")[2]
    return SplitResult(parts.scheme, host, parts.path, "&".join(fields), "").geturl()


def _field(field: str) -> str:
    name, equals, _ = field.partition("=")
    return f"{name}={HIDDEN}" if equals and _HIDDEN_QUERY.fullmatch(name) else field
