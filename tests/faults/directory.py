"""The app's account directory, as the policy names it, with a mode that a test sets."""

from __future__ import annotations

import anyio
import anyio.lowlevel

mood = "well"


async def status(issuer: str, subject: str) -> object:
    """Say what state an account is in, or do not."""
    del issuer, subject
    await anyio.lowlevel.checkpoint()
    if mood == "raises":
        raise ArithmeticError
    if mood == "hangs":
        await anyio.sleep_forever()
    return None if mood == "nonsense" else "normal"
