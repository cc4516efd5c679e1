"""A chat model whose answers a test gives: all of a real one but the network."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn, Unpack

import msgspec

from msgflux_like.calls.options import ModelOptions
from msgflux_like.errors import InvalidRequestError
from msgflux_like.models.chat_completion import ChatCompletion
from msgflux_like.providers import resolve
from msgflux_like.providers.config import template_variables
from msgflux_like.testing import answers as answering
from msgflux_like.testing.answers import FakeAnswer
from msgflux_like.testing.fake_provider import FakeProvider, FakeReply, FakeRequest, Script
from msgflux_like.testing.replayed import Breaks

if TYPE_CHECKING:
    from msgflux_like.structured.typed_response import OutputSpec

_NOWHERE = "https://fake.invalid/v1"


class FakeModel(ChatCompletion):
    """A `ChatCompletion` without a network. Checks, schemas, tools, streams, retries and cost are the real ones.

    It speaks OpenAI's chat completions format, whatever the provider of `path` speaks; bytes of another dialect are
    for `FakeProvider`.

    Args:
        answers: One answer for every request, or a list with one for each:

            - a text,
            - a list of texts: the pieces a stream brings,
            - a dict, or a value of the type that is asked for with `generation_schema`,
            - a `tool_call(...)`, or a list of them,
            - an exception: an `APIError` comes the way a provider's would, and is retried like one where the model
              has `max_retries`; any other is raised as it is,
            - a `FakeAnswer`, for usage, reasoning, finish reason and streams that fail,
            - a function that is given the messages, as they are sent, and gives one of these.
        path: The model that it stands for, whose profile it has: what it can do, and what it costs.
        options: See `ChatCompletion`. No request is sent again unless `max_retries` says so.

    Attributes:
        requests: The `FakeRequest`s it got, in order: `model.requests[0].messages`.

    Raises:
        OutOfAnswersError: From a call, when the list is used up.

    Example:
        >>> from msgflux_like.testing import FakeModel
        >>> model = FakeModel(["Paris.", {"city": "Paris"}])
        >>> model("What is the capital of France?").consume()
        'Paris.'
        >>> model("And as JSON?", generation_schema=dict[str, str]).consume()
        {'city': 'Paris'}
        >>> model.requests[0].messages
        [{'role': 'user', 'content': 'What is the capital of France?'}]
    """

    def __init__(self, answers: Any = "Hello", *, path: str = "openai/gpt-4o", **options: Unpack[ModelOptions]) -> None:
        if given := sorted({"http_client", "dialect"} & options.keys()):
            raise InvalidRequestError(f"a fake model has its own {' and '.join(given)}; a FakeProvider takes others")
        self._script = Script(answers)
        self._wishes: dict[bytes, OutputSpec] = {}  # by the schema that goes out
        self._fake = FakeProvider(self._reply)
        row = resolve.find_provider(*resolve.split_path(path))
        home = row.base_url if row.base_url and not template_variables(row.base_url) else _NOWHERE
        defaults: ModelOptions = {"api_key": "fake", "base_url": home, "max_retries": 0}
        super().__init__(path, **{**defaults, **options, "dialect": "openai_chat", "http_client": self._fake})

    @property
    def requests(self) -> list[FakeRequest]:  # noqa: D102  see Attributes
        return self._fake.requests

    def _reply(self, request: FakeRequest) -> FakeReply | Breaks | Exception:
        given = self._script.next(request.messages)
        answer = answering.answer_of(given)
        if answer is None:
            answer = self._value(answering.plain(given), request.body)
        return answering.reply_of(answer, request.body, len(self.requests))

    # ---- answers of a type

    def _output_spec(self, *args: Any, **named: Any) -> OutputSpec:
        wanted = super()._output_spec(*args, **named)
        if wanted.lowered is not None:
            self._wishes[_key(wanted.lowered.schema)] = wanted
        return wanted

    def _value(self, value: Any, body: Mapping[str, Any]) -> FakeAnswer:
        """The value as the model was asked to write it: as a text, or as a call of the tool that stands for it."""
        wanted, tool = self._wish(body)
        if wanted is not None and wanted.lowered is not None and (wanted.lowered.alters or wanted.lowered.wrapped):
            with suppress(AttributeError, LookupError, TypeError, ValueError):  # an answer that is meant to be wrong
                value = wanted.lowered.lower(value)
        if tool:
            return FakeAnswer(tool_calls=(answering.tool_call(tool, **value),))
        return FakeAnswer(text=msgspec.json.encode(value).decode())

    def _wish(self, body: Mapping[str, Any]) -> tuple[OutputSpec | None, str]:
        """What was asked for in this request, and the tool whose arguments are the answer, "" for none."""
        form = body.get("response_format", {}).get("json_schema", {}).get("schema")
        if form is not None:
            return self._wishes.get(_key(form)), ""
        for tool in body.get("tools", ()):
            wanted = self._wishes.get(_key(tool["function"].get("parameters")))
            if wanted is not None and wanted.output_mode == "tool":
                return wanted, tool["function"]["name"]
        said = str(body["messages"][0].get("content"))
        for wanted in self._wishes.values():
            if wanted.lowered is not None and msgspec.json.encode(wanted.lowered.schema).decode() in said:
                return wanted, ""
        return None, ""

    @classmethod
    def _of_state(cls, *_: Any, **__: Any) -> NoReturn:
        raise InvalidRequestError("the answers of a fake model are no part of its state: make it anew")


def _key(schema: Any) -> bytes:
    return msgspec.json.encode(schema, order="sorted")
