"""Policy of the cache for chat answers: which ones it keeps, and what tells two apart beside the request itself."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, Final, get_args
from urllib.parse import urlsplit

import msgspec

from msgflux_like._http.steps import Step
from msgflux_like._json import to_json
from msgflux_like.cache import ResponseCache, answers
from msgflux_like.cache.slot import CacheSlot
from msgflux_like.events import Event
from msgflux_like.request import HttpRequest
from msgflux_like.response.accumulator import ResponseAccumulator

if TYPE_CHECKING:
    from msgflux_like.structured.output_spec import OutputSpec

_KEPT: Final = ("stop", "length", "tool_calls")
"""Finish reasons of answers that an equal request would get again.

Without a reason an answer may not be whole; filtered and failed answers may differ.
"""


def cache_slot(
    cache: ResponseCache,
    http: HttpRequest,
    provider: str,
    model: str,
    *,
    facts: Mapping[str, Any],
    prefill: str,
    output_spec: OutputSpec | None,
    schema: Any,
) -> CacheSlot:
    """Return the place of the answer to a request.

    Args:
        cache: The model's cache.
        http: The request.
        provider: Name of the provider.
        model: Model id, as sent.
        facts: What distinguishes answers and is not in the request, such as the dialect.
        prefill: Beginning of the answer's text.
        output_spec: The type of the answer, None for text.
        schema: The type, as the caller gave it.
    """
    facts = {**facts, "prefill": prefill}
    if output_spec is not None:
        facts["type"] = _type_facts(output_spec, schema)

    def worth(events: list[Event]) -> bool:
        answer = ResponseAccumulator(prefill) if output_spec is None else output_spec.answer(prefill)
        answer.add(events)
        return _is_worth_keeping(answer, output_spec)

    return CacheSlot(
        cache, answers, http, facts=facts, names=(provider, model), worth=worth, is_read=output_spec is not None
    )


def replayed(events: list[Event]) -> Generator[Step, Any, None]:
    """Return an exchange that yields these events, piece by piece, and sends nothing."""
    yield from answers.pieces(events)


def server_facts(http: HttpRequest, kind: str) -> tuple[HttpRequest, dict[str, Any]]:
    """Return the request to a server on this machine without its port, and the facts of its model file."""
    parts = urlsplit(http.url)
    moved = msgspec.structs.replace(http, url=f"{kind}:{parts.path}?{parts.query}")
    if kind != "llama":
        return moved, {}
    from msgflux_like.local import llama  # noqa: PLC0415  imported already

    file = llama.find_gguf()
    status = file.stat()
    return moved, {"file": [str(file), status.st_size, status.st_mtime_ns]}


def _type_facts(output_spec: OutputSpec, schema: Any) -> dict[str, Any]:
    """Return what distinguishes types: name, schemas, parser and strictness."""
    parser: Any = output_spec.parser.__class__
    schemas = (
        output_spec.target.schema if output_spec.target else None,
        output_spec.lowered.schema if output_spec.lowered else None,
    )
    return {
        "output_mode": output_spec.output_mode,
        "strict": output_spec.strict,
        "type": _name(schema),
        "schemas": [to_json(schema, "generation_schema") for schema in schemas],
        "wrapped": output_spec.lowered.wrapped if output_spec.lowered else None,
        "parser": None if output_spec.parser is None else f"{parser.__module__}.{parser.__qualname__}",
    }


def _name(kind: Any) -> str:
    """Return the qualified name of a type and of its arguments; never an address in memory."""
    if isinstance(kind, type) and not get_args(kind):
        return f"{kind.__module__}.{kind.__qualname__}"
    inner = ", ".join(_name(each) for each in get_args(kind))
    return f"{type(kind).__module__}.{type(kind).__qualname__}[{inner}]"


def _is_worth_keeping(answer: ResponseAccumulator, output_spec: OutputSpec | None) -> bool:
    if (answer.finished.reason if answer.finished else None) not in _KEPT:
        return False
    if answer.calls:
        return all(_is_object("".join(arguments)) for _, _, arguments in answer.calls.values())
    if output_spec is not None:
        try:
            output_spec.read(answer)
        except Exception:  # noqa: BLE001  a parser or a validator of the user's; the caller will see what it raises
            return False
        return True
    return any((answer.text, answer.refusal, answer.media, answer.server_tools))


_decode = msgspec.json.Decoder(dict[str, Any]).decode


def _is_object(arguments: str) -> bool:
    try:
        _decode(arguments.strip() or "{}")
    except msgspec.DecodeError:
        return False
    return True
