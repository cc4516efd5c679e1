"""Every exception of the library. The class shows who has to act: the caller, the provider, or nobody (retry).

    MsgfluxError
    ├── InvalidRequestError (ValueError)        the call is wrong, nothing was sent: change the call
    │   ├── UnknownProviderError                no such provider; the message suggests similar names
    │   ├── UnknownModelError (LookupError)     no such model at that provider
    │   ├── MissingKeyError                     no API key: set the variable that the message names, or pass api_key=
    │   ├── InvalidMessagesError                a message, a part or a tool result is malformed
    │   ├── ChangeError                         the request would have to be changed, which `changes="refuse"` forbids
    │   ├── UnsupportedSchemaError              no schema can express the output type; `path` is the place
    │   └── UnsupportedError                    the provider, the dialect or the model does not support this
    │       └── CapabilityError                 the model lacks it, by its profile; `alternatives` lists others
    ├── SnapshotError (ValueError)              a file of model profiles is damaged
    ├── UnknownParameterError (TypeError)       no such keyword; the message suggests similar names
    ├── NotInstalledError (ImportError)         an optional dependency is missing; the message names the extra
    ├── APIError                                the provider, or the connection to it, failed
    │   ├── AuthenticationError                 401, 403: the key is wrong or lacks a permission
    │   ├── NotFoundError                       404: no such model or URL
    │   ├── BadRequestError                     other 4xx: the provider refuses the request
    │   │   ├── ContextLengthError              the conversation is longer than the model's context
    │   │   └── ContentFilterError              the provider's content filter refused it
    │   ├── RateLimitError                      429: too many requests, or the quota is used up
    │   ├── ServerError                         5xx: the provider failed
    │   ├── RedirectError                       3xx: redirects are not followed
    │   ├── APIConnectionError                  no connection could be made, or it broke
    │   ├── APITimeoutError                     a time limit was exceeded; `phase` names it
    │   ├── BadReplyError                       the reply cannot be read: not JSON, another format, too long
    │   └── StreamFailedError                   the provider reported an error in the middle of a stream
    │       └── TruncatedStreamError            the stream ended before the answer was complete
    ├── StreamClosedError                       the stream was closed before its end
    ├── CassetteError                           a recording cannot be read, or does not hold this request
    ├── OutOfAnswersError                       a fake model or provider has no answers left
    ├── MaxRoundsError                          a tool loop used all of its rounds
    ├── GatewayError                            none of a gateway's models answered; `route` lists the errors
    ├── OutputParsingError                      the answer does not match the output type
    ├── StoreError                              the store of a cache failed
    └── ToolCallError                           a tool call cannot be used, or was left unanswered

    CacheWarning (UserWarning)                  a cache is not used for now, or a damaged file was renamed

Catch the classes that you can act on, from the specific to the general:

    >>> import msgflux_like as mf
    >>> from msgflux_like.testing import FakeModel
    >>> model = FakeModel([mf.errors.RateLimitError("too many requests", provider="fake", retry_after_s=2.0)])
    >>> try:
    ...     model("hi")
    ... except mf.errors.InvalidRequestError as error:
    ...     print("fix the call:", error)
    ... except mf.errors.RateLimitError as error:
    ...     print("try again in", error.retry_after_s, "s")
    ... except mf.errors.APIError as error:
    ...     print("the provider failed:", error, "retryable" if error.retryable else "")
    try again in 2.0 s

A MaxRoundsError holds the conversation so far; no other exception holds a prompt, a request or a key.
"""

from __future__ import annotations

from typing import Any, Literal

Phase = Literal["connect", "first_event", "between_events", "total"]


class MsgfluxError(Exception):
    """Base class of all exceptions of this library."""


class InvalidRequestError(MsgfluxError, ValueError):
    """The call is wrong. It was detected before anything was sent; the message states what to change.

    It is a ValueError, so that code that validates input can catch it as one.
    """


class UnknownProviderError(InvalidRequestError):
    """No provider has that name. The message suggests similar names."""


class UnknownModelError(InvalidRequestError, LookupError):
    """The path does not name a model. The message suggests similar names where there are any."""


class MissingKeyError(InvalidRequestError):
    """The provider needs an API key and none was given. The message names the environment variable."""


class InvalidMessagesError(InvalidRequestError):
    """The messages are malformed. The error message names the place, such as `messages[2].content[0].type`."""


class UnsupportedSchemaError(InvalidRequestError):
    """No schema can express the output type, or a part of it.

    Attributes:
        path: The part, as a path from the root, such as `$.address.zip`.
    """

    def __init__(self, message: str, *, path: str = "$") -> None:
        super().__init__(message)
        self.path = path

    def __str__(self) -> str:
        return f"generation_schema at {self.path}: {super().__str__()}"


class UnsupportedError(InvalidRequestError):
    """The provider, its dialect or the model does not support an argument of the call."""


class ChangeError(InvalidRequestError):
    """The request cannot be sent exactly as given, and `changes="refuse"` forbids to change it.

    Attributes:
        changes: What would have been changed: `Change`s, each with `kind`, `field` and `detail`.
    """

    def __init__(self, message: str, *, changes: tuple[Any, ...] = ()) -> None:
        super().__init__(message)
        self.changes = changes


class CapabilityError(UnsupportedError):
    """The model does not support what the call needs, according to its profile.

    Attributes:
        problems: One sentence for each capability that is missing.
        alternatives: Up to three `provider/model` paths of models that have them.
    """

    def __init__(self, message: str, *, problems: tuple[str, ...] = (), alternatives: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems
        self.alternatives = alternatives


class UnknownParameterError(MsgfluxError, TypeError):
    """The call or the model has no such keyword. The message suggests similar names.

    Fields of one provider are passed by `extra_body=`.
    """


class SnapshotError(MsgfluxError, ValueError):
    """A file of model profiles is damaged, or its content is implausible. The profiles in use stay as they are."""


class NotInstalledError(MsgfluxError, ImportError):
    """An optional dependency is missing. The message has the command that installs it."""


class APIError(MsgfluxError):
    """The provider refused the request, failed, or could not be reached.

    The string of an error has message, model, status, code and request id. It never has the request.

    Attributes:
        message: The provider's message, or the library's where there is none.
        provider: Name of the provider, as in `provider/model`.
        model: Model id, as sent.
        status: HTTP status; None without a reply, 200 if the failure was reported inside a stream.
        code: The provider's machine-readable code, as a string; None without one.
        type: The provider's class of error; None without one.
        request_id: The provider's id of the request, for its support; None without one.
        retry_after_s: Seconds that the provider asks to wait; None if it does not.
        should_retry: Whether a retry may help, by the header `x-should-retry`, otherwise by the status; None if neither
            decides.
        retryable: `should_retry`, or the default of the class if that is None.
        body: The reply, at most 4,096 characters, for logs.
        partial: The answer so far, a `ModelResponse`, if the failure came in the middle of a stream; otherwise None.
        hint: What may help; "" without an idea.
    """

    _is_transient = False
    partial: Any = None
    partial_events: tuple[Any, ...] = ()  # of a whole reply that reports a failure; `partial` is made of them
    hint = ""

    def __init__(
        self,
        message: str,
        *,
        provider: str = "",
        model: str = "",
        status: int | None = None,
        code: str | None = None,
        type: str | None = None,  # noqa: A002  the field's name on the wire
        request_id: str | None = None,
        retry_after_s: float | None = None,
        should_retry: bool | None = None,
        body: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.provider = provider
        self.model = model
        self.status = status
        self.code = code
        self.type = type
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.should_retry = should_retry
        self.body = body

    @property
    def retryable(self) -> bool:
        """True if the same request may succeed later. The library has retried it already, as `max_retries` allows."""
        return self._is_transient if self.should_retry is None else self.should_retry

    def __str__(self) -> str:
        details = [f"{self.provider}/{self.model}" if self.model else self.provider]
        if self.status is not None:
            details.append(f"HTTP {self.status}")
        details += [f"{name} {value}" for name, value in (("code", self.code), ("request", self.request_id)) if value]
        hint = f"; {self.hint}" if self.hint else ""
        return f"{self.message} ({', '.join(filter(None, details))}){hint}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.__dict__)


def _rebuild(kind: type[APIError], fields: dict[str, Any]) -> APIError:
    error = kind.__new__(kind)
    Exception.__init__(error, fields["message"])
    error.__dict__.update(fields)
    return error


class AuthenticationError(APIError):
    """Status 401 or 403: the key is wrong, or it lacks a permission."""


class NotFoundError(APIError):
    """Status 404: the provider has no such model or URL."""


class BadRequestError(APIError):
    """Another status 4xx: the provider refuses the request as it is."""


class ContextLengthError(BadRequestError):
    """The conversation, with the output, is longer than the model's context."""


class ContentFilterError(BadRequestError):
    """The provider's content filter refused the request or the answer."""


class RateLimitError(APIError):
    """Status 429: too many requests or tokens, or the quota of the account is used up.

    `retry_after_s` is the wait that the provider asks for. `retryable` is False for a quota that is used up.
    """

    _is_transient = True


class ServerError(APIError):
    """Status 5xx: the provider failed. The same request may succeed later."""

    _is_transient = True


class RedirectError(APIError):
    """Status 3xx. Redirects are not followed, because the key would be sent to another host: check `base_url`."""


class APIConnectionError(APIError):
    """No connection could be made, or it broke before the answer was complete."""

    _is_transient = True


class APITimeoutError(APIError):
    """A time limit of the call was exceeded.

    Attributes:
        phase: The limit: "connect", "first_event", "between_events" or "total"; see `Timeouts`.

    Args:
        **facts: Attributes of `APIError`.
    """

    _is_transient = True

    def __init__(self, message: str, *, phase: Phase, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.phase: Phase = phase


class BadReplyError(APIError):
    """The reply cannot be read: it is not JSON, not of the expected format, or too long."""


class StreamFailedError(APIError):
    """The provider reported an error in the middle of a stream. `partial` is the answer so far."""


class TruncatedStreamError(StreamFailedError):
    """The stream ended without a finish reason, an end mark or a usage report: the answer is not complete.

    `partial` is the answer so far.
    """


class StreamClosedError(MsgfluxError):
    """The stream was closed or cancelled before its end, so there is no complete answer."""


class CassetteError(MsgfluxError):
    """A recording cannot be read, or does not hold the request; see `msgflux_like.testing.Cassette`.

    Attributes:
        nearest: Number of the recorded request that differs least, from 1; None if there is none.
        differences: Where the request differs from it: a JSON path and the value on each side.
    """

    def __init__(self, message: str, *, nearest: int | None = None, differences: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.nearest = nearest
        self.differences = differences


class OutOfAnswersError(MsgfluxError):
    """A `msgflux_like.testing.FakeModel` or `FakeProvider` was called more often than it has answers."""


class MaxRoundsError(MsgfluxError):
    """The model still called tools in the last round of a tool loop. Those calls were not run.

    Attributes:
        run: The `ToolRun` so far; its `messages` end before the answer that is in its `response`.
        messages: The conversation so far, complete: it can be sent again.
    """

    def __init__(self, message: str, *, run: Any = None) -> None:
        super().__init__(message)
        self.run = run

    @property
    def messages(self) -> list[Any]:  # noqa: D102  described in Attributes
        return self.run.messages if self.run else []


class ToolCallError(MsgfluxError):
    """A tool call cannot be used as it is, or was left unanswered.

    Attributes:
        call_id: Id of the call.
        name: Name of the tool.
        raw_arguments: The arguments as the model wrote them.
    """

    def __init__(self, message: str, *, call_id: str = "", name: str = "", raw_arguments: str = "") -> None:
        super().__init__(message)
        self.call_id = call_id
        self.name = name
        self.raw_arguments = raw_arguments


class GatewayError(MsgfluxError):
    """None of a gateway's models answered. The last failure is the `__cause__`.

    Attributes:
        route: The models that were considered: `RouteAttempt`s, each with `model`, `outcome`, `why` and `cost`.
    """

    def __init__(self, message: str, *, route: tuple[Any, ...] = ()) -> None:
        super().__init__(message)
        self.route = route


class OutputParsingError(MsgfluxError):
    """The answer does not match the output type.

    Attributes:
        message: What is wrong.
        raw_text: The answer as the model wrote it.
        finish_reason: Why the answer ended; "length" if `max_tokens` cut it off.
        path: Where it is wrong, such as `$.participants[0]`; "" if it is not JSON at all.
        response: The `ModelResponse`, with its usage; None if there is none.
    """

    response: Any = None

    def __init__(self, message: str, *, raw_text: str = "", finish_reason: str | None = None, path: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.raw_text = raw_text
        self.finish_reason = finish_reason
        self.path = path


class StoreError(MsgfluxError):
    """The store of a cache failed. A call goes on without the store, with a CacheWarning."""


class CacheWarning(UserWarning):
    """A cache is not used for now, or a damaged cache file was renamed. No answer is lost."""
