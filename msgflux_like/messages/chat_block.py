"""Builders of ChatML messages and content parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgflux_like._validate import check_instance, check_string, require
from msgflux_like.errors import InvalidMessagesError
from msgflux_like.messages import media
from msgflux_like.messages.normalize import ROLES

Part = dict[str, Any]
Source = str | bytes | Path

_SOURCES = "a URL, bytes, a pathlib.Path, or a list of them"


class _CallableAsMessage(type):
    """Metaclass that makes `ChatBlock("user", text)` return a message instead of an instance."""

    def __call__(cls, role: str, content: Any = None, **more: Any) -> dict[str, Any]:
        role = "assistant" if role == "assist" else role
        if not isinstance(role, str) or role not in ROLES:  # pyright: ignore[reportUnnecessaryIsInstance]  callers are untyped
            raise InvalidMessagesError(f"role is {role!r}; it must be one of {', '.join(sorted(ROLES))}")
        return {"role": role, "content": content, **more}


class ChatBlock(metaclass=_CallableAsMessage):
    """Builders of ChatML messages and content parts, as plain dicts.

    `ChatBlock(role, content)` is itself a builder: it returns a message, not an instance of the class.

    Media are given as a URL or data URL (a `str`, sent unchanged), as `bytes`, or as a `pathlib.Path`. Only a `Path` is
    read from disk.

    Args:
        role: Role of the message: "system", "developer", "user", "assistant" (or "assist") or "tool".
        content: Content of the message, a string or a list of parts; None by default.
        **more: Further fields of the message, such as `tool_calls` or `name`; added unchanged.

    Raises:
        InvalidMessagesError: If a role is unknown, a string is not a URL, or a file cannot be read.

    Example:
        >>> ChatBlock.user("What is this?", media=ChatBlock.image("https://example.com/cat.jpg"))["content"][1]
        {'type': 'image_url', 'image_url': {'url': 'https://example.com/cat.jpg'}}
        >>> ChatBlock("user", "Hello")
        {'role': 'user', 'content': 'Hello'}
    """

    @staticmethod
    def user(text: str | None = None, media: Part | Sequence[Part] | None = None) -> dict[str, Any]:
        """Return a user message.

        Args:
            text: Text of the message, None for media alone.
            media: One part or several, placed after the text in the given order.

        Example:
            >>> ChatBlock.user("Hello")
            {'role': 'user', 'content': 'Hello'}
        """
        if text is not None:
            check_string("text", text)
        if media is None:
            return {"role": "user", "content": text}
        parts = [media] if isinstance(media, Mapping) else _as_list("media", media, "a part or a list of parts")
        return {"role": "user", "content": [*([] if text is None else [ChatBlock.text(text)]), *parts]}

    @staticmethod
    def system(text: str) -> dict[str, Any]:
        """Return a system message.

        Args:
            text: Instructions for the model.

        Example:
            >>> ChatBlock.system("Answer in one word.")
            {'role': 'system', 'content': 'Answer in one word.'}
        """
        return {"role": "system", "content": check_string("text", text)}

    @staticmethod
    def assistant(text: str | None = None, tool_calls: Sequence[Mapping[str, Any]] | None = None) -> dict[str, Any]:
        """Return an assistant message.

        Args:
            text: Text of the answer, None if it has tool calls alone.
            tool_calls: Calls of the answer, as `tool_call` returns them.
        """
        if text is not None:
            check_string("text", text)
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if tool_calls is None:
            return message
        return {**message, "tool_calls": _as_list("tool_calls", tool_calls, "a list of tool calls")}

    assist = assistant

    @staticmethod
    def tool(tool_call_id: str, content: str | Sequence[Part]) -> dict[str, Any]:
        """Return a tool message, the result of one tool call.

        Args:
            tool_call_id: Id of the call.
            content: Result, as a string or as parts.
        """
        return {"role": "tool", "tool_call_id": check_string("tool_call_id", tool_call_id), "content": content}

    @staticmethod
    def tool_call(id: str, name: str, arguments: Mapping[str, Any] | str) -> dict[str, Any]:  # noqa: A002  wire name
        """Return one tool call, for `assistant(tool_calls=[...])`.

        Args:
            id: Id that the tool message refers to.
            name: Name of the tool.
            arguments: Arguments, as a mapping or as JSON text.

        Example:
            >>> ChatBlock.tool_call("call_1", "get_weather", {"city": "Paris"})["function"]["name"]
            'get_weather'
        """
        check_string("id", id)
        check_string("name", name)
        return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}

    @staticmethod
    def text(text: str) -> Part:
        """Return a text part, for the content of a message.

        Args:
            text: Text of the part.

        Example:
            >>> ChatBlock.text("Hello")
            {'type': 'text', 'text': 'Hello'}
        """
        return {"type": "text", "text": check_string("text", text)}

    @staticmethod
    def image(url: Source | Sequence[Source], **more: Any) -> Any:
        """Return an image part, or a list of parts for a list of sources.

        Args:
            url: URL, bytes or path, or a list of them.
            **more: Fields beside the URL, such as `detail="low"`.

        Example:
            >>> ChatBlock.image("https://example.com/cat.jpg", detail="low")["image_url"]["detail"]
            'low'
        """
        if isinstance(url, (str, bytes, Path)):
            return {"type": "image_url", "image_url": {"url": media.url(url), **more}}
        return [ChatBlock.image(each, **more) for each in _as_list("url", url, _SOURCES)]

    @staticmethod
    def video(url: Source | Sequence[Source], **more: Any) -> Any:
        """Return a video part, or a list of parts for a list of sources.

        Args:
            url: URL, bytes or path, or a list of them.
            **more: Fields beside the URL.
        """
        if isinstance(url, (str, bytes, Path)):
            return {"type": "video_url", "video_url": {"url": media.url(url), **more}}
        return [ChatBlock.video(each, **more) for each in _as_list("url", url, _SOURCES)]

    @staticmethod
    def audio(source: Source, format: str | None = None) -> Part:  # noqa: A002  wire name
        """Return an audio part.

        Args:
            source: Bytes, path or data URL; links are not supported by chat formats.
            format: Such as "wav" or "mp3"; detected from the data if None.
        """
        data, detected = media.audio(_check_source(source))
        return {"type": "input_audio", "input_audio": {"data": data, "format": format or detected}}

    @staticmethod
    def file(source: Source, filename: str | None = None) -> Part:
        """Return a document part.

        Args:
            source: Bytes, path, URL, data URL, or the id of a file that was uploaded to the provider.
            filename: Name that the model sees; the name of a path if None.

        Example:
            >>> ChatBlock.file("file-abc123")
            {'type': 'file', 'file': {'file_id': 'file-abc123'}}
        """
        _check_source(source)
        name = filename or (source.name if isinstance(source, Path) else None)
        if isinstance(source, str) and "://" not in source and not source.startswith("data:"):
            fields: Part = {"file_id": source}
        elif isinstance(source, str) and not source.startswith("data:"):
            fields = {"file_url": source}
        else:
            fields = {"file_data": media.url(source)}
        return {"type": "file", "file": {**fields, **({"filename": name} if name else {})}}


def _check_source(source: Any) -> Any:
    return check_instance("source", source, (str, bytes, Path), "a URL, bytes or a pathlib.Path")


def _as_list(name: str, value: Any, expected: str) -> list[Any]:
    is_list = isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping))
    return list(require(name, value, expected, is_right=is_list))
