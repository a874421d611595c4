"""When a sign-out is answered: once its clock second is over, so that no later sign-in bears the same second.

An issuer tells in whole seconds when somebody signed in (OpenID Connect Core 2: `auth_time`). A sign-in of the second
of a sign-out may have come before it, with a token that was stolen, or after it. No token tells, so all of that second
are refused. Whoever signs in after the answer to a sign-out has a later second, and is let in.
"""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING, Final

import anyio

if TYPE_CHECKING:
    from authguard.core.snapshot import Snapshot
    from authguard.ports import Clock

#: seconds beyond, for timers that ring early
MARGIN_S: Final = 0.002


async def wait_for_next_second(clock: Clock, after: Snapshot) -> None:
    """Wait until the clock second of a sign-out is over: one second at most.

    Args:
        clock: by which it was done.
        after: where the machines stand since.
    """
    at = max(after.session.entered, after.account.not_before)
    await anyio.sleep(min(1.0, max(0.0, floor(at) + 1 - clock.now())) + MARGIN_S)
