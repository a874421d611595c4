"""Shared fixtures of the tests of outgoing calls: both event loops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(params=["asyncio", "trio"])
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Run a test's coroutine function on both event loops."""
    return lambda work: anyio.run(work, backend=request.param)
