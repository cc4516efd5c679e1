from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import msgflux_like as mf
from tests.cache.servers import Redis, find_server


class Deadline:
    """Time that passes when a test says so, in seconds since 1970."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Deadline:
    return Deadline()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory) -> Iterator[Redis]:
    """A real Redis, or what speaks its protocol."""
    program = find_server()
    if program is None:
        pytest.skip("no redis-server or valkey-server: neither on PATH nor in a package of the test group")
    with Redis(program, tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis(redis_server) -> Redis:
    redis_server.empty()
    return redis_server


def maker(
    kind: str, request: pytest.FixtureRequest, folder: Path, clock: Deadline, made: list[mf.ResponseCache]
) -> Any:
    def make(**options: Any) -> mf.ResponseCache:
        place = {"memory": lambda: None, "sqlite": lambda: str(folder / "cache.sqlite")}.get(
            kind, lambda: request.getfixturevalue("redis").url
        )()
        made.append(mf.ResponseCache(store=place, clock=clock, **options))
        return made[-1]

    return make


@pytest.fixture(params=["memory", "sqlite", "redis"])
def cache_in(request, tmp_path, clock) -> Any:
    """Makes caches in one place, of each kind that there is; what they take beside it is the test's."""
    made: list[mf.ResponseCache] = []
    yield maker(request.param, request, tmp_path, clock, made)
    for cache in made:
        cache.close()


@pytest.fixture(params=["memory", "sqlite"])
def bounded_in(request, tmp_path, clock) -> Any:
    """The same, for those that bound themselves."""
    made: list[mf.ResponseCache] = []
    yield maker(request.param, request, tmp_path, clock, made)
    for cache in made:
        cache.close()
