"""Tools to test code that uses the library: recordings, and models and providers with scripted answers.

cassette.py         record real traffic, and replay it
cassette_format.py  the file of a recording
matching.py         find a request in a recording, or its differences from the nearest one
masking.py          keep secrets out of the file
fake_provider.py    a provider with scripted replies, byte for byte, in any dialect
fake_model.py       a chat model with scripted answers
answers.py          an answer, as the bytes of a provider
replayed.py         a reply from memory
pytest_plugin.py    fixtures for pytest

docs/testing.md explains when to use which.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from msgflux_like.testing.answers import FakeAnswer, tool_call
    from msgflux_like.testing.cassette import Cassette
    from msgflux_like.testing.fake_model import FakeModel
    from msgflux_like.testing.fake_provider import FakeProvider, FakeReply, FakeRequest
    from msgflux_like.testing.replayed import Breaks

__all__ = ["Breaks", "Cassette", "FakeAnswer", "FakeModel", "FakeProvider", "FakeReply", "FakeRequest", "tool_call"]

_HOMES = {
    "Breaks": "replayed",
    "Cassette": "cassette",
    "FakeAnswer": "answers",
    "FakeModel": "fake_model",
    "FakeProvider": "fake_provider",
    "FakeReply": "fake_provider",
    "FakeRequest": "fake_provider",
    "tool_call": "answers",
}


def __getattr__(name: str) -> Any:
    # Lazy: pytest loads the plugin, and with it this package, in every run of every project.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
