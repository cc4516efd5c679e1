"""Records of Foundry Local's models, and the rules that resolve a name to one of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from msgflux_like._validate import did_you_mean
from msgflux_like.errors import InvalidRequestError, UnknownModelError

NAME = "foundry-local"

Device = Literal["CPU", "GPU", "NPU"]

_DEVICES = ("CPU", "GPU", "NPU")
_DEVICE_IN_ID = re.compile(r"-(cpu|gpu|npu)(?::|$)")
_NAME_PATTERN = re.compile(r"[A-Za-z0-9][\w.:+-]*")


class ModelInfo(Struct, frozen=True, kw_only=True):
    """One build of a model, for one kind of device.

    Services from 1.0 on report the id, the device that the id names and, in some versions, the alias; the other fields
    are empty then.

    Attributes:
        id: Id to send in requests, such as `qwen2.5-1.5b-instruct-generic-cpu:4`; the number after the colon is the
            version.
        alias: Name that all builds of the model share, such as `qwen2.5-1.5b`.
        device: "CPU", "GPU" or "NPU"; "" if unknown.
        execution_provider: Execution provider of ONNX Runtime, such as `CUDAExecutionProvider`.
        file_size_mb: Size of the download, in megabytes.
        uri: Location of the model in the catalogue.
        provider: Kind of catalogue, such as `AzureFoundry`.
        publisher: Publisher of the build.
        license: Name of the license.
        task: Task of the model, such as `chat-completion`.
        max_output_tokens: Maximum length of one answer, in tokens.
        supports_tool_calling: Whether the model supports tool calling; None if unknown.
        prompt_template: Template of the prompt, which services up to 0.8 require in a download request.
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
    """An entry of `/v1/models`. `parent` is the alias; version 2.2.1 omits it."""

    id: str
    parent: str | None = None


class _Models(Struct):
    data: list[_Model]


_listed = msgspec.json.Decoder(list[_Listed])
_models = msgspec.json.Decoder(_Models)


def read_catalogue(body: bytes) -> list[ModelInfo]:
    """Decode the models of `/foundry/list`, in its order. Raises msgspec.DecodeError for any other content."""
    return [
        ModelInfo(
            id=each.name,
            alias=each.alias or "",
            device=((each.runtime.device_type if each.runtime else None) or device_of_id(each.name)).upper(),
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
    """Decode the models of `/v1/models`. Raises msgspec.DecodeError for any other content."""
    return [model_from_id(each.id, each.parent or "") for each in _models.decode(body).data]


def model_from_id(model_id: str, alias: str = "") -> ModelInfo:
    """Make the record of a model of which only the id, and perhaps the alias, is known."""
    return ModelInfo(id=model_id, alias=alias, device=device_of_id(model_id))


def device_of_id(model_id: str) -> str:
    """Return the device that an id ends with, before its version; "" if the id names none."""
    found = _DEVICE_IN_ID.search(model_id.lower())
    return found[1].upper() if found else ""


def find(
    name: str, models: Iterable[ModelInfo], device: str | None = None, cached: Collection[str] = ()
) -> ModelInfo | None:
    """Return the model that a name refers to, among those for `device`; None if there is none.

    The first of these, ignoring case:

    1. the model with that id;
    2. the highest version among the models with that id without its version;
    3. the first model with that alias whose id is in `cached`, else the first model with that alias: the service
       lists the best build for this machine first.
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
    """Return whether the id is one of `ids`, which may omit versions, as some services do."""
    return any(model_id.lower() == each.lower() or stem(model_id) == each.lower() for each in ids)


def stem(model_id: str) -> str:
    """Return the id without its version, in lower case."""
    name, colon, _ = model_id.lower().rpartition(":")
    return name if colon else model_id.lower()


def _version(model_id: str) -> int:
    number = model_id.rpartition(":")[2]
    return int(number) if number.isdecimal() else -1


def checked_name(name: str) -> str:
    """Return `name` if it has the form of an alias or an id; raise InvalidRequestError otherwise.

    Other strings could change the meaning of a URL or of a command line that they are put into.
    """
    if not isinstance(name, str) or not _NAME_PATTERN.fullmatch(name):  # pyright: ignore[reportUnnecessaryIsInstance]  callers are untyped
        raise InvalidRequestError(f"{name!r} is not a model name: pass an alias such as 'qwen2.5-1.5b', or an id")
    return name


def checked_device(device: str | None) -> str | None:
    """Return the device in upper case, as the service spells it; raise InvalidRequestError for an unknown one."""
    if device is not None and device.upper() not in _DEVICES:
        raise InvalidRequestError(f"device must be one of {', '.join(_DEVICES)}, or None for the best; got {device!r}")
    return None if device is None else device.upper()


def unknown_model_error(name: str, models: Iterable[ModelInfo], device: str | None) -> UnknownModelError:
    """Make the error for a name that no model has, with similar names."""
    known = sorted({each.alias or stem(each.id) for each in models})
    where = f" for device {device}" if device else ""
    return UnknownModelError(f"Foundry Local has no model {name!r}{where}{did_you_mean(name, known)}")
