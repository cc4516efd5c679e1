"""Repeated requests for an answer that is not of the requested type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, cast

from msgflux_like.errors import InvalidRequestError, OutputParsingError
from msgflux_like.messages.normalize import normalize
from msgflux_like.response.response import ModelResponse
from msgflux_like.structured.typed_response import StructuredResponse

_RETRY_PROMPT: Final = "That was not right: {problem}. Answer once more, in full, in the form that was asked for."


class OutputRetries:
    """The attempts at one answer: the messages of the next attempt, and the summed usage of all.

    Args:
        messages: Messages of the call.
        output_retries: Further attempts after the first, at least 0.

    Attributes:
        messages: Messages of the next attempt: those of the call, the wrong answer and what is wrong with it.

    Raises:
        InvalidRequestError: If `output_retries` is not a whole number of at least 0.
    """

    def __init__(self, messages: Any, output_retries: Any) -> None:
        if not isinstance(output_retries, int) or isinstance(output_retries, bool) or output_retries < 0:
            raise InvalidRequestError(f"output_retries must be a whole number of at least 0, not {output_retries!r}")
        self.messages: Any = list(cast("Iterator[Any]", messages)) if isinstance(messages, Iterator) else messages
        self._left = output_retries
        self._earlier: list[ModelResponse] = []

    def failed(self, error: OutputParsingError) -> None:
        """Set the messages of the next attempt; raise the error if no attempt is left or the model refused."""
        response: StructuredResponse = error.response
        if not self._left or response.refusal:
            response.count(self._earlier)
            raise error
        self._left -= 1
        self._earlier.append(response)
        self.messages = [
            *normalize(self.messages, None),
            {"role": "assistant", "content": error.raw_text or "(nothing)"},
            {"role": "user", "content": _RETRY_PROMPT.format(problem=error.message)},
        ]

    def answered(self, response: ModelResponse) -> ModelResponse:
        """Return the response after adding the usage and cost of the earlier attempts."""
        if self._earlier and isinstance(response, StructuredResponse):
            response.count(self._earlier)
        return response
