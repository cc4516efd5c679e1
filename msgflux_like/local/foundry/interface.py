"""The HTTP interface of a Foundry Local service, in both of its generations.

Theory of operation

`probe` distinguishes the generations by their status endpoint:

- `ApiV0` (the services of the CLI up to 0.8) lists a catalogue with aliases, accepts ids, and downloads models.
- `ApiV1` (the web service of the SDK from 1.0 on, and of the CLI from 0.10 on) loads models by alias only, but serves
  requests by id only, and does not list which alias belongs to which id. The id of an alias is therefore found by
  comparing the list of loaded models before and after loading; see `ApiV1._resolve_alias`. One load at a time makes
  the comparison valid: `serving` holds a lock around it.

Sources: https://learn.microsoft.com/azure/ai-foundry/foundry-local/reference/reference-rest for `ApiV0` (accessed
2026-11-21); the service of foundry-local-sdk 2.2.1 itself for `ApiV1`.
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
from msgflux_like.local.foundry.models import NAME, ModelInfo, find, model_from_id, unknown_model_error

LOAD_S = 600.0
TTL_S = 600
_LIST_S = 30.0

_ids = msgspec.json.Decoder(list[str] | None)


Download = Callable[[str, float], None]
"""A function that downloads a model, given its name and the most seconds to take."""


class Interface(Protocol):
    """Operations of a service. Names are aliases or ids; devices are "CPU", "GPU", "NPU" or None."""

    def catalogue(self) -> list[ModelInfo]:
        """Return all models that are available for this machine."""
        ...

    def cached(self) -> list[ModelInfo]:
        """Return the downloaded models."""
        ...

    def loaded(self) -> list[ModelInfo]:
        """Return the models that are in memory."""
        ...

    def info(self, name: str, device: str | None) -> ModelInfo:
        """Return the model that a name refers to; raise UnknownModelError if there is none."""
        ...

    def load(self, name: str, device: str | None, ttl_s: int | None, timeout_s: float) -> ModelInfo | None:
        """Load a model and return it; return None if it must be downloaded first."""
        ...

    def unload(self, name: str) -> None:
        """Unload a model from memory."""
        ...

    def download(self, name: str, device: str | None, timeout_s: float) -> None:
        """Download a model into the cache, again if it is there already."""
        ...


def probe(root: str, download: Download | None = None) -> Interface:
    """Return the interface of the service at `root`.

    Args:
        root: Origin of the service.
        download: Function that downloads models for services without a download endpoint.

    Raises:
        BadReplyError: The server at `root` is not Foundry Local.
    """
    if "endpoints" in _object(root, "/status"):
        return ApiV1(root, download)
    if _object(root, "/openai/status"):
        return ApiV0(root)
    raise BadReplyError(f"the server at {root} is not Foundry Local", provider=NAME)


class ApiV0:
    """Interface of the services up to 0.8."""

    def __init__(self, root: str) -> None:
        self._root = root

    def catalogue(self) -> list[ModelInfo]:  # noqa: D102  documented in Interface, as below
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
            reason = outcome.get("errorMessage") or "the service gives no reason"
            raise ServerError(f"the download failed: {reason}", provider=NAME, model=model.id, should_retry=True)

    def _find(self, name: str, device: str | None) -> tuple[ModelInfo, list[str]]:
        """Return the model, and the ids of all downloaded models.

        Without a network, the catalogue may lack models that are downloaded; these are found as well.
        """
        catalogue = self.catalogue()
        cached = _read_ids(_get(self._root, "/openai/models"))
        listed = {each.id for each in catalogue}
        known = [*catalogue, *(model_from_id(each) for each in cached if each not in listed)]
        if (found := find(name, known, device, cached)) is None:
            raise unknown_model_error(name, known, device)
        return found, cached

    def _known(self, path: str) -> list[ModelInfo]:
        catalogue = self.catalogue()
        return [find(each, catalogue) or model_from_id(each) for each in _read_ids(_get(self._root, path))]


class ApiV1:
    """Interface of the services from 1.0 on."""

    def __init__(self, root: str, download: Download | None = None) -> None:
        self._root = root
        self._download = download
        self._ids_by_alias: dict[str, str] = {}  # learned by loading

    def catalogue(self) -> list[ModelInfo]:  # noqa: D102
        return [self._with_alias(each) for each in _read(models.read_models, _get(self._root, "/v1/models"))]

    def cached(self) -> list[ModelInfo]:  # noqa: D102
        raise UnsupportedError(
            "Foundry Local services from 1.0 on cannot list downloaded models: run `foundry cache list`"
        )

    def loaded(self) -> list[ModelInfo]:  # noqa: D102
        known = {each.id: each for each in self.catalogue()}
        return [known.get(each) or self._with_alias(model_from_id(each)) for each in self._loaded()]

    def info(self, name: str, device: str | None) -> ModelInfo:  # noqa: D102
        catalogue = self.catalogue()
        if (found := find(name, catalogue, device)) is not None:
            return found
        error = unknown_model_error(name, catalogue, device)
        raise type(error)(f"{error}; the id of an alias is known once it is loaded: call load_model({name!r})")

    def load(self, name: str, device: str | None, ttl_s: int | None, timeout_s: float) -> ModelInfo | None:  # noqa: D102
        if ttl_s is not None:
            raise UnsupportedError("Foundry Local services from 1.0 on do not support ttl_s: leave it out")
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
            return self._confirm_loaded(alias, before, requested, device)
        if requested is not None:
            raise UnsupportedError(
                f"Foundry Local loads models by alias, and the alias of {requested.id!r} is not known: pass the alias"
            )
        raise unknown_model_error(name, catalogue, device)

    def unload(self, name: str) -> None:  # noqa: D102
        found = find(name, self.catalogue())
        for alias in [name] if found is None else _aliases(found):
            try:
                _get(self._root, f"/models/unload/{_segment(alias)}", LOAD_S)
            except NotFoundError:
                continue
            return
        raise unknown_model_error(name, self.catalogue(), None)

    def download(self, name: str, device: str | None, timeout_s: float) -> None:  # noqa: ARG002, D102
        if self._download is None:
            raise UnsupportedError(
                f"Foundry Local services from 1.0 on cannot download models: run `foundry model download {name}`"
            )
        self._download(name, timeout_s)

    def _loaded(self) -> list[str]:
        return _read_ids(_get(self._root, "/models/loaded"))

    def _with_alias(self, model: ModelInfo) -> ModelInfo:
        alias = model.alias or next((alias for alias, id_ in self._ids_by_alias.items() if id_ == model.id), "")
        return msgspec.structs.replace(model, alias=alias)

    def _confirm_loaded(
        self, alias: str, before: list[str], requested: ModelInfo | None, device: str | None
    ) -> ModelInfo:
        """Return the model that loading `alias` has brought into memory; raise UnsupportedError for another build."""
        after = self._loaded()
        if requested is not None and requested.id in after:
            self._ids_by_alias[alias] = requested.id
            return self._with_alias(requested)
        model_id = self._ids_by_alias[alias] = self._resolve_alias(alias, before, after)
        model = model_from_id(model_id, alias)
        if requested is not None or device not in (None, model.device):
            raise UnsupportedError(
                f"Foundry Local loads {alias!r} as {model_id!r} and cannot be asked for "
                f"{requested.id if requested else f'a build for {device}'!r}"
            )
        return model

    def _resolve_alias(self, alias: str, before: list[str], after: list[str]) -> str:
        """Return the id of an alias that was just loaded, given the ids that were loaded before and after.

        The id is the new one. If there is none, or several, it is the one that begins with the alias; if that is not
        unique either, the alias is unloaded and loaded again, and the id is the one that was missing in between.
        """
        candidates = [each for each in after if each not in before] or after
        if len(candidates) > 1:
            candidates = [each for each in candidates if each.lower().startswith(f"{alias.lower()}-")] or candidates
        if len(candidates) > 1:
            _get(self._root, f"/models/unload/{_segment(alias)}", LOAD_S)
            remaining = self._loaded()
            _get(self._root, f"/models/load/{_segment(alias)}", LOAD_S)
            candidates = [each for each in after if each not in remaining]
        if len(candidates) != 1:
            raise BadReplyError(f"Foundry Local loaded {alias!r} but does not report its id", provider=NAME)
        return candidates[0]


def _aliases(model: ModelInfo) -> Iterator[str]:
    """Yield the possible names of a model: its id, then its alias, or if unknown the prefixes of its id.

    The longest prefix comes first, because one alias may be a prefix of another. The service refuses a name that is
    not an alias, without side effects.
    """
    yield model.id
    if model.alias:
        yield model.alias
        return
    words = models.stem(model.id).split("-")
    for end in range(len(words), 0, -1):
        yield "-".join(words[:end])


def _get(root: str, path: str, timeout_s: float = _LIST_S, *, body: bytes | None = None) -> bytes:
    """Send a request and return the body of the reply; raise APIError, by the status, if it is refused."""
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
    """Return the JSON object at a path; an empty one if there is none."""
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
    """Decode a list of ids; `null` and an empty body are empty lists."""
    try:
        return _ids.decode(reply or b"null") or []
    except msgspec.DecodeError as error:
        raise BadReplyError(f"the list of models cannot be read: {error}", provider=NAME) from None


def _last_object(reply: bytes) -> dict[str, Any]:
    """Return the JSON object that a download ends with, after its lines of progress; an empty one if it is missing."""
    start = 0 if reply.startswith(b"{") else reply.find(b"\n{") + 1
    try:
        return msgspec.json.decode(reply[start:], type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


def _segment(name: str) -> str:
    return quote(name, safe=":")
