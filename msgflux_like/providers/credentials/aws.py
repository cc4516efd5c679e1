"""AWS credentials: where they are found, and the signer made of them for a region and a service.

Source: https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from configparser import ConfigParser
from configparser import Error as ConfigError
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from msgflux_like._wire.secrets import Secret
from msgflux_like._wire.sigv4 import Credentials, SigV4, Source
from msgflux_like.errors import InvalidRequestError, MissingKeyError
from msgflux_like.providers.cloud import cloud_environment, variable_names

_VARIABLES: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_REMEDIES: Final = (
    "set AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write these two into "
    "~/.aws/credentials (AWS_PROFILE names the part), or pass api_key=, a key or the tuple of these two"
)
# bedrock-runtime.us-east-1.amazonaws.com, bedrock-mantle.eu-west-1.api.aws, and the names of VPC endpoints of these
_HOST_PATTERN: Final = re.compile(r"(?:^|\.)(bedrock[a-z-]*)\.([a-z]{2}(?:-[a-z]+)+-\d+)\.")


def signer(provider: str, url: str, given: tuple[Any, ...] | None = None) -> SigV4:
    """Return a signer of requests to a URL.

    Args:
        provider: Name of the provider, for messages.
        url: Base URL; its host names the region and the service.
        given: Access key id, secret access key and, if any, session token; default: the environment, else the shared
            credentials file, else whatever botocore finds.

    Raises:
        MissingKeyError: There are no credentials or no region; the message says how to provide them.
        InvalidRequestError: `given` or the credentials file is not valid.
    """
    found = _HOST_PATTERN.search(urlsplit(url).hostname or "")
    region = found[2] if found else cloud_environment(("AWS_REGION",)).get("AWS_REGION")
    if not region:
        raise MissingKeyError(
            f"{provider} needs a region, which base_url does not name: set {variable_names('AWS_REGION')}"
        )
    service = "bedrock-mantle" if found and found[1].startswith("bedrock-mantle") else "bedrock"
    credentials = _static_credentials() if given is None else _from_tuple(given, provider)
    if credentials is None:
        return SigV4(_from_botocore(provider), region, service, blocks=True)
    return SigV4(lambda: credentials, region, service)


def has_static_credentials() -> bool:
    """Return whether the environment or the shared credentials file holds keys."""
    try:
        return _static_credentials() is not None
    except InvalidRequestError:
        return False


def _from_tuple(given: tuple[Any, ...], provider: str) -> Credentials:
    valid = len(given) in (2, 3) and all(isinstance(each, str) for each in given)
    if not valid or (found := _from_mapping(dict(zip(_VARIABLES, given, strict=False)), _VARIABLES)) is None:
        raise InvalidRequestError(
            f"api_key for {provider} must be a key, or a tuple of strings "
            f"(access key id, secret access key[, session token])"
        )
    return found


def _static_credentials() -> Credentials | None:
    """Return the keys of the environment, else those of the shared credentials file; None if neither has any.

    Raises:
        InvalidRequestError: The file cannot be parsed.
    """
    return _from_mapping(os.environ, _VARIABLES) or _from_file(os.environ.get("AWS_PROFILE") or "default")


def _from_mapping(source: Mapping[str, str], names: tuple[str, str, str]) -> Credentials | None:
    key_id, secret, token = (source.get(name, "").strip() for name in names)
    if not key_id or not secret:
        return None
    return Credentials(key_id, Secret(secret), Secret(token) if token else None)


def _from_file(profile: str) -> Credentials | None:
    """Return the keys of a profile in the shared credentials file; None if it has none, such as one with a role."""
    file = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials").expanduser()
    parser = ConfigParser(interpolation=None, default_section="", strict=False)
    try:
        parser.read_string(file.read_text(encoding="utf-8"))
    except OSError:
        return None
    except (ConfigError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"{file} is not a credentials file: {type(error).__name__}") from None
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    return _from_mapping(parser[profile], names) if profile in parser else None


def _from_botocore(provider: str) -> Source:
    """Return a source of credentials that refreshes itself: SSO, roles, processes or the metadata of a machine."""
    try:
        session: Any = import_module("botocore.session")
    except ImportError:
        raise MissingKeyError(
            f'{provider} needs credentials: {_REMEDIES}; with pip install "msgflux-like[aws]", '
            f"everything that the AWS CLI finds is used"
        ) from None
    credentials: Any = _call_botocore(provider, session.Session().get_credentials)
    if credentials is None:
        raise MissingKeyError(f"{provider} needs credentials: {_REMEDIES}, or log in with the AWS CLI")

    def frozen() -> Credentials:
        now = _call_botocore(provider, credentials.get_frozen_credentials)
        return Credentials(now.access_key, Secret(now.secret_key), Secret(now.token) if now.token else None)

    return frozen


def _call_botocore(provider: str, call: Callable[[], Any]) -> Any:
    """Call botocore; raise MissingKeyError for its errors, which have many classes and mean that no login is valid."""
    try:
        return call()
    except Exception as error:
        raise MissingKeyError(
            f"{provider}: botocore gives no credentials ({type(error).__name__}): "
            f"log in again with the AWS CLI, or {_REMEDIES}"
        ) from error
