"""Every exception of the library. The class says whose turn it is.

    MsgfluxError
    ├── InvalidRequestError (ValueError)        found here, nothing was sent: change the call
    │   ├── UnknownProviderError                no such provider; near names are in the message
    │   ├── UnknownModelError (LookupError)     no such model at that provider
    │   ├── MissingKeyError                     set the environment variable it names, or pass api_key=
    │   ├── InvalidMessagesError                a message, a part or a tool result is malformed
    │   ├── ChangeError                         it cannot be sent exactly as asked, as `changes="refuse"` wants it
    │   ├── UnsupportedSchemaError              a type of answer that cannot be asked for; its `path` says where
    │   └── UnsupportedError                    the provider, dialect or model cannot take this
    │       └── CapabilityError                 the model's profile says it cannot; lists models that can
    ├── SnapshotError (ValueError)              a file of profiles is broken or not to be trusted
    ├── UnknownParameterError (TypeError)       no such keyword; near names are in the message
    ├── NotInstalledError (ImportError)         install the extra it names
    ├── APIError                                the provider, or the way to it, failed
    │   ├── AuthenticationError                 401, 403: the key is wrong or may not do this
    │   ├── NotFoundError                       404: no such model or URL there
    │   ├── BadRequestError                     other 4xx: the provider refuses the request
    │   │   ├── ContextLengthError              the conversation is longer than the model takes
    │   │   └── ContentFilterError              the provider's filter refused it
    │   ├── RateLimitError                      429: slower; `retry_after_s` if the provider said so
    │   ├── ServerError                         5xx: try later
    │   ├── RedirectError                       3xx: credentials are never sent on to another URL
    │   ├── APIConnectionError                  no connection, or it broke
    │   ├── APITimeoutError                     nothing came in time; `phase` says what was waited for
    │   ├── BadReplyError                       a reply that is none: not JSON, not of the dialect, too long
    │   └── StreamFailedError                         an error in the middle of a stream
    │       └── TruncatedStreamError            the stream ended without saying that it was complete
    ├── StreamClosedError                       the stream was left or cancelled before its end
    ├── CassetteError                           a recording cannot be read, or does not hold this request
    ├── OutOfAnswersError                       a scripted model or provider was asked more often than its test said
    ├── MaxRoundsError                          a tool loop did not come to its end in the rounds it was given
    ├── GatewayError                            none of a gateway's models answered; `route` says why not
    ├── OutputParsingError                      the answer is not of the type that was asked for
    ├── StoreError                              the store of a cache cannot do what it is asked for
    └── ToolCallError                           a tool call that cannot be used, or one left unanswered

    CacheWarning (UserWarning)                  a cache is not used for now, or a damaged one was moved aside

MaxRoundsError holds the conversation so far, to go on with; no other exception holds prompt, request or key.
"""

from __future__ import annotations

from typing import Any, Literal

Phase = Literal["connect", "first_event", "between_events", "total"]


class MsgfluxError(Exception):
    """Base of all exceptions of this library."""


class InvalidRequestError(MsgfluxError, ValueError):
    """The call is wrong; found here, nothing was sent."""


class UnknownProviderError(InvalidRequestError):
    """No provider of that name is known."""


class UnknownModelError(InvalidRequestError, LookupError):
    """The path does not name a model."""


class MissingKeyError(InvalidRequestError):
    """The provider needs a key and none is set."""


class InvalidMessagesError(InvalidRequestError):
    """The messages are not of a form that can be sent; the text names the place."""


class UnsupportedSchemaError(InvalidRequestError):
    """A type of answer, or a part of it, that no schema can express.

    Attributes:
        path: The part, such as `$.address.zip`.
    """

    def __init__(self, message: str, *, path: str = "$") -> None:
        super().__init__(message)
        self.path = path

    def __str__(self) -> str:
        return f"generation_schema at {self.path}: {super().__str__()}"


class UnsupportedError(InvalidRequestError):
    """The provider, its dialect or the model has no way to take this."""


class ChangeError(InvalidRequestError):
    """The request cannot be sent exactly as asked, and `changes="refuse"` forbids to send it otherwise.

    Attributes:
        changes: What would have been changed: `Change`s, each with `kind`, `field` and `detail`.
    """

    def __init__(self, message: str, *, changes: tuple[Any, ...] = ()) -> None:
        super().__init__(message)
        self.changes = changes


class CapabilityError(UnsupportedError):
    """The model's profile says that it cannot do what was asked.

    Attributes:
        problems: One sentence each.
        alternatives: Up to three `provider/model` paths that would do.
    """

    def __init__(self, message: str, *, problems: tuple[str, ...] = (), alternatives: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems
        self.alternatives = alternatives


class UnknownParameterError(MsgfluxError, TypeError):
    """No parameter of that name; provider-specific fields go through `extra_body=`."""


class SnapshotError(MsgfluxError, ValueError):
    """A file of model profiles is broken, or says what cannot be true."""


class NotInstalledError(MsgfluxError, ImportError):
    """An optional dependency is missing; the text names the extra."""


class APIError(MsgfluxError):
    """The provider refused the request, or could not be reached.

    Attributes:
        provider: Name of the provider, as in `provider/model`.
        model: Model id, as sent.
        status: HTTP status, None when there was no reply; 200 when the refusal came inside a stream.
        code: The provider's own machine-readable code, as text.
        type: The provider's own class of error.
        request_id: The id the provider gave the request, to show its support.
        retry_after_s: Seconds the provider asked to wait, if it did.
        should_retry: Whether to try again: the provider's own word (`x-should-retry`), else what the status says;
            None where only the kind of failure can tell.
        body: The reply, at most 4 KiB, for the log. Never the request.
        partial: The answer so far, a `ModelResponse`, when the failure came in the middle of a stream; else None.
        hint: What may help, "" for no idea.
    """

    _may_pass = False
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
        """Whether the same request may succeed later."""
        return self._may_pass if self.should_retry is None else self.should_retry

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
    """401 or 403: the key is wrong, or may not do this."""


class NotFoundError(APIError):
    """404: the provider knows no such model or URL."""


class BadRequestError(APIError):
    """Another 4xx: the provider refuses the request as it is."""


class ContextLengthError(BadRequestError):
    """The conversation is longer than the model takes."""


class ContentFilterError(BadRequestError):
    """The provider's content filter refused the request or the answer."""


class RateLimitError(APIError):
    """429: too many requests or tokens, or the account's quota is used up."""

    _may_pass = True


class ServerError(APIError):
    """5xx: the provider failed."""

    _may_pass = True


class RedirectError(APIError):
    """3xx: redirects are not followed, because the key would go with them."""


class APIConnectionError(APIError):
    """No connection could be made, or it broke."""

    _may_pass = True


class APITimeoutError(APIError):
    """Nothing came in time.

    Attributes:
        phase: What was waited for: `connect`, `first_event`, `between_events` or `total`.
    """

    _may_pass = True

    def __init__(self, message: str, *, phase: Phase, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.phase: Phase = phase


class BadReplyError(APIError):
    """The reply is not what the dialect says a reply is."""


class StreamFailedError(APIError):
    """The provider reported an error in the middle of a stream; `partial` is the answer so far."""


class TruncatedStreamError(StreamFailedError):
    """The stream ended with no finish reason, no terminal event and no usage report: it is not complete."""


class StreamClosedError(MsgfluxError):
    """The stream was left, closed or cancelled before its end, so there is no whole answer."""


class CassetteError(MsgfluxError):
    """A recording cannot be read, or does not hold what is asked of it; see `msgflux_like.testing.Cassette`.

    Attributes:
        nearest: Number of the recorded request that is nearest to the unknown one, from 1; None when there is none.
        differences: Where the unknown request differs from it, one JSON path with what is at both sides each.
    """

    def __init__(self, message: str, *, nearest: int | None = None, differences: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.nearest = nearest
        self.differences = differences


class OutOfAnswersError(MsgfluxError):
    """A `msgflux_like.testing.FakeModel` or `FakeProvider` was asked more often than it has answers."""


class MaxRoundsError(MsgfluxError):
    """The model still called tools in the last round of a tool loop; those calls were not run.

    Attributes:
        run: The `ToolRun` until then: its `messages` end before the answer that is in its `response`.
        messages: The conversation until then, complete: it can be sent again.
    """

    def __init__(self, message: str, *, run: Any = None) -> None:
        super().__init__(message)
        self.run = run

    @property
    def messages(self) -> list[Any]:  # noqa: D102  see Attributes
        return self.run.messages if self.run else []


class ToolCallError(MsgfluxError):
    """A tool call cannot be used as it is.

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
        route: Who was asked, and why nobody answered: `RouteAttempt`s, each with `model`, `outcome`, `why` and `cost`.
    """

    def __init__(self, message: str, *, route: tuple[Any, ...] = ()) -> None:
        super().__init__(message)
        self.route = route


class OutputParsingError(MsgfluxError):
    """The answer is not of the type that was asked for.

    Attributes:
        raw_text: The answer as the model wrote it.
        finish_reason: Why it ended; "length" when max_tokens cut it.
        path: Where it is wrong, such as `$.participants[0]`; "" when it is no JSON at all.
        response: The `ModelResponse`, with its usage; None when there is none.
    """

    response: Any = None

    def __init__(self, message: str, *, raw_text: str = "", finish_reason: str | None = None, path: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.raw_text = raw_text
        self.finish_reason = finish_reason
        self.path = path


class StoreError(MsgfluxError):
    """The store of a cache cannot do what it is asked for. A call goes on without it, with a CacheWarning."""


class CacheWarning(UserWarning):
    """A cache is not used for now, or a damaged one was moved aside. No answer is lost by it."""
