"""Errors of typed parsers."""

from __future__ import annotations

from msgflux_like.errors import InvalidRequestError, MsgfluxError


class TypedParserError(MsgfluxError):
    """An answer cannot be parsed without losing or inventing data.

    Attributes:
        message: Description of the problem, one sentence.
        raw_text: The whole answer, as the model wrote it.
        path: Place in the value, such as `event.participants[2]`; "" for the whole value.
    """

    def __init__(self, message: str, *, raw_text: str = "", path: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.raw_text = raw_text
        self.path = path


class UnknownParserError(InvalidRequestError, KeyError):
    """No typed parser has the name. It is a `KeyError` as well, because the registry is a mapping."""

    __str__ = Exception.__str__  # a KeyError shows its message in quotes
