"""Fixtures for pytest: a recording named after the test, and fake models. Imports are lazy: every run loads this."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from msgflux_like.testing.cassette import Cassette
    from msgflux_like.testing.fake_model import FakeModel

_MODES: Final = ("auto", "replay", "record", "new")
_LONGEST_NAME = 100  # characters of a file's name

_failure = pytest.StashKey[BaseException]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option `--msgflux-record`."""
    parser.getgroup("msgflux-like").addoption(
        "--msgflux-record",
        choices=_MODES,
        help="What msgflux_cassette does: replay what is there and record the rest of the tests (auto), replay only, "
        "record anew, or record what is new. Default: replay where CI is set in the environment, else auto.",
    )


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Keep the failure of the test, for the end of its recording."""
    if call.when == "call" and call.excinfo is not None:
        item.stash[_failure] = call.excinfo.value


@pytest.fixture
def msgflux_cassette(request: pytest.FixtureRequest) -> Iterator[Cassette]:
    """Record or replay the requests of the test, in `cassettes/<module>/<test>.jsonl` beside it.

    A test that ends with an APIError records nothing.
    """
    from msgflux_like.testing.cassette import Cassette  # noqa: PLC0415  imported by the tests that use it

    given = request.config.getoption("--msgflux-record")
    cassette = Cassette(_file(request), given or ("replay" if _in_ci() else "auto"))
    cassette.__enter__()
    yield cassette
    failure: BaseException | None = request.node.stash.get(_failure, None)
    cassette.__exit__(type(failure) if failure else None, failure, None)


@pytest.fixture
def fake_model() -> Iterator[Callable[..., FakeModel]]:
    """Return a function that makes `FakeModel`s, as in `fake_model("Hello")`. They are closed after the test."""
    from msgflux_like.testing.fake_model import FakeModel  # noqa: PLC0415  imported by the tests that use it

    made: list[FakeModel] = []

    def make(*args: Any, **kwargs: Any) -> FakeModel:
        made.append(FakeModel(*args, **kwargs))
        return made[-1]

    yield make
    for model in made:
        model.close()


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


def _file(request: pytest.FixtureRequest) -> Path:
    """Return the file of a test; a name that a file cannot have is completed by digits of its hash."""
    name = ".".join(request.node.nodeid.split("::")[1:])
    plain = re.sub(r"[^\w.-]+", "-", name.replace("[", "-").replace("]", ""))[:_LONGEST_NAME]
    if plain.replace("-", "") != re.sub(r"[\[\]-]", "", name):
        plain += "-" + blake2b(name.encode(), digest_size=4).hexdigest()
    return request.path.parent / "cassettes" / request.path.stem / f"{plain}.jsonl"
