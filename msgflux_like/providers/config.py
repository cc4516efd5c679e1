"""Provider rows: their schema, reading one from TOML, and the endpoint (URL, key, headers) that a row describes."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from msgflux_like._validate import did_you_mean
from msgflux_like._wire.secrets import ApiKey, Secret, TokenSource, checked_key
from msgflux_like._wire.urls import is_loopback, split_http_url
from msgflux_like.errors import InvalidRequestError, MissingKeyError
from msgflux_like.providers import environment
from msgflux_like.providers.cloud import cloud_environment, variable_names
from msgflux_like.request import Endpoint, Quirks, Signer

_VERSION = re.compile(r"api-version=[\w.-]+")
_BEARER = ("authorization", "Bearer ")
_TEMPLATE = re.compile(r"\$\{([A-Z0-9_]+)\}")


class Provider(Struct, frozen=True, forbid_unknown_fields=True):
    """A provider row, the content of one `providers/<name>.toml`.

    Attributes:
        name: Name of the provider, as in `provider/model`; the same as the name of the file.
        dialect: Name of the wire dialect, a folder of `msgflux_like/dialects/`.
        base_url: URL that the dialect's paths are appended to, which may hold `${VARIABLE}`; "" for a server on this
            machine that is found when it is first needed.
        docs: URL of the documentation that the facts of the row come from.
        api_key_env: Environment variables that may hold the key; the first that is set is used.
        base_url_env: Environment variables that override `base_url`; the first that is set is used.
        token_env: Environment variables that may hold a token, which is sent as `Authorization: Bearer`.
        base_path: Path of the API, which is appended to base URLs that do not end with the version of an API.
        key_required: Whether a key is required; False for self-hosted servers, which may have none.
        auth: Name and prefix of the header that carries the key; default: those of the dialect.
        token_auth: Name and prefix of the header that carries a token; default: `auth`.
        key_base_url: Base URL for requests with a key; default: the same as for requests with a token.
        tokens: Source of tokens if there is no key: "google" for Google Cloud's credentials.
        signing: Signature of requests if there is no key: "sigv4" with AWS credentials.
        headers: Headers of every request.
        extra_body: Fields in the body of every request.
        other_dialects: Dialects of some of the models -> the prefixes of their ids.
        quirks: Differences between the provider and its dialect.
        quirks_elsewhere: Quirks for any other base URL than the row's, for formats that many servers implement;
            default: `quirks`.
        embedded: Local server that has the models and may have to be started; see `msgflux_like.local.servers`.
    """

    name: str
    dialect: str
    base_url: str = ""
    docs: str = ""
    api_key_env: tuple[str, ...] = ()
    base_url_env: tuple[str, ...] = ()
    token_env: tuple[str, ...] = ()
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
    """Read one row; raise InvalidRequestError, with the file and the field, if it is not valid."""
    import tomllib  # noqa: PLC0415  needed when a model is made, not at import

    from msgflux_like import dialects  # noqa: PLC0415

    try:
        row = msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), Provider)
    except (msgspec.ValidationError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"{file.name} is not a provider row: {error}") from None
    if row.dialect not in dialects.names():
        raise InvalidRequestError(
            f"{file.name}: unknown dialect {row.dialect!r}: use one of {', '.join(dialects.names())}"
        )
    return row


def with_dialect(provider: Provider, dialect: str) -> Provider:
    """Return the row with another dialect; raise InvalidRequestError, with similar names, for an unknown one."""
    from msgflux_like import dialects  # noqa: PLC0415

    if dialect not in dialects.names():
        raise InvalidRequestError(f"unknown dialect {dialect!r}{did_you_mean(dialect, dialects.names())}")
    same_auth = dialects.load(dialect).AUTH == dialects.load(provider.dialect).AUTH
    return msgspec.structs.replace(provider, dialect=dialect, auth=provider.auth if same_auth else None)


def is_own_host(provider: Provider, base_url: str) -> bool:
    """Return whether a URL is on the provider's own host, according to its row and the environment."""
    own = environment.address(provider)[0] or fill_template(provider.base_url)[0]
    return urlsplit(base_url)[:2] == urlsplit(own)[:2]


def endpoint(
    provider: Provider, *, base_url: str | None = None, api_key: ApiKey | None = None, model: str = ""
) -> Endpoint:
    """Return the endpoint of a provider: its URL, key, headers and quirks.

    Args:
        provider: The row.
        base_url: URL; default: the environment variables of the row, else the URL of the row.
        api_key: A key, a function that returns tokens, or, for rows with `signing`, AWS keys as a tuple (id, secret[,
            session token]); default: the environment variables of the row.
        model: Id of the model, for addresses that hold it.

    Raises:
        MissingKeyError: There is no key, or a variable of the URL is not set; the message names the variables.
        InvalidRequestError: The URL is not valid, or would expose the key.
    """
    from msgflux_like import dialects  # noqa: PLC0415

    dialect = dialects.load(provider.dialect)
    signs = _signs(provider, api_key)
    key = None if signs else _key(provider, api_key)
    found, _ = ("", "") if base_url else environment.address(provider, model)
    url = base_url or found or (isinstance(key, Secret) and provider.key_base_url)
    token_auth = provider.token_auth if isinstance(key, TokenSource) else None
    is_bearer = api_key is None and key is not None and _token(provider) is not None
    url, query, quirks = _resolve_url(provider, url or _row_url(provider), has_key=signs or key is not None)
    return Endpoint(
        provider=provider.name,
        base_url=url,
        auth=_BEARER if is_bearer else token_auth or provider.auth or dialect.AUTH,
        key=key,
        quirks=quirks,
        headers={"user-agent": "msgflux-like", **dialect.HEADERS, **provider.headers},
        query=query,
        signer=_signer(provider, api_key, url) if signs else None,
    )


def with_base_url(provider: Provider, endpoint: Endpoint, base_url: str) -> Endpoint:
    """Return the endpoint with another base URL and the same key.

    Raises:
        InvalidRequestError: The URL is not valid, or would expose the key.
    """
    has_key = endpoint.key is not None or endpoint.signer is not None
    url, query, quirks = _resolve_url(provider, base_url, has_key=has_key)
    return msgspec.structs.replace(endpoint, base_url=url, query=query, quirks=quirks)


def _resolve_url(provider: Provider, base_url: str, *, has_key: bool) -> tuple[str, str, Quirks]:
    """Check a base URL; return it ready for the dialect's paths, the query that follows these, and the quirks."""
    url, query = _split_query(base_url)
    if url:
        url = environment.completed(provider, url)
        _check_url(url, provider, has_key=has_key)
    if provider.quirks_elsewhere is not None and not _is_on_own_hosts(provider, url):
        return url, query, provider.quirks_elsewhere
    return url, query, provider.quirks


def _is_on_own_hosts(provider: Provider, url: str) -> bool:
    """Return whether a URL is that of the row, or the same path on a regional host: `eu.api...` beside `api...`."""
    ours, theirs = urlsplit(provider.base_url.rstrip("/")), urlsplit(url)
    host = ours.netloc
    is_regional = bool(host) and theirs.netloc.endswith(f".{host}")
    return theirs.scheme == ours.scheme and theirs.path == ours.path and (theirs.netloc == host or is_regional)


def _signs(provider: Provider, api_key: Any) -> bool:
    """Return whether requests are signed: if the row has `signing` and there is no key."""
    keyless = api_key is None and _first_set(provider.api_key_env) is None
    return bool(provider.signing) and (keyless or isinstance(api_key, tuple))


def _signer(provider: Provider, api_key: Any, url: str) -> Signer:
    from msgflux_like.providers.credentials.aws import signer  # noqa: PLC0415  needed only to sign

    return signer(provider.name, url, api_key)


def _split_query(url: str) -> tuple[str, str]:
    """Split off the only query that a base URL may have, `api-version=...` of Azure."""
    base_url, mark, query = url.partition("?")
    return (base_url.rstrip("/"), query) if mark and _VERSION.fullmatch(query) else (url.rstrip("/"), "")


def _row_url(provider: Provider) -> str:
    """Return the base URL of the row with its variables filled in; raise MissingKeyError if one is not set."""
    url, missing = fill_template(provider.base_url)
    if missing:
        raise MissingKeyError(
            f"the base URL of {provider.name} needs {' and '.join(map(variable_names, missing))}: "
            f"set it in the environment, or pass base_url="
        )
    return url


def template_variables(base_url: str) -> list[str]:
    """Return the names of the variables in a URL, which are written `${VARIABLE}`."""
    return _TEMPLATE.findall(base_url)


def fill_template(base_url: str, variables: Mapping[str, str] | None = None) -> tuple[str, list[str]]:
    """Return the URL with its variables filled in, by default from the environment, and the names without a value."""
    names = template_variables(base_url)
    if not names:
        return base_url, []
    known = cloud_environment(names) if variables is None else variables
    missing = [name for name in names if not known.get(name)]
    return _TEMPLATE.sub(lambda found: known.get(found[1], ""), base_url), missing


def key_is_set(provider: Provider) -> bool:
    """Return whether the environment holds a key, or names credentials to use in place of one."""
    if _first_set((*provider.api_key_env, *provider.token_env)) is not None:
        return True
    if provider.signing:
        from msgflux_like.providers.credentials.aws import has_static_credentials  # noqa: PLC0415  needed only to sign

        return has_static_credentials()
    return provider.tokens == "google" and bool(os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"))


def has_key(provider: Provider) -> bool:
    """Return whether the environment has everything that the provider needs."""
    has_url = bool(_first_set(provider.base_url_env)) or not fill_template(provider.base_url)[1]
    return has_url and (not provider.key_required or key_is_set(provider))


def _key(provider: Provider, api_key: ApiKey | None) -> Secret | TokenSource | None:
    if callable(api_key):
        return TokenSource(api_key, provider.name)
    key = api_key or _first_set(provider.api_key_env) or _token(provider)
    if key is None:
        if not provider.key_required:
            return None
        if provider.tokens == "google":
            from msgflux_like.providers.credentials.google import token_source  # noqa: PLC0415  needed only without a key

            return TokenSource(token_source(), provider.name)
        variables = " or ".join((*provider.api_key_env, *provider.token_env))
        remedy = f"set {variables} in the environment, or pass" if variables else "pass"
        raise MissingKeyError(f"{provider.name} needs a key: {remedy} api_key=")
    return checked_key(key, provider.name)


def _token(provider: Provider) -> str | None:
    """Return the token of the environment, which a key there takes precedence over."""
    return None if _first_set(provider.api_key_env) is not None else _first_set(provider.token_env)


def _first_set(names: tuple[str, ...]) -> str | None:
    return next((value for name in names if (value := os.environ.get(name))), None)


def _check_url(url: str, provider: Provider, *, has_key: bool) -> None:
    scheme, host = _scheme_and_host(url)
    if not host:
        raise InvalidRequestError(
            f"base_url for {provider.name} must be an http or https URL without spaces, user or query, such as 'https://host/v1'"
        )
    if has_key and scheme == "http" and not is_loopback(host):
        raise InvalidRequestError(
            f"base_url for {provider.name} is plain http, which would expose the key on the network: "
            f"use https, or a loopback address"
        )


def _scheme_and_host(url: str) -> tuple[str, str]:
    """Return the scheme and the host of a URL, in lower case; empty strings if it is not a valid base URL."""
    if not url.isascii() or not url.isprintable() or " " in url:
        return "", ""
    parts = split_http_url(url)
    if parts is None or parts.query or parts.fragment or "@" in parts.netloc:
        return "", ""  # a path is appended to it, and keys belong into a header
    return parts.scheme, parts.hostname or ""
