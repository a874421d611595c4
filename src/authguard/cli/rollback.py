"""`authguard rollback`: roll back to human service, release the agent, and show the state."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import anyio
import typer

from authguard.cli.operator_session import open_deployment, parse_names
from authguard.cli.options import LogOption, PersonsOption, PolicyOption, ReasonOption, StoreOption
from authguard.cli.terminal import format_time
from authguard.errors import AuthorityError
from authguard.runtime.rollback import Rollback

if TYPE_CHECKING:
    from authguard.core.snapshot import ServiceRecord


def show(policy: PolicyOption = "", store: StoreOption = "", log: LogOption = None) -> None:
    """Show the state of the service. Change and record nothing."""

    async def load() -> ServiceRecord:
        async with open_deployment(policy, store, log, records=False) as (repository, _):
            return await Rollback(repository).status()

    typer.echo(_format_service(anyio.run(load)))


def engage(
    by: PersonsOption, reason: ReasonOption, policy: PolicyOption = "", store: StoreOption = "", log: LogOption = None
) -> None:
    """Stop the agent: from the next request on, every customer is handed to a person."""
    typer.echo(_format_service(anyio.run(_act, "engage", by, reason, policy, store, log)))


def release(
    by: PersonsOption, reason: ReasonOption, policy: PolicyOption = "", store: StoreOption = "", log: LogOption = None
) -> None:
    """Release the agent; high-risk writes wait for an approval until the service has recovered."""
    typer.echo(_format_service(anyio.run(_act, "release", by, reason, policy, store, log)))


async def _act(
    act: Literal["engage", "release"], by: list[str], reason: str, policy: str, store: str, log: Path | None
) -> ServiceRecord:
    names = parse_names(by)
    async with open_deployment(policy, store, log, records=True) as (repository, _):
        role, count = repository.policy.rollback_roles.get(act, ("", 1))
        if len(names) < count:
            raise AuthorityError(
                f"the policy requires {count} persons of role `{role}` to {act}:"
                " name each with --by, with their consent"
            )
        switch = Rollback(repository)
        move = switch.engage if act == "engage" else switch.release
        return await move(", ".join(names), reason)


def _format_service(service: ServiceRecord) -> str:
    return f"{service.state} since {format_time(service.entered)}"
