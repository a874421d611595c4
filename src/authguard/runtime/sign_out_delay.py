"""Delay for the response to a sign-out: until its clock second has ended, so that no later sign-in has the same second.

An issuer states the sign-in time in whole seconds (OpenID Connect Core, section 2: `auth_time`). A sign-in in the
second of a sign-out may precede it, with a stolen token, or follow it. The token does not show which, so all sign-ins
of that second are refused. A sign-in after the response to a sign-out has a later second and is admitted.
"""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING, Final

import anyio

if TYPE_CHECKING:
    from authguard.core.snapshot import Snapshot
    from authguard.ports import Clock

#: added to the delay, for timers that fire early
MARGIN_S: Final = 0.002


async def wait_for_next_second(clock: Clock, after: Snapshot) -> None:
    """Wait until the clock second of a sign-out has ended: one second at most.

    Args:
        clock: that timed the sign-out.
        after: the state after the sign-out.
    """
    at = max(after.session.entered, after.account.not_before)
    await anyio.sleep(min(1.0, max(0.0, floor(at) + 1 - clock.now())) + MARGIN_S)
