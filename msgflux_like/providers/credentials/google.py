"""Tokens for Google Cloud, by its own library: service accounts, `gcloud auth`, metadata servers."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from msgflux_like.errors import MissingKeyError, NotInstalledError

_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_WAYS: Final = (
    "set GOOGLE_VERTEX_API_KEY (Gemini only), pass api_key= (a function that gives OAuth tokens), "
    "or set GOOGLE_APPLICATION_CREDENTIALS"
)


def token_source() -> Callable[[], str]:
    """What gives a token of the application's default credentials, refreshed when it has to be.

    Raises NotInstalledError without the extra `vertex`, and MissingKeyError where Google's library finds no
    credentials.
    """
    try:
        auth: Any = import_module("google.auth")
        requests: Any = import_module("google.auth.transport.requests")
    except ImportError:
        raise NotInstalledError(
            f'google-vertex needs credentials: {_WAYS} and pip install "msgflux-like[vertex]"'
        ) from None
    try:
        credentials: Any = auth.default(scopes=[_SCOPE])[0]
    except auth.exceptions.DefaultCredentialsError:
        raise MissingKeyError(
            f"google-vertex needs credentials: {_WAYS}, or run: gcloud auth application-default login"
        ) from None

    def token() -> str:
        if not credentials.valid:
            credentials.refresh(requests.Request())
        return credentials.token

    return token
