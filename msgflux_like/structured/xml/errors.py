"""What goes wrong between a model's text and a value."""

from __future__ import annotations

from msgflux_like.errors import InvalidRequestError, MsgfluxError


class TypedParserError(MsgfluxError):
    """The text cannot be read without losing something or making something up.

    Attributes:
        message: One sentence.
        raw_text: All of the text, as the model wrote it.
        path: Where in the value, as in `event.participants[2]`; "" for the whole.
    """

    def __init__(self, message: str, *, raw_text: str = "", path: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.raw_text = raw_text
        self.path = path


class UnknownParserError(InvalidRequestError, KeyError):
    """No typed parser of that name; a `KeyError` too, because the registry is a mapping."""

    __str__ = Exception.__str__  # a KeyError shows its message in quotes
