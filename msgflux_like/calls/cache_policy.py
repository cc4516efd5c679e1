"""What of a chat answer a cache keeps, and what tells two of them apart beside the request itself."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, Final, get_args
from urllib.parse import urlsplit

import msgspec

from msgflux_like._http.steps import Step
from msgflux_like.cache import ResponseCache, answers
from msgflux_like.cache.slot import CacheSlot
from msgflux_like.events import Event
from msgflux_like.request import HttpRequest, to_json
from msgflux_like.response.accumulator import ResponseAccumulator

if TYPE_CHECKING:
    from msgflux_like.structured.output_spec import OutputSpec

_KEPT: Final = ("stop", "length", "tool_calls")
"""Finish reasons of answers that would come again. Without a reason, an answer may not be whole; filtered and failed
answers may be others next time."""


def cache_slot(
    cache: ResponseCache,
    http: HttpRequest,
    provider: str,
    model: str,
    *,
    facts: Mapping[str, Any],
    prefill: str,
    output_spec: OutputSpec | None,
    asked_for: Any,
) -> CacheSlot:
    """Where the answer of that request belongs.

    Args:
        cache: Of the model.
        http: What would be sent.
        provider: Name of the provider.
        model: Model id, as sent.
        facts: What the model knows of the request that does not go out, such as the dialect.
        prefill: What the answer's text begins with.
        output_spec: How it is read, if it is of a type.
        asked_for: The type as it was given.
    """
    told = {**facts, "prefill": prefill}
    if output_spec is not None:
        told["type"] = _told_apart(output_spec, asked_for)

    def worth(events: list[Event]) -> bool:
        answer = ResponseAccumulator(prefill) if output_spec is None else output_spec.answer(prefill)
        answer.add(events)
        return _is_worth_keeping(answer, output_spec)

    return CacheSlot(
        cache, answers, http, facts=told, names=(provider, model), worth=worth, is_read=output_spec is not None
    )


def replayed(events: list[Event]) -> Generator[Step, Any, None]:
    """An exchange that gives these, piece by piece, and sends nothing."""
    yield from answers.pieces(events)


def server_facts(http: HttpRequest, kind: str) -> tuple[HttpRequest, dict[str, Any]]:
    """The request to a server on this machine as it is whatever its port, and which model file it has."""
    parts = urlsplit(http.url)
    moved = msgspec.structs.replace(http, url=f"{kind}:{parts.path}?{parts.query}")
    if kind != "llama":
        return moved, {}
    from msgflux_like.local import llama  # noqa: PLC0415  it is running

    file = llama.find_gguf()
    seen = file.stat()
    return moved, {"file": [str(file), seen.st_size, seen.st_mtime_ns]}


def _told_apart(output_spec: OutputSpec, asked_for: Any) -> dict[str, Any]:
    """A type by its name, by all of its schema, and by who reads the answer how."""
    parser: Any = output_spec.parser.__class__
    schemas = (
        output_spec.target.schema if output_spec.target else None,
        output_spec.lowered.schema if output_spec.lowered else None,
    )
    return {
        "output_mode": output_spec.output_mode,
        "strict": output_spec.strict,
        "type": _name(asked_for),
        "schemas": [to_json(schema, "generation_schema") for schema in schemas],
        "wrapped": output_spec.lowered.wrapped if output_spec.lowered else None,
        "parser": None if output_spec.parser is None else f"{parser.__module__}.{parser.__qualname__}",
    }


def _name(kind: Any) -> str:
    """Module and name of a type, and of what it is made of; never an address."""
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
