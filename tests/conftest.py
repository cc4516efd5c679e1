from __future__ import annotations

import pytest

from msgflux_like import errors, local


@pytest.fixture(scope="session")
def local_server() -> str:
    """Base URL, ending in `/v1`, of the real embedded model; the same server that `local/smollm2` uses."""
    try:
        return local.serve()
    except errors.NotInstalledError as missing:
        pytest.skip(str(missing))
