"""The pytest plugin: a fake clock, an in-process issuer and an identity provider process as fixtures.

Rule: nothing of authguard and nothing heavy is imported here at module level, because pytest loads this file at every
start, also where authguard's fixtures are not used and before coverage measures anything.
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
    """A clock that stands still until the test moves it, at 1,800,000,000 seconds since the epoch."""
    from authguard.testing.clock import FakeClock  # noqa: PLC0415 - see the rule above

    return FakeClock()


@pytest.fixture
def authguard_issuer(authguard_clock: FakeClock) -> Mint:
    """An issuer in this process, on the test's own clock: keys, JWKS and tokens without a socket."""
    from authguard.testing.mint import Mint  # noqa: PLC0415 - see the rule above

    return Mint.create(authguard_clock)


@pytest.fixture(scope="session")
def authguard_idp() -> Iterator[IdentityProvider]:
    """An identity provider in a process of its own on loopback, started by the first test that asks for it.

    One process serves the whole session and remembers; a test that needs a clean one asks for `authguard_fresh_idp`.
    """
    from authguard.testing.process import IdentityProvider  # noqa: PLC0415 - see the rule above

    with IdentityProvider() as provider:
        yield provider


@pytest.fixture
def authguard_fresh_idp(authguard_idp: IdentityProvider) -> Iterator[IdentityProvider]:
    """The same process, made to forget sign-ins, statuses, outages, counts and its clock's offset around this test."""
    authguard_idp.reset()
    yield authguard_idp
    authguard_idp.reset()
