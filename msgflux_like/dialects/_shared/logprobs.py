"""Log probabilities of tokens, in OpenAI's form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgflux_like._json import as_list, as_mapping
from msgflux_like.events import Logprobs, TokenLogprob


def logprobs(tokens: Sequence[Any]) -> Logprobs:
    """Return the event for OpenAI's list of tokens and their probabilities; each may hold alternatives of that form."""
    return Logprobs(tuple(_token(as_mapping(token)) for token in tokens))


def _token(fields: Mapping[str, Any]) -> TokenLogprob:
    utf8 = fields.get("bytes")
    return TokenLogprob(
        str(fields.get("token") or ""),
        float(fields.get("logprob") or 0.0),
        None if utf8 is None else bytes(utf8),
        tuple(_token(as_mapping(other)) for other in as_list(fields.get("top_logprobs"))),
    )
