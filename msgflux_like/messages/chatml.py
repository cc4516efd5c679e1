"""A conversation to which messages are appended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgflux_like.messages.chat_block import Part
from msgflux_like.messages.normalize import normalize
from msgflux_like.request import Message


class ChatML:
    """A conversation to which messages are appended; accepted wherever a call takes messages.

    Args:
        messages: Messages to begin with, in any form that a call takes; none by default.

    Raises:
        InvalidMessagesError: If a message is invalid; the error names the message and the field.

    Example:
        >>> chat = ChatML()
        >>> chat.add_user_message("Hello")
        >>> chat.add_assist_message("Hi! How can I help?")
        >>> chat.get_messages()[0]
        {'role': 'user', 'content': 'Hello'}
        >>> len(chat)
        2
    """

    def __init__(self, messages: Any = ()) -> None:
        self._messages: list[Message] = []
        if messages or isinstance(messages, (bool, int, float)):  # a number is not a history, and 0 is a number
            self.extend_history(messages)

    def add_user_message(self, content: str | Mapping[str, Any] | Sequence[Part]) -> None:
        """Append a user message.

        Args:
            content: A string, a list of parts, or a whole message.

        Raises:
            InvalidMessagesError: If the message is invalid; the error names the field.
        """
        self._add("user", content)

    def add_assist_message(self, content: str | Mapping[str, Any] | Sequence[Part]) -> None:
        """Append an answer of the model, for example `response.message`. Also named `add_assistant_message`.

        Args:
            content: A string, a list of parts, or a whole message.

        Raises:
            InvalidMessagesError: If the message is invalid; the error names the field.
        """
        self._add("assistant", content)

    add_assistant_message = add_assist_message

    def extend_history(self, messages: Any) -> None:
        """Append messages.

        Args:
            messages: A string, a message, another `ChatML`, or an iterable of strings and messages; not empty.

        Raises:
            InvalidMessagesError: If a message is invalid or there is none; nothing is appended then.

        Example:
            >>> chat = ChatML("Hello")
            >>> chat.extend_history([{"role": "assistant", "content": "Hi!"}, "How are you?"])
            >>> len(chat)
            3
        """
        self._messages.extend(normalize(messages))

    def get_messages(self) -> list[Message]:
        """Return the messages so far, in a new list."""
        return list(self._messages)

    def clear(self) -> None:
        """Remove all messages."""
        self._messages.clear()

    def __iter__(self) -> Iterator[Message]:
        return iter(self.get_messages())

    def __len__(self) -> int:
        return len(self._messages)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"ChatML({len(self._messages)} messages)"

    def _add(self, role: str, content: Any) -> None:
        whole = isinstance(content, Mapping) and "role" in content
        self.extend_history([content if whole else {"role": role, "content": content}])
