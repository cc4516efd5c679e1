"""Anything a caller may pass as messages, to a tuple of checked ChatML messages; and what helps to write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from msgflux_like._json import as_mapping, to_json
from msgflux_like._validate import check_instance, check_string, require
from msgflux_like.errors import InvalidMessagesError
from msgflux_like.messages import media
from msgflux_like.request import Message

ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
_PLAIN_ROLES = ("user", "system", "developer")  # whose messages have no other field that matters
_ACCEPTED = "a text, a message, ChatML, or any iterable of texts and messages ({'role': ..., 'content': ...})"

_SOURCES = "a URL, bytes, a pathlib.Path, or a list of them"

Part = dict[str, Any]
Source = str | bytes | Path


def normalize(messages: Any, system_prompt: str | None = None) -> tuple[Message, ...]:
    """The conversation as it is sent: `system_prompt` in front, texts as user messages, media as URLs.

    Nothing of the caller's is changed; what needs no change is passed on as it is. Raises InvalidMessagesError that
    names the message and the field.
    """
    found: list[Message] = []
    given: Iterable[Any] = cast("list[Any]", messages) if type(messages) is list else _each(messages)
    for message in given:
        # Nearly all messages are a role and a text, and are as they should be.
        if type(message) is dict and type(message.get("content")) is str and message.get("role") in _PLAIN_ROLES:  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]  a cast would cost more than the check
            found.append(cast("Message", message))
        else:
            found.append(_message(message, f"messages[{len(found)}]"))
    if not found:
        raise InvalidMessagesError("messages is empty: give at least one message")
    if system_prompt is not None:
        if not isinstance(system_prompt, str):  # pyright: ignore[reportUnnecessaryIsInstance]  callers are untyped
            raise InvalidMessagesError(f"system_prompt must be a text, not {type(system_prompt).__name__}")
        found.insert(0, {"role": "system", "content": system_prompt})
    return tuple(found)


def _each(messages: Any) -> Iterable[Any]:
    if isinstance(messages, (str, Mapping)):
        return (cast("Any", messages),)
    if isinstance(messages, ChatML):
        return messages.get_messages()
    if isinstance(messages, Iterable) and not isinstance(messages, (bytes, bytearray)):
        return cast("Iterable[Any]", messages)
    raise InvalidMessagesError(f"messages must be {_ACCEPTED}, not {type(messages).__name__}")


def _message(message: Any, place: str) -> Message:
    if isinstance(message, str):
        return {"role": "user", "content": message}
    if not isinstance(message, Mapping):
        raise InvalidMessagesError(f"{place} must be a text or a message with role and content, not {_type(message)}")
    checked = cast("Mapping[str, Any]", message)
    role = checked.get("role")
    if not isinstance(role, str) or role not in ROLES:
        given = "missing" if role is None else f"{role!r}" if isinstance(role, str) else f"of type {_type(role)}"
        raise InvalidMessagesError(f"{place}.role is {given}; it must be one of {', '.join(sorted(ROLES))}")
    content = checked.get("content")
    if type(content) is not str and (parts := _content(content, role, place)) is not content:
        checked = {**checked, "content": parts}
    if role == "tool":
        _check_text(checked.get("tool_call_id"), f"{place}.tool_call_id", ": it says which call is answered")
    if (calls := checked.get("tool_calls")) and (ours := _calls(calls, f"{place}.tool_calls")) is not calls:
        checked = {**checked, "tool_calls": ours}
    if "provider_state" in checked:
        _check_state(checked["provider_state"], f"{place}.provider_state")
    return checked


def _content(content: Any, role: str, place: str) -> Any:
    """Content that is no plain text, checked."""
    if isinstance(content, (list, tuple)):
        return _parts(cast("Sequence[Any]", content), f"{place}.content")
    if content is None and role != "assistant":
        raise InvalidMessagesError(f"{place}.content is missing: a {role} message needs a text or parts")
    if content is not None and not isinstance(content, str):
        raise InvalidMessagesError(f"{place}.content must be a text or a list of parts, not {_type(content)}")
    return content


def _parts(parts: Sequence[Any], place: str) -> Sequence[Any]:
    """The parts themselves, or new ones where a file, bytes or a nested list had to become something else."""
    if not parts:
        raise InvalidMessagesError(f"{place} is an empty list: give at least one part")
    result = [_part(part, f"{place}[{index}]") for index, part in enumerate(parts)]
    return parts if all(new is old for new, old in zip(result, parts, strict=True)) else result


def _part(part: Any, place: str) -> Any:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if not isinstance(part, Mapping):
        raise InvalidMessagesError(f"{place} must be a part with a type, not {_type(part)}")
    checked = cast("Mapping[str, Any]", part)
    kind = checked.get("type")
    if not isinstance(kind, str):
        raise InvalidMessagesError(f"{place}.type is missing: text, image_url, input_audio, video_url or file")
    if kind == "text" and not isinstance(checked.get("text"), str):
        raise InvalidMessagesError(f"{place}.text must be a text, not {_type(checked.get('text'))}")
    if kind in ("image_url", "video_url"):
        return _with_url(checked, kind, place)
    if kind in ("input_audio", "file") and not isinstance(checked.get(kind), Mapping):
        raise InvalidMessagesError(f"{place}.{kind} must be an object, not {_type(checked.get(kind))}")
    return checked


def _with_url(part: Mapping[str, Any], kind: str, place: str) -> Mapping[str, Any]:
    """Bytes and paths are read into a data URL; every URL goes out byte for byte."""
    inner = part.get(kind)
    fields: Mapping[str, Any] = cast("Mapping[str, Any]", inner) if isinstance(inner, Mapping) else {"url": inner}
    url = fields.get("url")
    if isinstance(url, str) and isinstance(inner, Mapping):
        return part
    if not isinstance(url, (str, bytes, Path)):
        raise InvalidMessagesError(f"{place}.{kind}.url must be a URL, bytes or a pathlib.Path, not {_type(url)}")
    return {**part, kind: {**fields, "url": url if isinstance(url, str) else media.data_url(url)}}


def _calls(calls: Any, place: str) -> Any:
    """The calls themselves, or new ones where arguments were an object: on the wire they are JSON text."""
    if not isinstance(calls, (list, tuple)):
        raise InvalidMessagesError(f"{place} must be a list of calls, not {_type(calls)}")
    given = cast("Sequence[Any]", calls)
    result = [_call(call, f"{place}[{index}]") for index, call in enumerate(given)]
    seen: set[str] = set()
    for index, call in enumerate(result):
        if call["id"] in seen:
            raise InvalidMessagesError(f"{place}[{index}].id is that of another call of the message: give each its own")
        seen.add(call["id"])
    return given if all(new is old for new, old in zip(result, given, strict=True)) else result


def _call(call: Any, place: str) -> Any:
    fields = as_mapping(call)
    function = as_mapping(fields.get("function"))
    _check_text(function.get("name"), f"{place}.function.name")
    _check_text(fields.get("id"), f"{place}.id", ": the tool's answer refers to it")
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        return call
    if arguments is not None and not isinstance(arguments, Mapping):
        raise InvalidMessagesError(f"{place}.function.arguments must be JSON text or an object, not {_type(arguments)}")
    text = to_json(arguments or {}, f"{place}.function.arguments").decode()
    return {**fields, "function": {**function, "arguments": text}}


def _check_state(entries: Any, place: str) -> None:
    """That it is what `response.message` gave, or what JSON made of it."""
    if not isinstance(entries, (list, tuple)):
        raise InvalidMessagesError(f"{place} must be a list, as response.message has it, not {_type(entries)}")
    for index, entry in enumerate(cast("Sequence[Any]", entries)):
        fields = as_mapping(entry)
        texts = isinstance(fields.get("family"), str) and isinstance(fields.get("kind"), str)
        if not texts or not isinstance(fields.get("after"), int) or "raw" not in fields:
            raise InvalidMessagesError(
                f"{place}[{index}] must have family, kind, after and raw, as response.message has"
            )


def _check_text(value: Any, place: str, why: str = "") -> None:
    """That a text is there and is not empty; `why` it has to be."""
    if value is None or value == "":
        raise InvalidMessagesError(f"{place} is missing{why}")
    if not isinstance(value, str):
        raise InvalidMessagesError(f"{place} must be a text, not {_type(value)}")


def _type(value: Any) -> str:
    return "None" if value is None else type(value).__name__


class _Blocks(type):
    """Lets `ChatBlock("user", text)` give a message, as `ChatBlock.user(text)` does."""

    def __call__(cls, role: str, content: Any = None, **more: Any) -> dict[str, Any]:
        role = "assistant" if role == "assist" else role
        if not isinstance(role, str) or role not in ROLES:  # pyright: ignore[reportUnnecessaryIsInstance]  callers are untyped
            raise InvalidMessagesError(f"role is {role!r}; it must be one of {', '.join(sorted(ROLES))}")
        return {"role": role, "content": content, **more}


class ChatBlock(metaclass=_Blocks):
    """Writes ChatML messages and parts.

    A str is a URL and is sent as it is: a local file is read only when it is given as a `pathlib.Path`.

    >>> ChatBlock.user("What is this?", media=ChatBlock.image("https://example.com/cat.jpg"))["content"][1]
    {'type': 'image_url', 'image_url': {'url': 'https://example.com/cat.jpg'}}
    """

    @staticmethod
    def user(text: str | None = None, media: Part | Sequence[Part] | None = None) -> dict[str, Any]:
        """A user message: the text, then the media in their order."""
        if text is not None:
            check_string("text", text)
        if media is None:
            return {"role": "user", "content": text}
        parts = [media] if isinstance(media, Mapping) else _listed("media", media, "a part or a list of parts")
        return {"role": "user", "content": [*([] if text is None else [ChatBlock.text(text)]), *parts]}

    @staticmethod
    def system(text: str) -> dict[str, Any]:
        """A system message."""
        return {"role": "system", "content": check_string("text", text)}

    @staticmethod
    def assistant(text: str | None = None, tool_calls: Sequence[Mapping[str, Any]] | None = None) -> dict[str, Any]:
        """An earlier answer, with the calls it made."""
        if text is not None:
            check_string("text", text)
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if tool_calls is None:
            return message
        return {**message, "tool_calls": _listed("tool_calls", tool_calls, "a list of tool calls")}

    assist = assistant

    @staticmethod
    def tool(tool_call_id: str, content: str | Sequence[Part]) -> dict[str, Any]:
        """What a tool gave for the call of that id."""
        return {"role": "tool", "tool_call_id": check_string("tool_call_id", tool_call_id), "content": content}

    @staticmethod
    def tool_call(id: str, name: str, arguments: Mapping[str, Any] | str) -> dict[str, Any]:  # noqa: A002  wire name
        """One call, for `assistant(tool_calls=[...])`."""
        check_string("id", id)
        check_string("name", name)
        return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}

    @staticmethod
    def text(text: str) -> Part:
        """A text part."""
        return {"type": "text", "text": check_string("text", text)}

    @staticmethod
    def image(url: Source | Sequence[Source], **more: Any) -> Any:
        """An image part, or a list of them for a list. `more` goes beside the URL, such as `detail="low"`."""
        if isinstance(url, (str, bytes, Path)):
            return {"type": "image_url", "image_url": {"url": media.url(url), **more}}
        return [ChatBlock.image(each, **more) for each in _listed("url", url, _SOURCES)]

    @staticmethod
    def video(url: Source | Sequence[Source], **more: Any) -> Any:
        """A video part, or a list of them for a list."""
        if isinstance(url, (str, bytes, Path)):
            return {"type": "video_url", "video_url": {"url": media.url(url), **more}}
        return [ChatBlock.video(each, **more) for each in _listed("url", url, _SOURCES)]

    @staticmethod
    def audio(source: Source, format: str | None = None) -> Part:  # noqa: A002  wire name
        """A sound: bytes, a `pathlib.Path` or a data URL. `format` ("wav", "mp3") is seen from the data."""
        data, seen = media.audio(_checked_source(source))
        return {"type": "input_audio", "input_audio": {"data": data, "format": format or seen}}

    @staticmethod
    def file(source: Source, filename: str | None = None) -> Part:
        """A document: bytes, a `pathlib.Path`, a URL, a data URL, or the id of a file the provider holds."""
        _checked_source(source)
        name = filename or (source.name if isinstance(source, Path) else None)
        if isinstance(source, str) and "://" not in source and not source.startswith("data:"):
            held: Part = {"file_id": source}
        elif isinstance(source, str) and not source.startswith("data:"):
            held = {"file_url": source}
        else:
            held = {"file_data": media.url(source)}
        return {"type": "file", "file": {**held, **({"filename": name} if name else {})}}


def _checked_source(source: Any) -> Any:
    return check_instance("source", source, (str, bytes, Path), "a URL, bytes or a pathlib.Path")


def _listed(name: str, value: Any, expected: str) -> list[Any]:
    is_list = isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping))
    return list(require(name, value, expected, is_right=is_list))


class ChatML:
    """A conversation that grows.

    >>> chat = ChatML()
    >>> chat.add_user_message("Hello")
    >>> chat.get_messages()
    [{'role': 'user', 'content': 'Hello'}]
    """

    def __init__(self, messages: Any = ()) -> None:
        self._messages: list[Message] = []
        if messages or isinstance(messages, (bool, int, float)):  # a number is no history, and 0 is a number
            self.extend_history(messages)

    def add_user_message(self, content: str | Mapping[str, Any] | Sequence[Part]) -> None:
        """Add what the user says: a text, parts, or a whole message."""
        self._add("user", content)

    def add_assist_message(self, content: str | Mapping[str, Any] | Sequence[Part]) -> None:
        """Add what the model answered: a text, parts, or a whole message."""
        self._add("assistant", content)

    add_assistant_message = add_assist_message

    def extend_history(self, messages: Any) -> None:
        """Add messages, in any form that a model's call takes."""
        self._messages.extend(normalize(messages))

    def get_messages(self) -> list[Message]:
        """The messages so far, in a list of your own."""
        return list(self._messages)

    def clear(self) -> None:
        """Forget all messages."""
        self._messages.clear()

    def __len__(self) -> int:
        return len(self._messages)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"ChatML({len(self._messages)} messages)"

    def _add(self, role: str, content: Any) -> None:
        whole = isinstance(content, Mapping) and "role" in content
        self.extend_history([content if whole else {"role": role, "content": content}])
