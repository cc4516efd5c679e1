"""Names of models as hosts spell them, and the base model that each of them stands for.

A host adds a region, a maker, a date, a version or an account's identifier to the name of a model. The facts of the
model are the same under all of these names:

    us.anthropic.claude-sonnet-4-5-20250929-v1:0    a region, a maker, a snapshot and a version (Amazon Bedrock)
    arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-...    the same, as the name of a resource
    claude-sonnet-4-5@20250929                      a snapshot (Google Vertex AI)
    ft:gpt-4o-2024-08-06:my-org::abc123             a fine-tuned model (OpenAI)
    openai/gpt-5                                    a maker (gateways)

Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html,
https://platform.openai.com/docs/guides/supervised-fine-tuning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_ARN: Final = re.compile(r"arn:aws[\w-]*:bedrock:[^:/]*:[^:/]*:(?P<kind>[a-z-]+)/(?P<name>.+)")
_NAMED_RESOURCES: Final = frozenset({"inference-profile", "foundation-model"})
"""The kinds of Bedrock's resources whose name is that of a model; the others have an identifier."""

_REGION: Final = re.compile(r"(?:us-gov|us|eu|apac|global|jp|au|ca|sa|me|af|in)\.(?=[a-z0-9]+\.)")
_MAKER: Final = re.compile(
    r"(?:ai21|amazon|anthropic|cohere|deepseek|google|luma|meta|minimax|mistral|moonshot|moonshotai|nvidia|openai|qwen|"
    r"stability|twelvelabs|us|writer|zai)\."
)
_VERSION: Final = re.compile(r"(?:-v\d+)?:\d+(?::\w+)?$|(?<=\d{8})-v\d+$")
_SNAPSHOT: Final = re.compile(
    r"[-@](?:20\d{2}-\d{2}-\d{2}|20\d{6}|default|latest|0[1-9]\d{2}|1[0-2]\d{2}|2[4-9](?:0[1-9]|1[0-2]))$"
)


def is_fine_tuned(model_id: str) -> bool:
    """Return whether the model is a fine-tuned one of OpenAI, whose price is not that of its base.

    Example:
        >>> is_fine_tuned("ft:gpt-4o-2024-08-06:my-org::abc123")
        True
    """
    return model_id.startswith("ft:")


def is_opaque(model_id: str) -> bool:
    """Return whether the name is an identifier that does not tell which model is behind it.

    Example:
        >>> is_opaque("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123")
        True
    """
    resource = _ARN.fullmatch(model_id)
    return resource is not None and resource["kind"] not in _NAMED_RESOURCES


def base_ids(model_id: str) -> Iterator[str]:
    """Yield the names that a catalogue may list the base of a model under, the most specific first.

    Example:
        >>> list(base_ids("ft:gpt-4o-2024-08-06:my-org::abc123"))
        ['gpt-4o-2024-08-06', 'gpt-4o']
    """
    name = model_id
    if resource := _ARN.fullmatch(name):
        if resource["kind"] not in _NAMED_RESOURCES:
            return
        name = resource["name"]
        yield name
    if is_fine_tuned(name):
        name = name.split(":")[1]
        yield name
    without_region = _REGION.sub("", name, count=1) if _REGION.match(name) else name
    if without_region != name:
        yield without_region
    undated = _SNAPSHOT.sub("", without_region)
    if undated != without_region:
        yield undated


def bare_name(model_id: str) -> str:
    """Return the name of the base model alone: without host, maker, region, date and version; "" for an opaque name.

    Example:
        >>> bare_name("us.anthropic.claude-sonnet-4-5-20250929-v1:0")
        'claude-sonnet-4-5'
        >>> bare_name("openai/gpt-5-2025-08-07")
        'gpt-5'
    """
    if is_opaque(model_id):
        return ""
    name = next((each for each in base_ids(model_id) if "arn:" not in each), model_id).rpartition("/")[2].lower()
    name = _MAKER.sub("", _REGION.sub("", name, count=1), count=1) if "." in name else name
    return _SNAPSHOT.sub("", _VERSION.sub("", name))
