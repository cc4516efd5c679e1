"""Tokens for Google Cloud from `google-auth`: service accounts, `gcloud auth` and metadata servers."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from msgflux_like.errors import MissingKeyError, NotInstalledError

_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_REMEDIES: Final = (
    "set GOOGLE_VERTEX_API_KEY (Gemini only), pass api_key= (a function that returns OAuth tokens), "
    "or set GOOGLE_APPLICATION_CREDENTIALS"
)


def token_source() -> Callable[[], str]:
    """Return a function that returns a token of the application default credentials and refreshes it when needed.

    Raises:
        NotInstalledError: The extra `vertex` is not installed.
        MissingKeyError: `google-auth` finds no credentials.
    """
    try:
        auth: Any = import_module("google.auth")
        requests: Any = import_module("google.auth.transport.requests")
    except ImportError:
        raise NotInstalledError(
            f'google-vertex needs credentials: {_REMEDIES} and pip install "msgflux-like[vertex]"'
        ) from None
    try:
        credentials: Any = auth.default(scopes=[_SCOPE])[0]
    except auth.exceptions.DefaultCredentialsError:
        raise MissingKeyError(
            f"google-vertex needs credentials: {_REMEDIES}, or run: gcloud auth application-default login"
        ) from None

    def token() -> str:
        if not credentials.valid:
            credentials.refresh(requests.Request())
        return credentials.token

    return token
