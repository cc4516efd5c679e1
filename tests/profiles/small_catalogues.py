"""Catalogues of a few models, in the form of https://models.dev/api.json."""

from __future__ import annotations

from typing import Any

import msgspec


def model(model_id: str = "one", **fields: Any) -> dict[str, Any]:
    return {
        "id": model_id,
        "name": model_id.title(),
        "attachment": False,
        "reasoning": False,
        "tool_call": True,
        "release_date": "2026-01-01",
        "last_updated": "2026-10-01",
        "modalities": {"input": ["text"], "output": ["text"]},
        "open_weights": False,
        "limit": {"context": 1000, "output": 100},
        "cost": {"input": 1, "output": 2},
        **fields,
    }


def provider(provider_id: str, *models: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "id": provider_id,
        "env": [f"{provider_id.upper()}_API_KEY"],
        "npm": "@ai-sdk/openai-compatible",
        "api": f"https://{provider_id}.example/v1",
        "name": provider_id.title(),
        "doc": f"https://{provider_id}.example/docs",
        "models": {entry["id"]: entry for entry in models},
        **fields,
    }


def api(*providers: dict[str, Any]) -> bytes:
    return msgspec.json.encode({entry["id"]: entry for entry in providers})
