"""What is known of a model, and which of several a name means."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from msgflux_like._suggest import did_you_mean
from msgflux_like.errors import InvalidRequestError, UnknownModelError

NAME = "foundry-local"

Device = Literal["CPU", "GPU", "NPU"]

_DEVICES = ("CPU", "GPU", "NPU")
_BUILT_FOR = re.compile(r"-(cpu|gpu|npu)(?::|$)")
_NAMED = re.compile(r"[A-Za-z0-9][\w.:+-]*")


class ModelInfo(Struct, frozen=True, kw_only=True):
    """One model, built for one kind of device.

    A service of the second generation tells the id, and some of them the alias; the rest is empty then.

    Attributes:
        id: What a request must name: `qwen2.5-1.5b-instruct-generic-cpu:4`, the number after the colon its version.
        alias: What all builds of the model share: `qwen2.5-1.5b`.
        device: "CPU", "GPU" or "NPU".
        execution_provider: ONNX Runtime's, such as `CUDAExecutionProvider`.
        file_size_mb: Of the download.
        uri: Where the catalogue has it.
        provider: Kind of catalogue, such as `AzureFoundry`.
        publisher: Who made the build.
        license: Its name.
        task: Such as `chat-completion`.
        max_output_tokens: Most tokens of one answer.
        supports_tool_calling: Whether tools may be offered to it.
        prompt_template: What a message is wrapped in; older services want it back for a download.
    """

    id: str
    alias: str = ""
    device: str = ""
    execution_provider: str = ""
    file_size_mb: float | None = None
    uri: str = ""
    provider: str = ""
    publisher: str = ""
    license: str = ""
    task: str = ""
    max_output_tokens: int | None = None
    supports_tool_calling: bool | None = None
    prompt_template: Mapping[str, Any] | None = None


class _Runtime(Struct, rename="camel"):
    device_type: str | None = None
    execution_provider: str | None = None


class _Listed(Struct, rename="camel"):
    """An entry of `/foundry/list`."""

    name: str
    alias: str | None = None
    runtime: _Runtime | None = None
    file_size_mb: float | None = None
    uri: str | None = None
    provider_type: str | None = None
    publisher: str | None = None
    license: str | None = None
    task: str | None = None
    max_output_tokens: int | None = None
    supports_tool_calling: bool | None = None
    prompt_template: dict[str, Any] | None = None


class _Model(Struct):
    """An entry of `/v1/models`. `parent` is the alias; 2.2.1 leaves it out."""

    id: str
    parent: str | None = None


class _Models(Struct):
    data: list[_Model]


_listed = msgspec.json.Decoder(list[_Listed])
_models = msgspec.json.Decoder(_Models)


def read_catalogue(body: bytes) -> list[ModelInfo]:
    """The models of `/foundry/list`, in its order; msgspec.DecodeError for what is none."""
    return [
        ModelInfo(
            id=each.name,
            alias=each.alias or "",
            device=((each.runtime.device_type if each.runtime else None) or built_for(each.name)).upper(),
            execution_provider=(each.runtime.execution_provider if each.runtime else None) or "",
            file_size_mb=each.file_size_mb,
            uri=each.uri or "",
            provider=each.provider_type or "",
            publisher=each.publisher or "",
            license=each.license or "",
            task=each.task or "",
            max_output_tokens=each.max_output_tokens,
            supports_tool_calling=each.supports_tool_calling,
            prompt_template=each.prompt_template,
        )
        for each in _listed.decode(body)
    ]


def read_models(body: bytes) -> list[ModelInfo]:
    """The models of `/v1/models`."""
    return [of_id(each.id, each.parent or "") for each in _models.decode(body).data]


def of_id(model_id: str, alias: str = "") -> ModelInfo:
    """A model of which nothing else is known."""
    return ModelInfo(id=model_id, alias=alias, device=built_for(model_id))


def built_for(model_id: str) -> str:
    """The device that every id ends with, before its version; "" for an id that says none."""
    found = _BUILT_FOR.search(model_id.lower())
    return found[1].upper() if found else ""


def find(
    name: str, models: Iterable[ModelInfo], device: str | None = None, cached: Collection[str] = ()
) -> ModelInfo | None:
    """The model that a name means, among those for that device.

    An exact id, in any case; else an id without its version, the highest version; else an alias: the first that is
    in `cached`, a set of ids, else the first of all, for the service lists the best build for this machine first.
    """
    key = name.lower()
    models = [each for each in models if device is None or each.device == device]
    for each in models:
        if each.id.lower() == key:
            return each
    if versions := [each for each in models if stem(each.id) == key]:
        return max(versions, key=lambda each: _version(each.id))
    of_alias = [each for each in models if each.alias.lower() == key]
    return next((each for each in of_alias if is_among(each.id, cached)), of_alias[0] if of_alias else None)


def is_among(model_id: str, ids: Collection[str]) -> bool:
    """Whether it is one of the ids; some services leave a version out."""
    return any(model_id.lower() == each.lower() or stem(model_id) == each.lower() for each in ids)


def stem(model_id: str) -> str:
    """The id without its version, in lower case."""
    name, colon, _ = model_id.lower().rpartition(":")
    return name if colon else model_id.lower()


def _version(model_id: str) -> int:
    number = model_id.rpartition(":")[2]
    return int(number) if number.isdecimal() else -1


def checked_name(name: str) -> str:
    """An alias or an id; InvalidRequestError for what can be none, and might mean something else on the way."""
    if not isinstance(name, str) or not _NAMED.fullmatch(name):  # pyright: ignore[reportUnnecessaryIsInstance]  callers are untyped
        raise InvalidRequestError(f"{name!r} is no model of Foundry Local: give an alias like 'qwen2.5-1.5b', or an id")
    return name


def checked_device(device: str | None) -> str | None:
    """A device in the service's own spelling."""
    if device is not None and device.upper() not in _DEVICES:
        raise InvalidRequestError(f"there is no device {device!r}: use {', '.join(_DEVICES)}, or None for the best")
    return None if device is None else device.upper()


def unknown(name: str, models: Iterable[ModelInfo], device: str | None) -> UnknownModelError:
    """The error for a name that nothing has."""
    known = sorted({each.alias or stem(each.id) for each in models})
    where = f" for device {device}" if device else ""
    return UnknownModelError(f"Foundry Local has no model {name!r}{where}{did_you_mean(name, known)}")
