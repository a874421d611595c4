"""Fixtures of the core tests: the compiled standard policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.policy.compiler import load

if TYPE_CHECKING:
    from authguard.core.policy import Policy


@pytest.fixture(scope="session")
def standard() -> Policy:
    """Return the standard policy, shared by all tests, since it is immutable."""
    return load("standard")
