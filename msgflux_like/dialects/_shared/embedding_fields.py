"""Parameters of an embedding request, under the names that a format has for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgflux_like.dialects._shared.parameters import refuse_parameters
from msgflux_like.errors import UnsupportedError
from msgflux_like.request import ChatRequest, Quirks


def embedding_parameters(
    request: ChatRequest, quirks: Quirks, fields: Mapping[str, str], purposes: Mapping[str, str], name: str
) -> dict[str, Any]:
    """Return the parameters under the names of the format's fields.

    Args:
        request: The request whose parameters are translated.
        quirks: The provider's quirks, among them the parameters that it refuses.
        fields: The names of the format's fields, by the parameters that it supports.
        purposes: The values of the format for `input_type`.
        name: The name of the format, for errors.

    Raises:
        UnsupportedError: If the format does not support a parameter, or the given `input_type`.
    """
    refuse_parameters(request, frozenset(request.parameters) - fields.keys(), quirks, name)
    purpose = request.parameters.get("input_type")
    if purpose is not None and purpose not in purposes:
        raise UnsupportedError(
            f"input_type: {name} cannot express {purpose!r}, only {', '.join(purposes)}. Leave it out, "
            f"or give the provider's own field in extra_body="
        )
    return {
        fields[parameter]: purposes[value] if parameter == "input_type" else value
        for parameter, value in request.parameters.items()
    }
