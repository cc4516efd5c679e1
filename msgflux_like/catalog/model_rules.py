"""Confirmed facts about models that the catalogue does not have: what a model takes and refuses, wherever it is served.

The facts are in `profiles/rules.toml`, each with its source and the day it was read. The catalogue's own statement that
a model cannot do something is a hint only; see `calls.capabilities`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, Literal

import msgspec
from msgspec import Struct

from msgflux_like._paths import data_folder
from msgflux_like.catalog.model_names import bare_name

Feature = Literal["tools", "image", "audio", "video", "pdf"]
Kind = Literal["", "image", "speech", "transcription", "video", "moderation", "realtime", "embedding"]

_OWN_SERVERS = frozenset({"local", "ollama", "ollama-native", "vllm", "foundry-local"})
"""Servers whose model names are chosen by whoever runs them: a name says nothing about the model there."""


class ModelRule(Struct, frozen=True, forbid_unknown_fields=True, rename={"excluded": "except"}):
    """One table of `profiles/rules.toml`.

    Attributes:
        models: Patterns of the names that the rule holds for, as `model_names.bare_name` returns them.
        source: URL of the page that says so.
        accessed: Day on which it was read.
        excluded: Patterns of names that the rule does not hold for.
        providers: The hosts that the rule holds for; all if empty.
        max_tokens_field: Name of the output limit in OpenAI's chat format; "" for that of the host.
        only: Parameters that have one accepted value.
        refuses: Parameters that are refused.
        together: Pairs of parameters that are refused together: the second is left out, or the first if it is 1.
        whole_call: Fields that a call that is not streamed must have.
        stream_only: Whether calls that are not streamed are refused.
        accepts: What the model takes.
        denies: What the model does not take.
        kind: Kind of a model that writes no text, or that no chat endpoint serves.
    """

    models: tuple[str, ...]
    source: str
    accessed: date
    excluded: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    max_tokens_field: Literal["", "max_completion_tokens"] = ""
    only: Mapping[str, float] = {}
    refuses: tuple[str, ...] = ()
    together: tuple[tuple[str, str], ...] = ()
    whole_call: Mapping[str, Any] = {}
    stream_only: bool = False
    accepts: tuple[Feature, ...] = ()
    denies: tuple[Feature, ...] = ()
    kind: Kind = ""

    def matches(self, provider: str, name: str) -> bool:
        """Return whether the rule holds for a model, by its bare name."""
        return (
            (not self.providers or provider in self.providers)
            and any(fnmatchcase(name, pattern) for pattern in self.models)
            and not any(fnmatchcase(name, pattern) for pattern in self.excluded)
        )


class ModelRules(Struct, frozen=True):
    """Everything that the rules say about one model; the attributes are those of `ModelRule`."""

    max_tokens_field: Literal["", "max_completion_tokens"] = ""
    only: Mapping[str, float] = {}
    refuses: frozenset[str] = frozenset()
    together: tuple[tuple[str, str], ...] = ()
    whole_call: Mapping[str, Any] = {}
    stream_only: bool = False
    accepts: frozenset[str] = frozenset()
    denies: frozenset[str] = frozenset()
    kind: Kind = ""

    @property
    def changes_requests(self) -> bool:
        """Return whether a request may have to be changed or refused for these rules before it is encoded."""
        return bool(self.together or self.whole_call or self.stream_only)


NO_RULES = ModelRules()


class _File(Struct, forbid_unknown_fields=True):
    rule: tuple[ModelRule, ...]


@cache
def all_rules() -> tuple[ModelRule, ...]:
    """Return the rules of `profiles/rules.toml`."""
    import tomllib  # noqa: PLC0415  needed when a model is made, not at import

    text = (data_folder("profiles") / "rules.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), _File).rule


@cache
def rules_of(provider: str, model_id: str) -> ModelRules:
    """Return what the rules say about a model.

    Args:
        provider: Name of the provider that serves it.
        model_id: Id of the model there; dates, regions, versions and fine-tuning are looked through.

    Example:
        >>> rules_of("openai", "ft:gpt-4o:my-org::abc123").denies == {"audio", "video"}
        True
    """
    name = "" if provider in _OWN_SERVERS else bare_name(model_id)
    found = [rule for rule in all_rules() if rule.matches(provider, name)] if name else []
    if not found:
        return NO_RULES
    accepts = frozenset(feature for rule in found for feature in rule.accepts)
    kinds: list[Kind] = [rule.kind for rule in found if rule.kind]
    return ModelRules(
        max_tokens_field="max_completion_tokens" if any(rule.max_tokens_field for rule in found) else "",
        only={name: value for rule in found for name, value in rule.only.items()},
        refuses=frozenset(name for rule in found for name in rule.refuses),
        together=tuple(pair for rule in found for pair in rule.together),
        whole_call={name: value for rule in found for name, value in rule.whole_call.items()},
        stream_only=any(rule.stream_only for rule in found),
        accepts=accepts,
        denies=frozenset(feature for rule in found for feature in rule.denies) - accepts,
        kind=kinds[0] if kinds else "",
    )
