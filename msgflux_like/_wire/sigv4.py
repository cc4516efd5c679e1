"""AWS Signature Version 4: a pure function of a request, credentials and a time.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
"""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Final, Protocol
from urllib.parse import quote, urlsplit

from msgspec import Struct

from msgflux_like._wire.secrets import Secret

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_DEFAULT_PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}
# Proxies may change other headers. Every `x-amz-` header must be signed.
_SIGNED: Final = re.compile(r"host|content-type|x-amz-.*")


class Credentials(Struct, frozen=True):
    """A pair of AWS keys, and the session token of temporary ones."""

    access_key_id: str
    secret_access_key: Secret
    session_token: Secret | None = None


Source = Callable[[], Credentials]
"""Returns the current credentials; called before every request."""


class SignedRequest(Protocol):
    """The parts of a POST request that a signature covers."""

    @property
    def url(self) -> str:
        """The URL with its query."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers."""
        ...

    @property
    def body(self) -> bytes:
        """The body."""
        ...


class SigV4:
    """A `request.Signer` for one service in one region.

    Attributes:
        region: Such as "us-east-1".
        service: Name of the service in signatures, such as "bedrock".
        blocks: Whether the source may wait for a file or a network.
    """

    __slots__ = ("_source", "blocks", "region", "service")

    def __init__(self, source: Source, region: str, service: str, *, blocks: bool = False) -> None:
        self._source = source
        self.blocks = blocks
        self.region = region
        self.service = service

    def prepare(self) -> None:
        """Refresh the credentials if they have expired. May call the source."""
        self._source()

    @property
    def account(self) -> str:
        """Id of the access key, which is not secret; distinguishes accounts in a cache. May call the source."""
        return self._source().access_key_id

    def sign(self, http: SignedRequest, now_s: float) -> Mapping[str, str]:
        """Return the headers to add to a request; `now_s` is Unix time in seconds."""
        return signed_headers(http, self._source(), self.region, self.service, now_s)

    def __repr__(self) -> str:
        return f"SigV4({self.service} in {self.region})"


def signed_headers(
    http: SignedRequest, credentials: Credentials, region: str, service: str, now_s: float
) -> dict[str, str]:
    """Return the headers that sign a POST; `now_s` is Unix time in seconds."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_s))
    added = {"x-amz-date": stamp}
    if credentials.session_token is not None:
        added["x-amz-security-token"] = credentials.session_token.reveal()
    headers = {"host": _host(http.url), **{name.lower(): value for name, value in http.headers.items()}, **added}
    headers = {name: " ".join(headers[name].split()) for name in sorted(headers) if _SIGNED.fullmatch(name)}
    names = ";".join(headers)
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    canonical = "\n".join(
        (
            "POST",
            _path(http.url),
            _query(http.url),
            *(f"{name}:{value}" for name, value in headers.items()),
            "",
            names,
            sha256(http.body).hexdigest(),
        )
    )
    text = "\n".join((_ALGORITHM, stamp, scope, sha256(canonical.encode()).hexdigest()))
    signature = hmac.digest(_key(credentials.secret_access_key, scope), text.encode(), "sha256").hex()
    credential = f"{credentials.access_key_id}/{scope}"
    added["authorization"] = f"{_ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
    return added


def _key(secret: Secret, scope: str) -> bytes:
    """Return the signing key for the day, region and service of the scope."""
    key = f"AWS4{secret.reveal()}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _host(url: str) -> str:
    """Return the host as the HTTP client writes it: with the port, unless it is the scheme's default."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return host if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f"{host}:{parts.port}"


def _path(url: str) -> str:
    """Return the path without `.` and `..`, escaped once more than in the URL, as all services but S3 require."""
    path = urlsplit(url).path
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            kept = kept[:-1]
        elif segment not in ("", "."):
            kept.append(segment)
    return quote("/" + "/".join(kept) + "/" * (path.endswith("/") and bool(kept)), safe="/~")


def _query(url: str) -> str:
    """Return the query, sorted by name. It is escaped already."""
    return "&".join(sorted(part if "=" in part else f"{part}=" for part in urlsplit(url).query.split("&") if part))
