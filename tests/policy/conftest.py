"""What the tests of the policy language share: the standard policy, as a draft and compiled, and the worked one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from authguard.policy.compiler import load
from authguard.policy.loading.loader import load_draft

if TYPE_CHECKING:
    from authguard.core.policy import Policy
    from authguard.policy.draft import Draft


@pytest.fixture(scope="session")
def standard_draft() -> Draft:
    """Give the standard policy before it is proved, as if one file without places held it."""
    draft = load_draft("standard").draft
    assert draft is not None
    return replace(draft, places={})


@pytest.fixture(scope="session")
def support_desk() -> Policy:
    """Give the worked policy, compiled."""
    return load("support-desk")
