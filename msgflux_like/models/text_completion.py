"""Text completion models: the older of OpenAI's formats, in which a model continues a prompt."""

from __future__ import annotations

from typing import Final

from msgflux_like.errors import UnsupportedError
from msgflux_like.models.chat_completion import ChatCompletion
from msgflux_like.providers import config
from msgflux_like.providers.config import Provider

# A host of one of OpenAI's formats usually serves this one, too.
_NEIGHBOURS: Final = frozenset({"openai_chat", "openai_responses", "openai_completions"})


class TextCompletion(ChatCompletion):
    """A text completion model: it continues a prompt. It is called like a `ChatCompletion`, with the same options.

    There are no tools, no images and no turns; a `generation_schema` is asked for in the prompt. The chunks that a
    `stream_to` receives have their text in `data.choices[0].text`.

    Args:
        path: `provider/model`, split at the first slash.
        **options: `ModelOptions`; `Model.text_completion` lists them.

    Raises:
        UnsupportedError: If the provider has no text completions.

    Example:
        >>> import msgflux_like as mf
        >>> model = mf.Model.text_completion("openai/gpt-3.5-turbo-instruct", api_key="sk-...", max_tokens=20)
        >>> model.plan("Once upon a time").body
        {'model': 'gpt-3.5-turbo-instruct', 'prompt': 'Once upon a time', 'max_tokens': 20}
    """

    model_type = "text_completion"

    @classmethod
    def _row_of(cls, row: Provider) -> Provider:
        """Return the row in the completions format. UnsupportedError where the provider has none."""
        if row.dialect not in _NEIGHBOURS:
            raise UnsupportedError(f"{row.name} speaks {row.dialect}, which has no text completions: use a chat model")
        return config.with_dialect(row, "openai_completions")
