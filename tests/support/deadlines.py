"""Longer deadlines for busy machines: those of the guard in the process that runs the tests.

A deadline of at least `SHORT` comes from a default or from a shipped policy, and no test waits for it to pass: it
becomes `LONG`. A shorter one belongs to a test in which something never answers, and stays. So does any in an event
loop with a time of its own. Servers that tests start have policies with generous budgets instead.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any, Final

import anyio

from authguard.audit.write import anchor, anchor_publisher, checkpoint_signer, processor
from authguard.stores.sqlite import SqliteStore
from authguard.testing import process

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

#: seconds below which a test means a deadline to pass
SHORT: Final = 0.4
#: seconds that a busy machine may take
LONG: Final = 300.0


def lengthen_deadlines(patch: pytest.MonkeyPatch) -> None:
    """Lengthen the deadlines."""
    for name in ("fail_after", "move_on_after"):
        patch.setattr(anyio, name, _lengthened(getattr(anyio, name)))
    for module, name in (
        (anchor_publisher, "SHUTDOWN_TIMEOUT_S"),
        (anchor, "TIMEOUT_S"),
        (processor, "_LOCK_TIMEOUT_S"),
        (checkpoint_signer, "SHUTDOWN_TIMEOUT_S"),
        (process, "_ANSWER_WITHIN_S"),
        (process, "_STOP_WITHIN_S"),
    ):
        patch.setattr(module, name, LONG)
    patch.setitem(process.IdentityProvider.__init__.__kwdefaults__, "ready_within", LONG)  # type: ignore[arg-type]
    patch.setattr(SqliteStore.__init__, "__defaults__", (LONG, *SqliteStore.__init__.__defaults__[1:]))  # type: ignore[index]


def _lengthened(original: Callable[..., Any]) -> Callable[..., Any]:
    def within(delay: float | None, *arguments: Any, **named: Any) -> Any:
        asking = sys._getframe(1).f_globals.get("__name__", "")
        if delay is not None and SHORT <= delay < LONG and asking.startswith("authguard.") and not _has_own_time():
            delay = LONG
        return original(delay, *arguments, **named)

    return within


def _has_own_time() -> bool:
    """Tell whether the running loop was made by a test; trio's has no name here."""
    try:
        return type(asyncio.get_running_loop()).__module__.startswith("tests.")
    except RuntimeError:
        return False
