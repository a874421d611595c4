"""`authguard rollback`: pull the agent back to human service, let it act again, and see where it stands."""

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
    list[str], typer.Option("--by", help="Who orders it; again for each further person that must agree.")
]
NoteOption = Annotated[str, typer.Option("--note", callback=parse_reason, help="Why; it goes to the log.")]


@app.command("status")
def show(policy: PolicyOption = "", store: StoreOption = "", log: LogOption = "") -> None:
    """Show where the service stands. Nothing is changed or recorded."""

    async def look() -> ServiceRecord:
        async with open_deployment(policy, store, log, records=False) as (repository, _):
            return await Rollback(repository).status()

    typer.echo(_told(anyio.run(look)))


@app.command("engage")
def engage(
    by: ByOption, note: NoteOption, policy: PolicyOption = "", store: StoreOption = "", log: LogOption = ""
) -> None:
    """Pull the agent back: from the next request on, every customer is handed to a person."""
    typer.echo(_told(anyio.run(_act, "engage", by, note, policy, store, log)))


@app.command("release")
def release(
    by: ByOption, note: NoteOption, policy: PolicyOption = "", store: StoreOption = "", log: LogOption = ""
) -> None:
    """Let the agent act again; high-security writes wait for an approval until the service has recovered."""
    typer.echo(_told(anyio.run(_act, "release", by, note, policy, store, log)))


async def _act(  # noqa: PLR0917 - a command's parts
    act: Literal["engage", "release"], by: list[str], note: str, policy: str, store: str, log: str
) -> ServiceRecord:
    names = parse_names(by)
    async with open_deployment(policy, store, log, records=True) as (repository, _):
        role, count = repository.policy.rollback_roles.get(act, ("", 1))
        if len(names) < count:
            raise AuthorityError(
                f"the policy wants {count} persons of role `{role}` to {act}: name each with --by, with their consent"
            )
        switch = Rollback(repository)
        move = switch.engage if act == "engage" else switch.release
        return await move(", ".join(names), note)


def _told(service: ServiceRecord) -> str:
    return f"{service.state} since {format_time(service.entered)}"
