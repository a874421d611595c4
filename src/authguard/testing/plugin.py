"""The pytest plugin: a fake clock, an in-process issuer and an identity provider process as fixtures.

Rule: neither authguard nor anything heavy is imported at module level, because pytest loads this file at every start,
also in projects that do not use these fixtures, and before coverage measures anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.testing.clock import FakeClock
    from authguard.testing.mint import Mint
    from authguard.testing.process import IdentityProvider


@pytest.fixture
def authguard_clock() -> FakeClock:
    """A clock at 1,800,000,000 seconds since the epoch that moves only when the test moves it."""
    from authguard.testing.clock import FakeClock  # noqa: PLC0415 - see the rule above

    return FakeClock()


@pytest.fixture
def authguard_issuer(authguard_clock: FakeClock) -> Mint:
    """An issuer in this process on the clock of the test: keys, JWKS and tokens without a socket."""
    from authguard.testing.mint import Mint  # noqa: PLC0415 - see the rule above

    return Mint.create(authguard_clock)


@pytest.fixture(scope="session")
def authguard_idp() -> Iterator[IdentityProvider]:
    """An identity provider in a separate process on loopback; the first test that requests it starts it.

    One process serves the whole session and keeps its state; a test that needs a clean one requests
    `authguard_fresh_idp`.
    """
    from authguard.testing.process import IdentityProvider  # noqa: PLC0415 - see the rule above

    with IdentityProvider() as provider:
        yield provider


@pytest.fixture
def authguard_fresh_idp(authguard_idp: IdentityProvider) -> Iterator[IdentityProvider]:
    """The same process with sign-ins, statuses, outages, counts and clock offset reset before and after the test."""
    authguard_idp.reset()
    yield authguard_idp
    authguard_idp.reset()
