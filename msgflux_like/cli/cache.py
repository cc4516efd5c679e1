"""`msgflux-like cache`: statistics of a response cache, its export as JSON, and its deletion."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from msgflux_like._json import to_json
from msgflux_like.cache import Entry, ResponseCache, answers
from msgflux_like.cli.output import echo, echo_error, echo_json
from msgflux_like.cli.tables import card

_MODELS = 10


def stats(options: argparse.Namespace) -> int:
    """Print the number, the size, the age and the models of the cached answers."""
    cache = _cache(options)
    if cache is None:
        return _report_missing_cache(options)
    models: Counter[str] = Counter()
    times: list[float] = []
    size = 0
    for _, entry in cache.entries():
        models[f"{entry.provider}/{entry.model}"] += 1
        times.append(entry.made_at)
        size += len(entry.value)
    facts = [("cache", cache.location), ("answers", f"{len(times):,} ({size:,} bytes)")]
    if times:
        facts += [("oldest", _time(min(times))), ("newest", _time(max(times)))]
    facts += [("" if number else "models", f"{path}  {count:,}") for number, (path, count) in _counts(models)]
    echo(*card(facts))
    return 0


def clear(options: argparse.Namespace) -> int:
    """Delete all cached answers."""
    cache = _cache(options)
    if cache is None:
        return _report_missing_cache(options)
    count = cache.cache_info().currsize
    cache.cache_clear()
    echo(f"{cache.location}: {count:,} answers forgotten")
    return 0


def export(options: argparse.Namespace) -> int:
    """Print each answer as a line of JSON. Caches do not contain the questions."""
    cache = _cache(options)
    if cache is None:
        return _report_missing_cache(options, echo_error)  # standard output is for JSON only
    echo_json(_object(key, entry) for key, entry in cache.entries())
    return 0


def _cache(options: argparse.Namespace) -> ResponseCache | None:
    """Return the cache; None if its file does not exist, which is not created."""
    cache = ResponseCache(store=options.path or True)
    if "://" not in cache.location and not Path(cache.location).expanduser().exists():
        return None
    cache.check()
    return cache


def _report_missing_cache(options: argparse.Namespace, output: Callable[[str], None] = echo) -> int:
    output(f"there is no cache at {ResponseCache(store=options.path or True).location}")
    return 0


def _object(key: bytes, entry: Entry) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "key": key.hex(),
        "made_at": _time(entry.made_at),
        "provider": entry.provider,
        "model": entry.model,
    }
    try:
        events = answers.unpack(entry.value) if entry.kind == answers.KIND else None
    except msgspec.DecodeError:
        events = None
    if events is None:
        return {**fields, "kind": entry.kind}
    return {**fields, "events": [{"event": type(each).__name__, **_fields_with_values(each)} for each in events]}


def _fields_with_values(event: Any) -> dict[str, Any]:
    """Return the fields of an event that are neither None nor empty."""
    fields: dict[str, Any] = msgspec.json.decode(to_json(event))
    return {name: value for name, value in fields.items() if value not in (None, "")}


def _counts(models: Counter[str]) -> Iterator[tuple[int, tuple[str, int]]]:
    yield from enumerate(models.most_common(_MODELS))
    if len(models) > _MODELS:
        yield (
            _MODELS,
            (f"{len(models) - _MODELS} more", sum(models.values()) - sum(dict(models.most_common(_MODELS)).values())),
        )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
