"""`msgflux-like cache`: what a cache of responses holds, all of it as JSON, and forgetting it."""

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
from msgflux_like.cli.output import echo, echo_error, say_json
from msgflux_like.cli.tables import card

_MODELS = 10


def stats(options: argparse.Namespace) -> int:
    """How many answers, of which models, how large and how old."""
    cache = _cache(options)
    if cache is None:
        return _nothing(options)
    models: Counter[str] = Counter()
    times: list[float] = []
    size = 0
    for _, entry in cache.entries():
        models[f"{entry.provider}/{entry.model}"] += 1
        times.append(entry.made_at)
        size += len(entry.value)
    facts = [("cache", cache.place), ("answers", f"{len(times):,} ({size:,} bytes)")]
    if times:
        facts += [("oldest", _time(min(times))), ("newest", _time(max(times)))]
    facts += [("" if number else "models", f"{path}  {count:,}") for number, (path, count) in _most(models)]
    echo(*card(facts))
    return 0


def clear(options: argparse.Namespace) -> int:
    """Forget all answers."""
    cache = _cache(options)
    if cache is None:
        return _nothing(options)
    count = cache.cache_info().currsize
    cache.cache_clear()
    echo(f"{cache.place}: {count:,} answers forgotten")
    return 0


def export(options: argparse.Namespace) -> int:
    """Each answer on a line; what was asked is not in a cache."""
    cache = _cache(options)
    if cache is None:
        return _nothing(options, echo_error)  # what reads the lines wants JSON
    say_json(_object(key, entry) for key, entry in cache.entries())
    return 0


def _cache(options: argparse.Namespace) -> ResponseCache | None:
    """None where no file is; this makes none."""
    cache = ResponseCache(store=options.path or True)
    if "://" not in cache.place and not Path(cache.place).expanduser().exists():
        return None
    cache.check()
    return cache


def _nothing(options: argparse.Namespace, tell: Callable[[str], None] = echo) -> int:
    tell(f"there is no cache at {ResponseCache(store=options.path or True).place}")
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
    return {**fields, "events": [{"event": type(each).__name__, **_said(each)} for each in events]}


def _said(event: Any) -> dict[str, Any]:
    """The fields of an event that say something."""
    fields: dict[str, Any] = msgspec.json.decode(to_json(event))
    return {name: value for name, value in fields.items() if value not in (None, "")}


def _most(models: Counter[str]) -> Iterator[tuple[int, tuple[str, int]]]:
    yield from enumerate(models.most_common(_MODELS))
    if len(models) > _MODELS:
        yield (
            _MODELS,
            (f"{len(models) - _MODELS} more", sum(models.values()) - sum(dict(models.most_common(_MODELS)).values())),
        )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
