"""The service's HTTP interface, in both of its generations.

The first one (the services of the CLI up to 0.8) has a catalogue with aliases, takes ids and downloads. The second
one (the web service of the SDK from 1.0 on, and of the CLI from 0.10 on) loads aliases only, and answers requests
that name ids only; what an alias stands for is seen in the list of what is loaded.

Sources: https://learn.microsoft.com/azure/ai-foundry/foundry-local/reference/reference-rest for the first (accessed
2026-11-21); the service of foundry-local-sdk 2.2.1 itself for the second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol
from urllib.parse import quote

import msgspec

from msgflux_like._http.fetch import fetch
from msgflux_like.dialects.openai_chat import refusal
from msgflux_like.errors import APIError, BadReplyError, BadRequestError, NotFoundError, ServerError, UnsupportedError
from msgflux_like.local.foundry import models
from msgflux_like.local.foundry.models import NAME, ModelInfo, find, of_id, unknown

LOAD_S = 600.0
TTL_S = 600
_LIST_S = 30.0

_ids = msgspec.json.Decoder(list[str] | None)


Download = Callable[[str, float], None]
"""Fetches the model of that name, in at most so many seconds."""


class Interface(Protocol):
    """What a service can be told. Names are aliases or ids; devices are "CPU", "GPU", "NPU" or None."""

    def catalogue(self) -> list[ModelInfo]:
        """All models that there are for this machine."""
        ...

    def cached(self) -> list[ModelInfo]:
        """Those that are downloaded."""
        ...

    def loaded(self) -> list[ModelInfo]:
        """Those that answer at once."""
        ...

    def info(self, name: str, device: str | None) -> ModelInfo:
        """The model that a name means; UnknownModelError."""
        ...

    def load(self, name: str, device: str | None, ttl_s: int | None, timeout_s: float) -> ModelInfo | None:
        """The model, loaded; None when it must be downloaded first."""
        ...

    def unload(self, name: str) -> None:
        """Let go of its memory."""
        ...

    def download(self, name: str, device: str | None, timeout_s: float) -> None:
        """Fetch the model into the cache, once more if it is there."""
        ...


def probe(root: str, download: Download | None = None) -> Interface:
    """The interface of the service at `root`, an origin; `download` is how models come to a service that cannot.

    Raises BadReplyError when something else answers there.
    """
    if "endpoints" in _object(root, "/status"):
        return ApiV1(root, download)
    if _object(root, "/openai/status"):
        return ApiV0(root)
    raise BadReplyError(f"what answers at {root} is not Foundry Local", provider=NAME)


class ApiV0:
    """The interface of the services up to 0.8."""

    def __init__(self, root: str) -> None:
        self._root = root

    def catalogue(self) -> list[ModelInfo]:  # noqa: D102  see Interface, here and below
        return _read(models.read_catalogue, _get(self._root, "/foundry/list"))

    def cached(self) -> list[ModelInfo]:  # noqa: D102
        return self._known("/openai/models")

    def loaded(self) -> list[ModelInfo]:  # noqa: D102
        return self._known("/openai/loadedmodels")

    def info(self, name: str, device: str | None) -> ModelInfo:  # noqa: D102
        return self._find(name, device)[0]

    def load(self, name: str, device: str | None, ttl_s: int | None, timeout_s: float) -> ModelInfo | None:  # noqa: D102
        model, cached = self._find(name, device)
        if not models.is_among(model.id, cached):
            return None
        graphics = "-generic-gpu:" in model.id and any("CUDA" in each.execution_provider for each in self.catalogue())
        path = (
            f"/openai/load/{_segment(model.id)}?ttl={TTL_S if ttl_s is None else ttl_s}{'&ep=cuda' if graphics else ''}"
        )
        _get(self._root, path, timeout_s)
        return model

    def unload(self, name: str) -> None:  # noqa: D102
        _get(self._root, f"/openai/unload/{_segment(self.info(name, None).id)}?force=true", LOAD_S)

    def download(self, name: str, device: str | None, timeout_s: float) -> None:  # noqa: D102
        model = self.info(name, device)
        request = {
            "model": {
                "Name": model.id,
                "Uri": model.uri,
                "Publisher": model.publisher,
                "ProviderType": f"{model.provider}Local" if model.provider == "AzureFoundry" else model.provider,
                "PromptTemplate": model.prompt_template,
            },
            "IgnorePipeReport": True,
        }
        reply = _get(self._root, "/openai/download", timeout_s, body=msgspec.json.encode(request))
        outcome = _last_object(reply)
        if not outcome.get("success"):
            reason = outcome.get("errorMessage") or "it does not say why"
            raise ServerError(f"the download failed: {reason}", provider=NAME, model=model.id, should_retry=True)

    def _find(self, name: str, device: str | None) -> tuple[ModelInfo, list[str]]:
        """The model, and the ids of all that are downloaded: without a network the catalogue may lack some of them."""
        catalogue = self.catalogue()
        cached = _read_ids(_get(self._root, "/openai/models"))
        listed = {each.id for each in catalogue}
        known = [*catalogue, *(of_id(each) for each in cached if each not in listed)]
        if (found := find(name, known, device, cached)) is None:
            raise unknown(name, known, device)
        return found, cached

    def _known(self, path: str) -> list[ModelInfo]:
        catalogue = self.catalogue()
        return [find(each, catalogue) or of_id(each) for each in _read_ids(_get(self._root, path))]


class ApiV1:
    """The interface of the services from 1.0 on."""

    def __init__(self, root: str, download: Download | None = None) -> None:
        self._root = root
        self._download = download
        self._meant: dict[str, str] = {}  # the ids of aliases, as loading them has shown

    def catalogue(self) -> list[ModelInfo]:  # noqa: D102
        return [self._named(each) for each in _read(models.read_models, _get(self._root, "/v1/models"))]

    def cached(self) -> list[ModelInfo]:  # noqa: D102
        raise UnsupportedError(
            "a Foundry Local service from 1.0 on does not tell what is downloaded: `foundry cache list`"
        )

    def loaded(self) -> list[ModelInfo]:  # noqa: D102
        known = {each.id: each for each in self.catalogue()}
        return [known.get(each) or self._named(of_id(each)) for each in self._loaded()]

    def info(self, name: str, device: str | None) -> ModelInfo:  # noqa: D102
        catalogue = self.catalogue()
        if (found := find(name, catalogue, device)) is not None:
            return found
        error = unknown(name, catalogue, device)
        raise type(error)(f"{error}; what an alias stands for is known once it is loaded: load_model({name!r})")

    def load(self, name: str, device: str | None, ttl_s: int | None, timeout_s: float) -> ModelInfo | None:  # noqa: D102
        if ttl_s is not None:
            raise UnsupportedError("a Foundry Local service from 1.0 on cannot be told a ttl: leave it out")
        catalogue = self.catalogue()
        before = self._loaded()
        requested = find(name, catalogue, device)
        if requested is not None and requested.id in before:
            return requested
        for alias in [name] if requested is None else _aliases(requested):
            try:
                _get(self._root, f"/models/load/{_segment(alias)}", timeout_s)
            except NotFoundError:
                continue
            except BadRequestError as error:
                if "not cached" in error.message:
                    return None
                raise
            return self._now_loaded(alias, before, requested, device)
        if requested is not None:
            raise UnsupportedError(f"Foundry Local loads by alias, and does not tell that of {requested.id!r}: name it")
        raise unknown(name, catalogue, device)

    def unload(self, name: str) -> None:  # noqa: D102
        found = find(name, self.catalogue())
        for alias in [name] if found is None else _aliases(found):
            try:
                _get(self._root, f"/models/unload/{_segment(alias)}", LOAD_S)
            except NotFoundError:
                continue
            return
        raise unknown(name, self.catalogue(), None)

    def download(self, name: str, device: str | None, timeout_s: float) -> None:  # noqa: ARG002, D102
        if self._download is None:
            raise UnsupportedError(
                f"a Foundry Local service from 1.0 on cannot be asked to download: `foundry model download {name}`"
            )
        self._download(name, timeout_s)

    def _loaded(self) -> list[str]:
        return _read_ids(_get(self._root, "/models/loaded"))

    def _named(self, model: ModelInfo) -> ModelInfo:
        alias = model.alias or next((alias for alias, id_ in self._meant.items() if id_ == model.id), "")
        return msgspec.structs.replace(model, alias=alias)

    def _now_loaded(self, alias: str, before: list[str], requested: ModelInfo | None, device: str | None) -> ModelInfo:
        after = self._loaded()
        if requested is not None and requested.id in after:
            self._meant[alias] = requested.id
            return self._named(requested)
        model_id = self._meant[alias] = self._stands_for(alias, before, after)
        model = of_id(model_id, alias)
        if requested is not None or device not in (None, model.device):
            raise UnsupportedError(
                f"Foundry Local loads {alias!r} as {model_id!r} and cannot be asked for "
                f"{requested.id if requested else f'a build for {device}'!r}"
            )
        return model

    def _stands_for(self, alias: str, before: list[str], after: list[str]) -> str:
        """The id of an alias that was just loaded: the one that has come, or, of those that were there, its own."""
        candidates = [each for each in after if each not in before] or after
        if len(candidates) > 1:
            candidates = [each for each in candidates if each.lower().startswith(f"{alias.lower()}-")] or candidates
        if len(candidates) > 1:  # unloaded, it is the one that goes
            _get(self._root, f"/models/unload/{_segment(alias)}", LOAD_S)
            left = self._loaded()
            _get(self._root, f"/models/load/{_segment(alias)}", LOAD_S)
            candidates = [each for each in after if each not in left]
        if len(candidates) != 1:
            raise BadReplyError(f"Foundry Local loaded {alias!r} and does not tell as which model", provider=NAME)
        return candidates[0]


def _aliases(model: ModelInfo) -> Iterator[str]:
    """What a model may be loaded by: its id, where ids are taken; its alias; else the beginnings of its id.

    The longest first, as one alias may begin with another. What is no alias is refused, and nothing happens.
    """
    yield model.id
    if model.alias:
        yield model.alias
        return
    words = models.stem(model.id).split("-")
    for end in range(len(words), 0, -1):
        yield "-".join(words[:end])


def _get(root: str, path: str, timeout_s: float = _LIST_S, *, body: bytes | None = None) -> bytes:
    """What the service answers; APIError, NotFoundError and BadRequestError among them, when it refuses."""
    headers = {"accept": "application/json"} | ({"content-type": "application/json"} if body is not None else {})
    try:
        status, _, reply = fetch(root + path, headers, body=body, timeout_s=timeout_s)
    except APIError as error:
        error.provider = NAME
        raise
    if status < 300:
        return reply
    kind = {404: NotFoundError}.get(status) or (ServerError if status >= 500 else BadRequestError)
    raise kind(refusal(reply).message, provider=NAME, status=status, body=reply[:4096].decode(errors="replace"))


def _object(root: str, path: str) -> dict[str, Any]:
    """The JSON object at a path; an empty one when there is none."""
    try:
        return msgspec.json.decode(_get(root, path), type=dict[str, Any])
    except (NotFoundError, BadRequestError, msgspec.DecodeError):
        return {}


def _read(decode: Callable[[bytes], list[ModelInfo]], reply: bytes) -> list[ModelInfo]:
    try:
        return decode(reply)
    except msgspec.DecodeError as error:
        raise BadReplyError(f"the list of models cannot be read: {error}", provider=NAME) from None


def _read_ids(reply: bytes) -> list[str]:
    """A list of ids; `null` and nothing at all are empty ones."""
    try:
        return _ids.decode(reply or b"null") or []
    except msgspec.DecodeError as error:
        raise BadReplyError(f"the list of models cannot be read: {error}", provider=NAME) from None


def _last_object(reply: bytes) -> dict[str, Any]:
    """The JSON object that a download ends with, after its lines of progress; an empty one when it is not there."""
    begins = 0 if reply.startswith(b"{") else reply.find(b"\n{") + 1
    try:
        return msgspec.json.decode(reply[begins:], type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


def _segment(name: str) -> str:
    return quote(name, safe=":")
