"""Write the table of environment variables in docs/providers.md.

python -m tests.variables_page
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from msgflux_like.providers.environment import VARIABLES, Variable

PAGE: Final = Path(__file__).parents[1] / "docs" / "providers.md"
_BEGIN: Final = "<!-- Generated from msgflux_like/providers/environment.py by `python -m tests.variables_page`. -->\n"
_END: Final = "<!-- End of the generated table. -->\n"
_MEANINGS: Final = {
    "key": "API key",
    "token": "token, sent as `Authorization: Bearer`",
    "url": "base URL, as `base_url=`",
    "version": "version of the API; with it, `AZURE_OPENAI_ENDPOINT` is asked for a deployment of the model's name",
    "project": "project",
    "region": "region",
}


def page() -> str:
    """Return the page with the table as it should be."""
    before, _, rest = PAGE.read_text().partition(_BEGIN)
    return before + _BEGIN + "\n" + table() + "\n" + _END + rest.partition(_END)[2]


def table() -> str:
    """Return the table."""
    rows = [_row("Variable", "Providers", "Meaning"), _row("---", "---", "---")]
    for each in VARIABLES:
        providers = ", ".join(f"`{name}`" for name in each.providers)
        rows.append(_row(f"[`{each.name}`]({each.source})", providers, _meaning(each)))
    return "\n".join(rows) + "\n"


def _meaning(variable: Variable) -> str:
    if variable.name == "OLLAMA_HOST":
        return "address of the server: `host`, `host:port` or a URL; port 11434 if none is given"
    if variable.holds == "host":
        return f"host, completed with `{variable.path}` unless it ends with a version"
    return _MEANINGS[variable.holds]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page())
