"""Attacks on JWTs, each with the entry of the ledger that it plays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.outcomes import Reason
from authguard.testing import Forgery, forge
from tests.requirements import attack

if TYPE_CHECKING:
    from tests.advisories.scene import Strike


@attack("jwt-none")
async def test_an_unsigned_token(strike: Strike) -> None:
    await strike(forge(strike.scene.mint, Forgery.UNSIGNED), Reason.CREDENTIAL_MALFORMED)
