"""The rollback switch, by which an operator stops the agent and starts it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.snapshot import Keys
from authguard.evaluation.driver import Evaluation

if TYPE_CHECKING:
    from authguard.core.snapshot import ServiceRecord
    from authguard.runtime.state_repository import StateRepository


class Rollback:
    """Operator actions on the service machine; each is recorded before it is saved."""

    __slots__ = ("_repository",)

    def __init__(self, repository: StateRepository) -> None:
        """Store the repository."""
        self._repository = repository

    async def status(self) -> ServiceRecord:
        """Return the service record with all due timers applied; record and save nothing."""
        repository = self._repository
        keys = Keys()
        before = (await repository.load(keys)).snapshot
        evaluation = Evaluation(repository.policy, before, repository.clock.now(), keys)
        evaluation.catch_up()
        return evaluation.snapshot.service

    async def engage(self, by: str, note: str) -> ServiceRecord:
        """Stop the agent: no agent acts, and every customer is handed to a person.

        Args:
            by: name of the operator, for the log.
            note: the operator's reason.
        """
        return await self._act("engaged", by, note)

    async def release(self, by: str, note: str) -> ServiceRecord:
        """Start the agent again; high-risk writes still need an approval until the service has recovered."""
        return await self._act("released", by, note)

    async def _act(self, trigger: str, by: str, note: str) -> ServiceRecord:
        repository = self._repository
        act = repository.journal.record_act(f"rollback.{trigger}", repository.clock.now(), by=by, note=note)

        def apply(evaluation: Evaluation) -> None:
            evaluation.send(f"service.{trigger}", "operator")

        return (await repository.change(Keys(), apply, note=note, act=act)).service
