"""What is kept out of the file of a recording: keys, accounts, cookies, and whatever else a header may hold."""

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
_SHORTEST_SECRET = 8  # characters; what is shorter, such as "none", is no secret and stands in many a text

_HIDDEN_HEADER: Final = re.compile(
    r"x-amz-.*|.*(cookie|auth|api-?key|token(?!s)|secret|organization|project|account|workspace|session).*"
)
_HIDDEN_QUERY: Final = re.compile(r"(x-amz-.*|.*(key|token|secret|sig|signature|password))", re.IGNORECASE)


class Mask:
    """Hides what is secret of one request, wherever it stands. It shows itself to nobody."""

    def __init__(self, http: HttpRequest) -> None:
        key = [http.key] if isinstance(http.key, Secret) else []
        given = [Secret(value) for name, value in http.headers.items() if _HIDDEN_HEADER.fullmatch(name.lower())]
        self._secrets = [each for each in (*key, *given) if len(each.reveal()) >= _SHORTEST_SECRET]

    def text(self, text: str) -> str:
        """The text, with stars in the place of each secret."""
        for secret in self._secrets:
            text = text.replace(secret.reveal(), HIDDEN)
        return text

    def body(self, body: bytes) -> bytes:
        """The same of a request's body, in which a secret may stand as JSON writes it."""
        for variable_names in self._spellings():
            body = body.replace(variable_names, HIDDEN.encode())
        return body

    def pieces(self, pieces: Sequence[bytes]) -> list[bytes]:
        """The same of a reply: as many stars as the secret is long, so that it is cut where it was."""
        whole = b"".join(pieces)
        masked = whole
        for variable_names in self._spellings():
            masked = masked.replace(variable_names, b"*" * len(variable_names))
        if masked == whole:
            return list(pieces)
        return [masked[start:end] for start, end in pairwise(accumulate(map(len, pieces), initial=0))]

    def _spellings(self) -> Iterable[bytes]:
        for secret in self._secrets:
            yield secret.reveal().encode()
            yield msgspec.json.encode(secret.reveal())[1:-1]


def request_headers(http: HttpRequest) -> dict[str, str]:
    """Those that hold no secret; what a user adds may hold one under any name."""
    shown = SHOWN_HEADERS - {http.auth[0]}
    return {name: value for name, value in http.headers.items() if name in shown}


def reply_headers(headers: Mapping[bytes, bytes], mask: Mask) -> dict[str, str]:
    """Those that name no account and hold no cookie."""
    texts = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}
    return {name: mask.text(value) for name, value in texts.items() if not _HIDDEN_HEADER.fullmatch(name)}


def masked_url(url: str, mask: Mask) -> str:
    """The URL without its user, and without the keys in its query."""
    parts = urlsplit(mask.text(url))
    fields = [_field(each) for each in parts.query.split("&")]
    host = parts.netloc.rpartition("@")[2]
    return SplitResult(parts.scheme, host, parts.path, "&".join(fields), "").geturl()


def _field(field: str) -> str:
    name, equals, _ = field.partition("=")
    return f"{name}={HIDDEN}" if equals and _HIDDEN_QUERY.fullmatch(name) else field
