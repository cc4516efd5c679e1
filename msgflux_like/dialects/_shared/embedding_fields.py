"""What the formats share: parameters in their words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgflux_like.dialects._shared.common import refuse_parameters
from msgflux_like.errors import UnsupportedError
from msgflux_like.request import ChatRequest, Quirks


def told(
    request: ChatRequest, quirks: Quirks, fields: Mapping[str, str], purposes: Mapping[str, str], name: str
) -> dict[str, Any]:
    """The parameters under the names of the format's fields.

    Args:
        request: Says what was given.
        quirks: What the provider refuses.
        fields: The format's names for the parameters that it knows.
        purposes: Its words for `input_type`.
        name: The format's own, for errors.
    """
    refuse_parameters(request, frozenset(request.parameters) - fields.keys(), quirks, name)
    purpose = request.parameters.get("input_type")
    if purpose is not None and purpose not in purposes:
        raise UnsupportedError(
            f"input_type: {name} has no word for {purpose!r}, only for {', '.join(purposes)}. Leave it out, "
            f"or give the provider's own field in extra_body="
        )
    return {
        fields[parameter]: purposes[value] if parameter == "input_type" else value
        for parameter, value in request.parameters.items()
    }
