"""Faults around the guard: what each is, how it is injected, and how it recovers."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.faults import fault_injection
from tests.faults.app import LOG, STORE, TEXT
from tests.faults.fault_injection import LOGS, VAULT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.faults.fault_scenario import Scene

DIRECTORY = TEXT.replace(
    """\
accounts:
  - from: claim
    claim: account_status
    map: {ok: normal, frozen: suspended, locked: locked, estate: deceased, kid: minor}
""",
    """\
accounts:
  - {from: python, call: 'tests.faults.directory:status', timeout: 100ms, max_age: 0s}
""",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One thing that breaks.

    Attributes:
        words: what is broken.
        heals: what has to happen from outside; the guard does the rest by itself.
        act: breaks it, lets people ask, mends it, and lets them ask again.
        text: of the policy.
        settings: further arguments of `AuthGuard`.
        flaw: what `authguard audit verify` says afterwards.
        lost: whether lines may be gone, because somebody took the file that held them.
    """

    words: str
    heals: str
    act: Callable[[Scene], Awaitable[None]]
    text: str = TEXT
    settings: dict[str, Any] = field(default_factory=dict)
    flaw: str = "sound"
    lost: bool = False


def _of_kind(act: Callable[..., Awaitable[None]], *how: Any) -> Callable[[Scene], Awaitable[None]]:
    return lambda scene: act(scene, *how)


AT_ONCE = "nothing: the next request"
VAULTED: dict[str, Any] = {"store": VAULT / STORE, "audit_log": LOGS / LOG}
MODULES: dict[str, Any] = {"allowed_modules": ("tests.faults.directory",)}
TROUBLES = {
    "store-locked": Trouble(
        words="the store, locked by another process", heals="the lock is released", act=fault_injection.store_locked
    ),
    "store-full": Trouble(words="the store's disk, full", heals="there is room", act=fault_injection.store_full),
    "store-damaged": Trouble(
        words="a record in the store, damaged", heals="it is restored", act=fault_injection.store_damaged
    ),
    "store-moved": Trouble(
        words="the store, moved away", heals="it is moved back unchanged", act=fault_injection.store_moved
    ),
    "store-replaced": Trouble(
        words="the store, replaced by a copy", heals="the app is restarted", act=fault_injection.store_replaced
    ),
    "store-read-only": Trouble(
        words="the store's folder, read-only at the start",
        heals="it can be written",
        act=_of_kind(fault_injection.folder_read_only, VAULT),
        settings=VAULTED,
    ),
    "log-read-only": Trouble(
        words="the log's folder, read-only at the start",
        heals="it can be written",
        act=_of_kind(fault_injection.folder_read_only, LOGS),
        settings=VAULTED,
    ),
    "log-full": Trouble(
        words="the log's disk, full in the middle of a line",
        heals="there is room",
        act=fault_injection.log_full,
        settings={"store": "memory"},
    ),
    "log-slow": Trouble(
        words="the log's disk, so slow that nothing becomes durable in time",
        heals="it answers",
        act=_of_kind(fault_injection.disk_out, "slow"),
        text=TEXT.replace("request: 5m", "request: 6s"),
    ),
    "log-failing": Trouble(
        words="the log's disk, failing where something has to be durable",
        heals="it answers",
        act=_of_kind(fault_injection.disk_out, "failing"),
    ),
    "log-deleted": Trouble(
        words="the log, deleted",
        heals=AT_ONCE,
        act=_of_kind(fault_injection.log_gone, LOG.unlink),
        flaw="misplaced",
        lost=True,
    ),
    "log-replaced": Trouble(
        words="the log, replaced by an empty file",
        heals=AT_ONCE,
        act=_of_kind(fault_injection.log_gone, fault_injection.replace_log),
        flaw="misplaced",
        lost=True,
    ),
    "log-emptied": Trouble(
        words="the log, emptied",
        heals=AT_ONCE,
        act=_of_kind(fault_injection.log_gone, lambda: os.truncate(LOG, 0)),
        flaw="misplaced",
        lost=True,
    ),
    "clock-back": Trouble(words="the clock, an hour back", heals="it is set right", act=fault_injection.clock_back),
    "clock-ahead": Trouble(words="the clock, a day ahead", heals="it is set right", act=fault_injection.clock_ahead),
    "keys-slow": Trouble(
        words="the key server, slow, at the start", heals="it answers", act=_of_kind(fault_injection.keys_first, "hang")
    ),
    "keys-down": Trouble(
        words="the key server, down, at the start", heals="it answers", act=_of_kind(fault_injection.keys_first, "down")
    ),
    "keys-garbage": Trouble(
        words="the key server, answering nonsense, at the start",
        heals="it answers",
        act=_of_kind(fault_injection.keys_first, "garbage"),
    ),
    "keys-later": Trouble(
        words="the key server, down, when keys are known",
        heals="it answers",
        act=_of_kind(fault_injection.keys_later, "down"),
    ),
    "directory-raises": Trouble(
        words="the account directory, raising",
        heals="it answers",
        act=_of_kind(fault_injection.directory_out, "raises"),
        text=DIRECTORY,
        settings=MODULES,
    ),
    "directory-hangs": Trouble(
        words="the account directory, hanging",
        heals="it answers",
        act=_of_kind(fault_injection.directory_out, "hangs"),
        text=DIRECTORY,
        settings=MODULES,
    ),
    "directory-nonsense": Trouble(
        words="the account directory, answering nonsense",
        heals="it answers",
        act=_of_kind(fault_injection.directory_out, "nonsense"),
        text=DIRECTORY,
        settings=MODULES,
    ),
    "app-fails": Trouble(words="the app, over a refund", heals="a person settles it", act=fault_injection.app_fails),
}
