"""What users of the library test their own code with: recordings, and models and providers that say what a test tells.

cassette.py       real traffic, recorded and replayed
tape.py           the file of a recording
matching.py       which recorded request one is, and in what it differs from the nearest
masking.py        what is kept out of the file
fake_provider.py  replies of a test's own, byte for byte, in any dialect
fake_model.py     a chat model whose answers a test gives
answers.py        an answer, in the bytes of a provider
played.py         a reply that comes from memory
pytest_plugin.py  both as fixtures

docs/testing.md says when which is right.
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
    # pytest loads the plugin, and with it this package, in every run of everybody's.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
