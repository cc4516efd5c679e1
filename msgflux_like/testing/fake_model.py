"""A chat model with scripted answers: everything of a real one but the network."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn, Unpack

import msgspec

from msgflux_like._json import as_mapping
from msgflux_like.calls.options import ModelOptions
from msgflux_like.errors import InvalidRequestError
from msgflux_like.models.chat_completion import ChatCompletion
from msgflux_like.providers import resolve
from msgflux_like.providers.config import template_variables
from msgflux_like.testing import answers as conversion
from msgflux_like.testing.answers import FakeAnswer
from msgflux_like.testing.fake_provider import FakeProvider, FakeReply, FakeRequest, Script
from msgflux_like.testing.replayed import Breaks

if TYPE_CHECKING:
    from msgflux_like.structured.output_spec import OutputSpec

_NOWHERE = "https://fake.invalid/v1"


class FakeModel(ChatCompletion):
    """`ChatCompletion` without a network. Checks, schemas, tools, streams, retries and cost are the real ones.

    Its requests and replies have OpenAI's chat completions format, whatever the dialect of the provider in `path`; use
    `FakeProvider` for the bytes of another dialect.

    Args:
        answers: One answer for every request, or a list with one answer for each request:

            - a string,
            - a list of strings: the chunks of a stream,
            - a dict, or a value of the type that the call asks for with `generation_schema`,
            - a `tool_call(...)`, or a list of them,
            - an exception: an `APIError` is raised as a provider's would be, and retried if the model has
              `max_retries`; any other exception is raised as it is,
            - a `FakeAnswer`, for usage, reasoning, finish reasons and streams that fail,
            - a function from the messages, as they are sent, to one of these.
        path: Path of the model whose profile it has, that is capabilities and prices.
        **options: Options of `ChatCompletion`. `max_retries` is 0 if not given.

    Attributes:
        requests: The `FakeRequest`s that were sent, in order.

    Raises:
        InvalidRequestError: For `http_client` or `dialect`, which a fake model has already.
        OutOfAnswersError: From a call, if the list has no more answers.

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
            raise InvalidRequestError(
                f"a fake model has {' and '.join(given)} already: use FakeProvider to test with another one"
            )
        self._script = Script(answers)
        self._output_specs: dict[bytes, OutputSpec] = {}  # by the schema that is sent
        self._fake = FakeProvider(self._reply)
        row = resolve.find_provider(*resolve.split_path(path))
        home = row.base_url if row.base_url and not template_variables(row.base_url) else _NOWHERE
        defaults: ModelOptions = {"api_key": "fake", "base_url": home, "max_retries": 0}
        super().__init__(path, **{**defaults, **options, "dialect": "openai_chat", "http_client": self._fake})

    @property
    def requests(self) -> list[FakeRequest]:
        """The `FakeRequest`s that were sent, in order."""
        return self._fake.requests

    def _reply(self, request: FakeRequest) -> FakeReply | Breaks | Exception:
        given = self._script.next(request.messages)
        answer = conversion.to_answer(given)
        if answer is None:
            answer = self._value(conversion.to_json_value(given), request.body)
        return conversion.to_reply(answer, request.body, len(self.requests))

    # ---- typed answers

    def _output_spec(self, *args: Any, **kwargs: Any) -> OutputSpec:
        output_spec = super()._output_spec(*args, **kwargs)
        if output_spec.lowered is not None:
            self._output_specs[_key(output_spec.lowered.schema)] = output_spec
        return output_spec

    def _value(self, value: Any, body: Mapping[str, Any]) -> FakeAnswer:
        """Return the value as the request asks for it: as JSON text, or as a call of the tool whose arguments it is."""
        output_spec, tool = self._requested_output(body)
        if (
            output_spec is not None
            and output_spec.lowered is not None
            and (output_spec.lowered.alters or output_spec.lowered.wrapped)
        ):
            with suppress(AttributeError, LookupError, TypeError, ValueError):  # an answer that is wrong on purpose
                value = output_spec.lowered.lower(value)
        if tool:
            return FakeAnswer(tool_calls=(conversion.tool_call(tool, **value),))
        return FakeAnswer(text=msgspec.json.encode(value).decode())

    def _requested_output(self, body: Mapping[str, Any]) -> tuple[OutputSpec | None, str]:
        """Return the output that the request asks for, and the tool whose arguments are the answer, "" for none."""
        form = body.get("response_format", {}).get("json_schema", {}).get("schema")
        if form is not None:
            return self._output_specs.get(_key(form)), ""
        for tool in body.get("tools", ()):
            output_spec = self._output_specs.get(_key(as_mapping(tool.get("function")).get("parameters")))
            if output_spec is not None and output_spec.output_mode == "tool":
                return output_spec, tool["function"]["name"]
        instructions = str(body["messages"][0].get("content"))
        for output_spec in self._output_specs.values():
            if (
                output_spec.lowered is not None
                and msgspec.json.encode(output_spec.lowered.schema).decode() in instructions
            ):
                return output_spec, ""
        return None, ""

    @classmethod
    def _of_state(cls, *_: Any, **__: Any) -> NoReturn:
        raise InvalidRequestError("the answers of a fake model are not part of its state: make another fake model")


def _key(schema: Any) -> bytes:
    return msgspec.json.encode(schema, order="sorted")
