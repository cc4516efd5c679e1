"""Normalization of everything a caller may pass as messages into a tuple of checked ChatML messages.

Nothing of the caller's is changed. A message that needs no change is passed on as the same object, since most messages
need none and copies would cost more than the checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from msgflux_like._json import as_mapping, to_json
from msgflux_like.errors import InvalidMessagesError
from msgflux_like.messages import media
from msgflux_like.request import Message

ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
_MAX_POSITION = 2**31  # of state in a message; larger numbers are not positions
_EMPTY: dict[str, str | None] = {"assistant": None, "tool": ""}  # the content that an empty list of parts means
_PLAIN_ROLES = ("user", "system", "developer")  # roles without further fields to check
_ACCEPTED = "a string, a message, ChatML, or any iterable of strings and messages ({'role': ..., 'content': ...})"


def normalize(messages: Any, system_prompt: str | None = None) -> tuple[Message, ...]:
    """Return the conversation as checked messages: strings as user messages, local media as data URLs.

    Args:
        messages: A string, a message, a `ChatML`, or any iterable of strings and messages.
        system_prompt: System message to put first, None for none.

    Raises:
        InvalidMessagesError: If a message is invalid; the error names the message and the field.
    """
    found: list[Message] = []
    given: Iterable[Any] = cast("list[Any]", messages) if type(messages) is list else _each(messages)
    for message in given:
        # Fast path: nearly all messages are a role and a string.
        if type(message) is dict and type(message.get("content")) is str and message.get("role") in _PLAIN_ROLES:  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]  a cast would cost more than the test
            found.append(cast("Message", message))
        else:
            found.append(_message(message, f"messages[{len(found)}]"))
    if not found:
        raise InvalidMessagesError("messages is empty: give at least one message")
    if system_prompt is not None:
        if not isinstance(system_prompt, str):  # pyright: ignore[reportUnnecessaryIsInstance]  callers are untyped
            raise InvalidMessagesError(f"system_prompt must be a string, not {type(system_prompt).__name__}")
        found.insert(0, {"role": "system", "content": system_prompt})
    return tuple(found)


def _each(messages: Any) -> Iterable[Any]:
    if isinstance(messages, (str, Mapping)):
        return (cast("Any", messages),)
    if isinstance(messages, Iterable) and not isinstance(messages, (bytes, bytearray)):
        return cast("Iterable[Any]", messages)
    raise InvalidMessagesError(f"messages must be {_ACCEPTED}, not {type(messages).__name__}")


def _message(message: Any, place: str) -> Message:
    if isinstance(message, str):
        return {"role": "user", "content": message}
    if not isinstance(message, Mapping):
        raise InvalidMessagesError(f"{place} must be a string or a message with role and content, not {_type(message)}")
    checked = cast("Mapping[str, Any]", message)
    role = checked.get("role")
    if not isinstance(role, str) or role not in ROLES:
        given = "missing" if role is None else f"{role!r}" if isinstance(role, str) else f"of type {_type(role)}"
        raise InvalidMessagesError(f"{place}.role is {given}; it must be one of {', '.join(sorted(ROLES))}")
    content = checked.get("content")
    if type(content) is not str and (parts := _content(content, role, place)) is not content:
        checked = {**checked, "content": parts}
    if role == "tool":
        _check_text(
            checked.get("tool_call_id"), f"{place}.tool_call_id", ": it names the call that the message answers"
        )
    if (calls := checked.get("tool_calls")) and (ours := _calls(calls, f"{place}.tool_calls")) is not calls:
        checked = {**checked, "tool_calls": ours}
    if "provider_state" in checked:
        _check_state(checked["provider_state"], f"{place}.provider_state")
    if role == "assistant" and ("refusal" in checked or "audio" in checked or "images" in checked):
        return _with_fields_of_an_answer(checked, place)
    return checked


def _with_fields_of_an_answer(message: Mapping[str, Any], place: str) -> Message:
    """Return an answer with checked fields beside its content, as `response.message` and OpenAI's format have them."""
    refusal, audio, images = message.get("refusal"), message.get("audio"), message.get("images")
    if refusal is not None and not isinstance(refusal, str):
        raise InvalidMessagesError(f"{place}.refusal must be a string, not {_type(refusal)}")
    if audio is not None and not isinstance(audio, Mapping):
        raise InvalidMessagesError(f"{place}.audio must be an object with the id of a recording, not {_type(audio)}")
    if images is None:
        return message
    if not isinstance(images, (list, tuple)):
        raise InvalidMessagesError(f"{place}.images must be a list of image parts, not {_type(images)}")
    given = cast("Sequence[Any]", images)
    parts = [_image(part, f"{place}.images[{index}]") for index, part in enumerate(given)]
    return message if all(new is old for new, old in zip(parts, given, strict=True)) else {**message, "images": parts}


def _image(part: Any, place: str) -> Any:
    if as_mapping(part).get("type") != "image_url":
        raise InvalidMessagesError(f"{place} must be a part of type image_url, as response.message has it")
    return _part(part, place)


def _content(content: Any, role: str, place: str) -> Any:
    """Return checked content that is not a string."""
    if isinstance(content, (list, tuple)):
        if not content and role in _EMPTY:
            return _EMPTY[role]
        return _parts(cast("Sequence[Any]", content), f"{place}.content")
    if content is None and role != "assistant":
        raise InvalidMessagesError(f"{place}.content is missing: a {role} message needs a string or parts")
    if content is not None and not isinstance(content, str):
        raise InvalidMessagesError(f"{place}.content must be a string or a list of parts, not {_type(content)}")
    return content


def _parts(parts: Sequence[Any], place: str) -> Sequence[Any]:
    """Return the given parts, or a new list if a part had to be converted."""
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
        raise InvalidMessagesError(f"{place}.text must be a string, not {_type(checked.get('text'))}")
    if kind in ("image_url", "video_url"):
        return _with_url(checked, kind, place)
    if kind in ("input_audio", "file") and not isinstance(checked.get(kind), Mapping):
        raise InvalidMessagesError(f"{place}.{kind} must be an object, not {_type(checked.get(kind))}")
    return checked


def _with_url(part: Mapping[str, Any], kind: str, place: str) -> Mapping[str, Any]:
    """Return the part with its bytes or path as a data URL; a URL is not changed."""
    inner = part.get(kind)
    fields: Mapping[str, Any] = cast("Mapping[str, Any]", inner) if isinstance(inner, Mapping) else {"url": inner}
    url = fields.get("url")
    if isinstance(url, str) and isinstance(inner, Mapping):
        return part
    if not isinstance(url, (str, bytes, Path)):
        raise InvalidMessagesError(f"{place}.{kind}.url must be a URL, bytes or a pathlib.Path, not {_type(url)}")
    return {**part, kind: {**fields, "url": url if isinstance(url, str) else media.data_url(url)}}


def _calls(calls: Any, place: str) -> Any:
    """Return the given calls, or a new list if the arguments of one were an object instead of JSON text."""
    if not isinstance(calls, (list, tuple)):
        raise InvalidMessagesError(f"{place} must be a list of calls, not {_type(calls)}")
    given = cast("Sequence[Any]", calls)
    result = [_call(call, f"{place}[{index}]") for index, call in enumerate(given)]
    seen: set[str] = set()
    for index, call in enumerate(result):
        if call["id"] in seen:
            raise InvalidMessagesError(
                f"{place}[{index}].id is that of another call of the message: use a different id for each call"
            )
        seen.add(call["id"])
    return given if all(new is old for new, old in zip(result, given, strict=True)) else result


def _call(call: Any, place: str) -> Any:
    fields = as_mapping(call)
    function = as_mapping(fields.get("function"))
    _check_text(function.get("name"), f"{place}.function.name")
    _check_text(fields.get("id"), f"{place}.id", ": the tool message refers to it")
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        return call
    if arguments is not None and not isinstance(arguments, Mapping):
        raise InvalidMessagesError(f"{place}.function.arguments must be JSON text or an object, not {_type(arguments)}")
    text = to_json(arguments or {}, f"{place}.function.arguments").decode()
    return {**fields, "function": {**function, "arguments": text}}


def _check_state(entries: Any, place: str) -> None:
    """Check that the entries have the form of `response.message`, also after a round trip through JSON."""
    if not isinstance(entries, (list, tuple)):
        raise InvalidMessagesError(f"{place} must be a list, as response.message has it, not {_type(entries)}")
    for index, entry in enumerate(cast("Sequence[Any]", entries)):
        fields = as_mapping(entry)
        named = isinstance(fields.get("family"), str) and isinstance(fields.get("kind"), str)
        if not named or not _is_position(fields.get("after")) or "raw" not in fields:
            raise InvalidMessagesError(
                f"{place}[{index}] must have family, kind, after and raw, as response.message has"
            )
        if not _is_position(fields.get("offset", 0)):
            raise InvalidMessagesError(
                f"{place}[{index}].offset must be a number of characters, as response.message has"
            )


def _is_position(value: Any) -> bool:
    """Return whether a value is a whole number that can be a position in a message."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_POSITION


def _check_text(value: Any, place: str, why: str = "") -> None:
    """Check that a value is a string that is not empty; `why` ends the error message."""
    if value is None or value == "":
        raise InvalidMessagesError(f"{place} is missing{why}")
    if not isinstance(value, str):
        raise InvalidMessagesError(f"{place} must be a string, not {_type(value)}")


def _type(value: Any) -> str:
    return "None" if value is None else type(value).__name__
