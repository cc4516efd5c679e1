"""Signers for AWS: whose credentials, from which place, for which region and service.

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

_NAMES: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_WAYS: Final = (
    "set AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write these two into "
    "~/.aws/credentials (AWS_PROFILE names the part), or pass api_key=, a key or the tuple of these two"
)
# bedrock-runtime.us-east-1.amazonaws.com, bedrock-mantle.eu-west-1.api.aws, and the same behind a VPC's own name
_HOST: Final = re.compile(r"(?:^|\.)(bedrock[a-z-]*)\.([a-z]{2}(?:-[a-z]+)+-\d+)\.")


def signer(provider: str, url: str, given: tuple[Any, ...] | None = None) -> SigV4:
    """What signs the requests to that URL, with the keys that are given or with those that are found.

    The region is the one that the host names, else that of the environment. Raises MissingKeyError that names the
    ways to give what is missing.
    """
    found = _HOST.search(urlsplit(url).hostname or "")
    region = found[2] if found else cloud_environment().get("AWS_REGION")
    if not region:
        raise MissingKeyError(
            f"{provider} needs a region, which base_url does not name: set {variable_names('AWS_REGION')}"
        )
    service = "bedrock-mantle" if found and found[1].startswith("bedrock-mantle") else "bedrock"
    held = _at_hand() if given is None else _of_tuple(given, provider)
    if held is None:
        return SigV4(_of_botocore(provider), region, service, blocks=True)
    return SigV4(lambda: held, region, service)


def are_at_hand() -> bool:
    """Whether the environment or the shared credentials file holds keys."""
    try:
        return _at_hand() is not None
    except InvalidRequestError:
        return False


def _of_tuple(given: tuple[Any, ...], provider: str) -> Credentials:
    texts = len(given) in (2, 3) and all(isinstance(each, str) for each in given)
    if not texts or (found := _pair(dict(zip(_NAMES, given, strict=False)), _NAMES)) is None:
        raise InvalidRequestError(
            f"api_key for {provider} must be a key, or the texts (access key id, secret access key[, session token])"
        )
    return found


def _at_hand() -> Credentials | None:
    """Those of the environment, else of the shared credentials file. InvalidRequestError for a file that is none."""
    return _pair(os.environ, _NAMES) or _of_file(os.environ.get("AWS_PROFILE") or "default")


def _pair(held: Mapping[str, str], names: tuple[str, str, str]) -> Credentials | None:
    key_id, secret, token = (held.get(name, "").strip() for name in names)
    if not key_id or not secret:
        return None
    return Credentials(key_id, Secret(secret), Secret(token) if token else None)


def _of_file(profile: str) -> Credentials | None:
    """Those of that part of the shared credentials file; None where it has no keys, such as one with a role."""
    file = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials").expanduser()
    parser = ConfigParser(interpolation=None, default_section="", strict=False)
    try:
        parser.read_string(file.read_text(encoding="utf-8"))
    except OSError:
        return None
    except (ConfigError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"{file} is not a credentials file: {type(error).__name__}") from None
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    return _pair(parser[profile], names) if profile in parser else None


def _of_botocore(provider: str) -> Source:
    """All that the AWS CLI knows, refreshed when it has to be: SSO, roles, processes, the metadata of a machine."""
    try:
        session: Any = import_module("botocore.session")
    except ImportError:
        raise MissingKeyError(
            f'{provider} needs credentials: {_WAYS}; with pip install "msgflux-like[aws]", '
            f"all that the AWS CLI finds is found"
        ) from None
    held: Any = _asked(provider, session.Session().get_credentials)
    if held is None:
        raise MissingKeyError(f"{provider} needs credentials: {_WAYS}, or log in with the AWS CLI")

    def frozen() -> Credentials:
        now = _asked(provider, held.get_frozen_credentials)
        return Credentials(now.access_key, Secret(now.secret_key), Secret(now.token) if now.token else None)

    return frozen


def _asked(provider: str, ask: Callable[[], Any]) -> Any:
    """What botocore answers; its errors, of many classes, say that nobody is logged in."""
    try:
        return ask()
    except Exception as error:
        raise MissingKeyError(
            f"{provider}: botocore gives no credentials ({type(error).__name__}): "
            f"log in anew with the AWS CLI, or {_WAYS}"
        ) from error
