"""`msgflux-like models`: the models of the catalogue that match all filters, one per line."""

from __future__ import annotations

import argparse
from typing import Any

from msgflux_like.catalog.profiles import ModelProfile, search_profiles
from msgflux_like.cli.output import echo, echo_error, echo_json
from msgflux_like.cli.tables import Column, dollars, short_size, table

_COLUMNS = (
    Column("model"),
    Column("context", right=True),
    Column("output", right=True),
    Column("in $/M", right=True),
    Column("out $/M", right=True),
    Column("takes"),
    Column("can"),
    Column("released"),
    Column("note"),
)


def list_models(options: argparse.Namespace) -> int:
    """Print a table, or JSON; fail if no model matches."""
    if options.provider:
        from msgflux_like.cli.lookup import check_provider  # noqa: PLC0415  knows all rows; most searches name no provider

        for provider in options.provider:
            check_provider(provider)
    found = _search(options, retired=options.retired)
    if not found:
        left = 0 if options.retired else len(_search(options, retired=True))
        more = f"; --retired finds {left} that left the catalogue" if left else ""
        echo_error(f"msgflux-like models: no model of the catalogue matches{more}")
        return 1
    shown = found[: options.limit]
    if options.json:
        echo_json(entry(profile) for profile in shown)
        return 0
    echo(*table(_COLUMNS, map(_row, shown)))
    if len(shown) < len(found):
        echo_error(f"{len(shown)} of {len(found)} models")
    return 0


def _search(options: argparse.Namespace, *, retired: bool) -> tuple[ModelProfile, ...]:
    return search_profiles(
        " ".join(options.text) or None,
        provider=options.provider,
        tools=options.tools,
        reasoning=options.reasoning,
        structured_output=options.structured_output,
        input_modalities=options.input,
        output_modalities=options.output,
        open_weights=options.open_weights,
        max_input_per_million=options.max_input_price,
        max_output_per_million=options.max_output_price,
        min_context_tokens=options.min_context,
        released_after=options.released_after,
        status=options.status,
        retired=retired,
        sort=options.sort,
    )


def entry(profile: ModelProfile) -> dict[str, Any]:
    """Return the catalogue's entry, with the provider and, for a retired model, `retired_on` and `gone_by`."""
    left = {"retired_on": profile.retired_on, "gone_by": profile.gone_by} if profile.retired_on else {}
    return {"provider_id": profile.provider_id, **left, **profile.raw}


def _row(profile: ModelProfile) -> tuple[str, ...]:
    cost, capabilities = profile.cost, profile.capabilities
    can = (
        ("tools", capabilities.tool_call),
        ("reasoning", capabilities.reasoning),
        ("schema", capabilities.structured_output),
    )
    return (
        f"{profile.provider_id}/{profile.id}",
        short_size(profile.limits.context),
        short_size(profile.limits.output),
        dollars(cost.input_per_million) if cost else "",
        dollars(cost.output_per_million) if cost else "",
        " ".join(profile.modalities.input),
        " ".join(word for word, able in can if able),
        profile.release_date or "",
        f"left after {profile.retired_on}" if profile.retired_on else profile.status or "",
    )
