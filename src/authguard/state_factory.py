"""Composition of the state of a deployment for operators' commands: its store and, to record acts, its audit log.

Rules:
- Only `authguard.factory`, `authguard.log_factory` and this module choose adapters. A command that reads imports
  neither validators of tokens, nor an HTTP client, nor the log: their imports take longer than the command.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from authguard.clock import SystemClock
from authguard.errors import AuditError
from authguard.ids import SystemIds
from authguard.policy.compiler import load
from authguard.runtime.journal import Journal
from authguard.runtime.state_repository import StateRepository
from authguard.settings import MEMORY
from authguard.stores.memory import MemoryStore
from authguard.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from authguard.core.policy import Policy
    from authguard.ports import Store
    from authguard.runtime.staff_actions import StaffActions
    from authguard.settings import Settings


class _NoLog:
    """The log of a command that only reads: nothing can be recorded, so nothing can be changed."""

    def open(self) -> None:
        """Open nothing."""

    def close(self) -> None:
        """Close nothing."""

    def append(self, *_: object) -> NoReturn:
        """Refuse a record.

        Raises:
            AuditError: always.
        """
        raise AuditError("a command that only reads cannot record an act")

    append_cached = append

    async def flush(self, position: int) -> None:
        """Wait for nothing."""


def build_state_repository(
    settings: Settings, *, read_only: bool = False, policy: Policy | None = None
) -> tuple[StateRepository, Store, Journal]:
    """Build the state repository of an operator's command: the app's store, and a separate chain of the app's log.

    Args:
        settings: of the deployment.
        read_only: whether neither the store nor the log changes.
        policy: the loaded policy of the settings; by default it is loaded.
    """
    policy = policy or load(settings.policy)
    clock, ids = SystemClock(), SystemIds()
    store = create_store(settings, policy, read_only=read_only)
    if read_only:
        journal = Journal(policy.digest, _NoLog(), ids)
    else:
        from authguard.log_factory import create_sink  # noqa: PLC0415 - only a command that records an act

        journal = Journal(policy.digest, create_sink(settings, policy, clock, ids), ids)
    return StateRepository(policy=policy, store=store, journal=journal, clock=clock), store, journal


async def create_staff_actions(repository: StateRepository, settings: Settings) -> StaffActions:
    """Create the staff actions of an operator's command; they use the pseudonyms of the app.

    Raises:
        SettingsError: the pseudonym keys cannot be read, or are not those of the app.
    """
    from authguard.pseudonym_factory import create_pseudonyms  # noqa: PLC0415 - only commands that act on accounts
    from authguard.runtime.pseudonymizer import require_same_pseudonyms  # noqa: PLC0415
    from authguard.runtime.staff_actions import StaffActions  # noqa: PLC0415

    policy = repository.policy
    pseudonyms = create_pseudonyms(settings, plain=policy.audit.subjects == "plain", several=len(policy.issuers) > 1)
    await require_same_pseudonyms(repository.store, pseudonyms.check)
    return StaffActions(repository, pseudonyms)


def create_store(settings: Settings, policy: Policy, *, read_only: bool = False) -> Store:
    """Create the store: a SQLite file, which may be only read, or memory."""
    keep, answers, ended = policy.retention, policy.transactions.response_retention, policy.final_transaction_states
    if settings.store == MEMORY:
        return MemoryStore(retention=keep, response_retention=answers, final_states=ended)
    return SqliteStore(
        Path(settings.store), retention=keep, response_retention=answers, final_states=ended, read_only=read_only
    )
