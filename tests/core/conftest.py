"""What the tests of the core share: the standard policy, compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.policy.compiler import load

if TYPE_CHECKING:
    from authguard.policy.compiled_policy import Policy


@pytest.fixture(scope="session")
def standard() -> Policy:
    """Give the standard policy; values only, so one serves every test."""
    return load("standard")
