"""A model that goes on from a prompt: the older of OpenAI's two formats, with all that a chat model's call has."""

from __future__ import annotations

from typing import Final

from msgflux_like.errors import UnsupportedError
from msgflux_like.models.chat_completion import ChatCompletion
from msgflux_like.providers import config
from msgflux_like.providers.config import Provider

# What serves OpenAI's formats at all usually serves this one.
_NEIGHBOURS: Final = frozenset({"openai_chat", "openai_responses", "openai_completions"})


class TextCompletion(ChatCompletion):
    """One text completion model. It is called with a prompt, and else as a `ChatCompletion` is.

    Whole (`consume()` is the text), pulled (`stream=True`) and pushed (`stream_to=`, where the chunks have their text
    in `data.choices[0].text`). There are no tools, no images and no turns; `generation_schema` is prompted for.

    Raises:
        UnsupportedError: The provider has no text completions.

    Example:
        >>> import msgflux_like as mf
        >>> model = mf.Model.text_completion("openai/gpt-3.5-turbo-instruct", api_key="sk-...", max_tokens=20)
        >>> model.plan("Once upon a time").body
        {'model': 'gpt-3.5-turbo-instruct', 'prompt': 'Once upon a time', 'max_tokens': 20}
    """

    model_type = "text_completion"

    @classmethod
    def spoken(cls, row: Provider) -> Provider:
        """The row, in the completions format. UnsupportedError where there is none."""
        if row.dialect not in _NEIGHBOURS:
            raise UnsupportedError(f"{row.name} speaks {row.dialect}, which has no text completions: use a chat model")
        return config.with_dialect(row, "openai_completions")
