"""`authguard rollback`: roll back to human service, release the agent, and show the state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import anyio
import typer

from authguard.cli.operator_session import (
    LogOption,
    PolicyOption,
    StoreOption,
    open_deployment,
    parse_names,
    parse_reason,
)
from authguard.cli.terminal import format_time
from authguard.errors import AuthorityError
from authguard.runtime.rollback import Rollback

if TYPE_CHECKING:
    from authguard.core.snapshot import ServiceRecord

app = typer.Typer()

ByOption = Annotated[
    list[str], typer.Option("--by", help="Name of the person who orders it; repeat for each required person.")
]
NoteOption = Annotated[str, typer.Option("--note", callback=parse_reason, help="The reason; recorded in the log.")]


@app.command("status")
def show(policy: PolicyOption = "", store: StoreOption = "", log: LogOption = "") -> None:
    """Show the state of the service. Change and record nothing."""

    async def load() -> ServiceRecord:
        async with open_deployment(policy, store, log, records=False) as (repository, _):
            return await Rollback(repository).status()

    typer.echo(_format_service(anyio.run(load)))


@app.command("engage")
def engage(
    by: ByOption, note: NoteOption, policy: PolicyOption = "", store: StoreOption = "", log: LogOption = ""
) -> None:
    """Stop the agent: from the next request on, every customer is handed to a person."""
    typer.echo(_format_service(anyio.run(_act, "engage", by, note, policy, store, log)))


@app.command("release")
def release(
    by: ByOption, note: NoteOption, policy: PolicyOption = "", store: StoreOption = "", log: LogOption = ""
) -> None:
    """Release the agent; high-risk writes wait for an approval until the service has recovered."""
    typer.echo(_format_service(anyio.run(_act, "release", by, note, policy, store, log)))


async def _act(
    act: Literal["engage", "release"], by: list[str], note: str, policy: str, store: str, log: str
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
        return await move(", ".join(names), note)


def _format_service(service: ServiceRecord) -> str:
    return f"{service.state} since {format_time(service.entered)}"
