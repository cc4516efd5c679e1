from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from msgflux_like.catalog import cost, model_profile, profiles, snapshot, snapshot_reader

PAGE = Path(__file__).parents[2] / "docs" / "profiles.md"


@pytest.mark.parametrize("module", [cost, model_profile, profiles, snapshot, snapshot_reader])
def test_the_examples_in_the_docstrings_are_true(module):
    assert doctest.testmod(module).failed == 0


def test_the_examples_on_the_page_run_in_their_order():
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), names)
