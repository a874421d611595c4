"""The life of a guard: opens its keys, log, store and services once, records start and stop, and closes them."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final, Protocol

import anyio

from authguard.core.policy_parts import format_parts
from authguard.runtime.pseudonymizer import store_pseudonym_check

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from authguard.ports import AccountDirectory, ConditionSource, CredentialValidator, Verifier
    from authguard.runtime.refusal_window import RefusalWindows
    from authguard.runtime.state_repository import StateRepository


def do_nothing() -> None:
    """Stand for files that a guard does not have."""


async def _run_in_thread(function: Callable[[], object]) -> None:
    """Call a function that may block; a guard without files needs no thread."""
    if function is not do_nothing:
        await anyio.to_thread.run_sync(function, abandon_on_cancel=True)


class Closeable(Protocol):
    """A part with a thread of its own, which `close` ends."""

    def close(self) -> None:
        """End the thread."""
        ...


class Lifecycle:
    """Opens and closes the parts of one guard.

    Args:
        repository: with the store, the log, the clock and the policy.
        checker: of credentials.
        services: verifiers, account directories, and what conditions ask.
        threads: parts with threads of their own.
        windows: of refusals; closed with the guard.
        pseudonym_check: of the pseudonym keys; empty if there are none.
        load_keys: creates and loads the keys before anything is opened; may block.
        require_files: checks every file of the deployment before the start; may block.
        report_closed: reports why a request could not open the guard.

    Attributes:
        is_open: whether every part is open.
    """

    __slots__ = (
        "_checker",
        "_load_keys",
        "_may_be_open",
        "_opening",
        "_pseudonym_check",
        "_report_closed",
        "_repository",
        "_require_files",
        "_services",
        "_threads",
        "_windows",
        "is_open",
    )

    def __init__(
        self,
        repository: StateRepository,
        *,
        checker: CredentialValidator,
        services: Sequence[Verifier | AccountDirectory | ConditionSource],
        threads: Sequence[Closeable],
        windows: RefusalWindows,
        pseudonym_check: Callable[[], str],
        load_keys: Callable[[], object],
        require_files: Callable[[], object],
        report_closed: Callable[[Exception], object],
    ) -> None:
        self._repository: Final = repository
        self._checker: Final = checker
        self._services: Final = tuple(services)
        self._threads: Final = tuple(threads)
        self._windows: Final = windows
        self._pseudonym_check: Final = pseudonym_check
        self._load_keys: Final = load_keys
        self._require_files: Final = require_files
        self._report_closed: Final = report_closed
        self._opening = anyio.Lock()
        self._may_be_open = False  # set before the first part is opened
        self.is_open = False

    async def open(self) -> None:
        """Open the keys, the log and the store, once, and record the start.

        Raises:
            SettingsError: a key cannot be loaded.
            AuditError: the log cannot be written.
            StoreError: the store cannot be opened.
        """
        repository = self._repository
        async with self._opening:
            if self.is_open:
                return
            await _run_in_thread(self._load_keys)
            self._may_be_open = True
            repository.journal.open()
            await repository.store.open()
            await store_pseudonym_check(repository.store, self._pseudonym_check())
            await self._checker.open()
            for service in self._services:
                await service.open()
            policy = repository.policy
            repository.journal.record_act("started", repository.clock.now(), by=policy.name, parts=format_parts(policy))
            self.is_open = True

    async def start(self) -> None:
        """Open the guard, and start to fetch the keys of all issuers, so that a misconfiguration is told at the start.

        Call it where `close` follows on the same event loop, as in a lifespan; otherwise the first token starts one.

        Raises:
            SettingsError: a file of the deployment cannot be used; the message names every one.
            AuditError, StoreError: as for `open`.
        """
        await _run_in_thread(self._require_files)
        await self.open()
        self._checker.prefetch(self._repository.clock.now())

    async def open_for_request(self) -> None:
        """Open the guard of an app without a lifespan; report a failure, which the log may be unable to record."""
        try:
            await self._repository.with_deadline(self.open())
        except Exception as error:
            self._report_closed(error)
            raise

    async def close(self) -> None:
        """Record the stop and close all parts, even if only some could be opened or closed."""
        repository = self._repository
        async with self._opening, AsyncExitStack() as parts:
            if not self._may_be_open:
                return
            opened, self.is_open, self._may_be_open = self.is_open, False, False
            parts.callback(repository.journal.close)
            for part in (repository.store, self._checker, *self._services):
                parts.push_async_callback(part.close)
            for thread in self._threads:
                parts.callback(thread.close)
            if opened:
                now = repository.clock.now()
                self._windows.close(now, everything=True)
                repository.journal.record_act("stopped", now, by=repository.policy.name)
