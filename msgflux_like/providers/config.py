"""Providers as data: reading a row, checking it, and finding the URL and the key that belong to it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from msgflux_like._suggest import did_you_mean
from msgflux_like._wire.secrets import ApiKey, Secret, TokenSource, checked_key
from msgflux_like._wire.urls import is_loopback, split_http_url
from msgflux_like.errors import InvalidRequestError, MissingKeyError
from msgflux_like.providers.cloud import cloud_environment, variable_names
from msgflux_like.request import Endpoint, Quirks, Signer

_VERSION = re.compile(r"api-version=[\w.-]+")
_TEMPLATE = re.compile(r"\$\{([A-Z0-9_]+)\}")


class Provider(Struct, frozen=True, forbid_unknown_fields=True):
    """One `providers/<name>.toml`.

    Attributes:
        name: As in `provider/model`; the file's name.
        dialect: Name of the wire dialect, a file of `msgflux_like/dialects/`.
        base_url: Where the dialect's paths begin; empty for a server on this machine, found when first needed.
        docs: Where the facts of the row come from.
        api_key_env: Environment variables that may hold the key, the first that is set counts.
        base_url_env: The same for the base URL, which wins over the row's.
        base_path: What a base URL ends with; one that does not is completed.
        key_required: False for servers of one's own that may have no key.
        auth: Name and beginning of the header with the key, where it is not the dialect's.
        token_auth: The same for a token that a function gives, where it is not that of a key.
        key_base_url: Where requests with a key go, if not where those with a token do.
        tokens: Whose tools give tokens where there is no key: "google" for Google Cloud's.
        signing: How requests are signed where there is no key: "sigv4" with AWS credentials.
        headers: Sent with every request.
        extra_body: Fields for the body of every request.
        other_dialects: Dialects for some of the models, by the beginnings of their ids.
        quirks: How the provider differs from its dialect.
        quirks_elsewhere: The same when another base URL than the row's is used, for a row whose format many serve.
        embedded: Which server on this machine has the models, where one must be found or started: see `servers`.
    """

    name: str
    dialect: str
    base_url: str = ""
    docs: str = ""
    api_key_env: tuple[str, ...] = ()
    base_url_env: tuple[str, ...] = ()
    base_path: str = ""
    key_required: bool = True
    auth: tuple[str, str] | None = None
    token_auth: tuple[str, str] | None = None
    key_base_url: str = ""
    tokens: Literal["", "google"] = ""
    signing: Literal["", "sigv4"] = ""
    headers: Mapping[str, str] = {}
    extra_body: Mapping[str, Any] = {}
    other_dialects: Mapping[str, tuple[str, ...]] = {}
    quirks: Quirks = Quirks()
    quirks_elsewhere: Quirks | None = None
    embedded: Literal["", "llama", "foundry"] = ""


def read_row(file: Path) -> Provider:
    """One row. Raises InvalidRequestError that names the file and the field."""
    import tomllib  # noqa: PLC0415  when a model is made, not at import

    from msgflux_like import dialects  # noqa: PLC0415

    try:
        row = msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), Provider)
    except (msgspec.ValidationError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"{file.name} is not a provider row: {error}") from None
    if row.dialect not in dialects.names():
        raise InvalidRequestError(f"{file.name}: there is no dialect {row.dialect!r}: {', '.join(dialects.names())}")
    return row


def with_dialect(provider: Provider, dialect: str) -> Provider:
    """The provider, spoken to in another dialect; InvalidRequestError lists the dialects there are."""
    from msgflux_like import dialects  # noqa: PLC0415

    if dialect not in dialects.names():
        raise InvalidRequestError(f"there is no dialect {dialect!r}{did_you_mean(dialect, dialects.names())}")
    alike = dialects.load(dialect).AUTH == dialects.load(provider.dialect).AUTH
    return msgspec.structs.replace(provider, dialect=dialect, auth=provider.auth if alike else None)


def is_home(provider: Provider, base_url: str) -> bool:
    """Whether that URL is on the provider's own host, by its row or by the environment of this process."""
    own = _first_set(provider.base_url_env) or fill_template(provider.base_url, cloud_environment())[0]
    return urlsplit(base_url)[:2] == urlsplit(own)[:2]


def endpoint(provider: Provider, *, base_url: str | None = None, api_key: ApiKey | None = None) -> Endpoint:
    """Where requests go and with which key: the arguments, else the environment of this moment, else the row.

    `api_key` may be a function that gives tokens, and for a row that signs, AWS keys: id, secret[, session token].

    Raises MissingKeyError that names the variables, and InvalidRequestError for a URL that must not get a key.
    """
    from msgflux_like import dialects  # noqa: PLC0415

    dialect = dialects.load(provider.dialect)
    signs = _signs(provider, api_key)
    key = None if signs else _key(provider, api_key)
    url = base_url or _first_set(provider.base_url_env) or (isinstance(key, Secret) and provider.key_base_url)
    url, query, quirks = _place(provider, url or _filled(provider), has_key=signs or key is not None)
    return Endpoint(
        provider=provider.name,
        base_url=url,
        auth=(provider.token_auth if isinstance(key, TokenSource) else None) or provider.auth or dialect.AUTH,
        key=key,
        quirks=quirks,
        headers={"user-agent": "msgflux-like", **dialect.HEADERS, **provider.headers},
        query=query,
        signer=_signer(provider, api_key, url) if signs else None,
    )


def moved(provider: Provider, endpoint: Endpoint, base_url: str) -> Endpoint:
    """The same endpoint at another place, with the same key. InvalidRequestError where that must not get it."""
    has_key = endpoint.key is not None or endpoint.signer is not None
    url, query, quirks = _place(provider, base_url, has_key=has_key)
    return msgspec.structs.replace(endpoint, base_url=url, query=query, quirks=quirks)


def _place(provider: Provider, base_url: str, *, has_key: bool) -> tuple[str, str, Quirks]:
    """A base URL as the dialect's paths are put behind it, the query behind those, and the quirks there."""
    url, query = _parted(base_url)
    if url:
        _check_url(url, provider, has_key=has_key)
        url += "" if url.endswith(provider.base_path) else provider.base_path
    if provider.quirks_elsewhere is not None and url != provider.base_url.rstrip("/"):
        return url, query, provider.quirks_elsewhere
    return url, query, provider.quirks


def _signs(provider: Provider, api_key: Any) -> bool:
    """Whether requests are signed: where the row says so, and there is no key."""
    keyless = api_key is None and _first_set(provider.api_key_env) is None
    return bool(provider.signing) and (keyless or isinstance(api_key, tuple))


def _signer(provider: Provider, api_key: Any, url: str) -> Signer:
    from msgflux_like.providers.credentials.aws import signer  # noqa: PLC0415  for those who sign

    return signer(provider.name, url, api_key)


def _parted(url: str) -> tuple[str, str]:
    """Where the paths are put behind, and the one query that may follow them: Azure's version of its API."""
    base_url, mark, query = url.partition("?")
    return (base_url.rstrip("/"), query) if mark and _VERSION.fullmatch(query) else (url.rstrip("/"), "")


def _filled(provider: Provider) -> str:
    """The row's base URL with its `${VARIABLE}`s filled in; MissingKeyError names those that are not set."""
    url, missing = fill_template(provider.base_url, cloud_environment())
    if missing:
        raise MissingKeyError(
            f"the address of {provider.name} needs {' and '.join(map(variable_names, missing))}: "
            f"set it in the environment, or pass base_url="
        )
    return url


def template_variables(base_url: str) -> list[str]:
    """The names in the `${VARIABLE}`s of a URL."""
    return _TEMPLATE.findall(base_url)


def fill_template(base_url: str, environment: Mapping[str, str]) -> tuple[str, list[str]]:
    """The URL with its `${VARIABLE}`s filled in, and the names of those that are not set."""
    missing = [name for name in template_variables(base_url) if not environment.get(name)]
    return _TEMPLATE.sub(lambda found: environment.get(found[1], ""), base_url), missing


def key_is_set(provider: Provider) -> bool:
    """Whether the environment holds a key that would be sent, or names what gives tokens or credentials."""
    if _first_set(provider.api_key_env) is not None:
        return True
    if provider.signing:
        from msgflux_like.providers.credentials.aws import are_at_hand  # noqa: PLC0415  for those who sign

        return are_at_hand()
    return provider.tokens == "google" and bool(os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"))


def has_key(provider: Provider) -> bool:
    """Whether the environment has all that the provider needs."""
    addressed = bool(_first_set(provider.base_url_env)) or not fill_template(provider.base_url, cloud_environment())[1]
    return addressed and (not provider.key_required or key_is_set(provider))


def _key(provider: Provider, api_key: ApiKey | None) -> Secret | TokenSource | None:
    if callable(api_key):
        return TokenSource(api_key, provider.name)
    key = api_key or _first_set(provider.api_key_env)
    if key is None:
        if not provider.key_required:
            return None
        if provider.tokens == "google":
            from msgflux_like.providers.credentials.google import token_source  # noqa: PLC0415  for those who have no key

            return TokenSource(token_source(), provider.name)
        variables = " or ".join(provider.api_key_env)
        where = f"set {variables} in the environment, or pass" if variables else "no variable holds it, so pass"
        raise MissingKeyError(f"{provider.name} needs a key: {where} api_key=")
    return checked_key(key, provider.name)


def _first_set(names: tuple[str, ...]) -> str | None:
    return next((value for name in names if (value := os.environ.get(name))), None)


def _check_url(url: str, provider: Provider, *, has_key: bool) -> None:
    scheme, host = _scheme_and_host(url)
    if not host:
        raise InvalidRequestError(
            f"base_url for {provider.name} must be an http or https URL without spaces, user or query, like 'https://host/v1'"
        )
    if has_key and scheme == "http" and not is_loopback(host):
        raise InvalidRequestError(
            f"base_url for {provider.name} is plain http, which would show the key to everyone on the way: "
            f"use https, or a loopback address"
        )


def _scheme_and_host(url: str) -> tuple[str, str]:
    """Both in lower case; empty texts for what is no URL."""
    if not url.isascii() or not url.isprintable() or " " in url:
        return "", ""
    parts = split_http_url(url)
    if parts is None or parts.query or parts.fragment or "@" in parts.netloc:
        return "", ""  # a path is put behind it, and a key goes into its own header
    return parts.scheme, parts.hostname or ""
