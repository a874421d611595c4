"""The switch: an operator pulls the agent back to human service, and lets it act again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.snapshot import Keys
from authguard.runtime.evaluation import Evaluation

if TYPE_CHECKING:
    from authguard.core.snapshot import ServiceRecord
    from authguard.runtime.state_repository import StateRepository


class Rollback:
    """The deployment's own machine, as an operator moves it; every act is recorded before it is saved."""

    __slots__ = ("_repository",)

    def __init__(self, repository: StateRepository) -> None:
        """Keep the standing that the switch moves."""
        self._repository = repository

    async def status(self) -> ServiceRecord:
        """Give where the service stands, counting the timers that are due; nothing is recorded or saved."""
        repository = self._repository
        evaluation = Evaluation(repository.policy, (await repository.load(Keys())).snapshot, repository.clock.now())
        evaluation.run_timers()
        return evaluation.snapshot.service

    async def engage(self, by: str, note: str) -> ServiceRecord:
        """Pull the agent back: no agent acts, every customer goes to a person.

        Args:
            by: who orders it, as the log will name them.
            note: why.
        """
        return await self._act("engaged", by, note)

    async def release(self, by: str, note: str) -> ServiceRecord:
        """Let the agent act again; high-security writes still wait for an approval until it has recovered."""
        return await self._act("released", by, note)

    async def _act(self, trigger: str, by: str, note: str) -> ServiceRecord:
        repository = self._repository
        act = repository.journal.record_act(f"rollback.{trigger}", repository.clock.now(), by=by, note=note)

        def make(evaluation: Evaluation) -> None:
            evaluation.send(f"service.{trigger}", "operator")

        return (await repository.change(Keys(), make, note=note, act=act)).service
