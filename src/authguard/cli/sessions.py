"""`authguard sessions`: show, reset and end sessions.

A session is identified by its key, as in the log and in a hand-off ticket; the key does not reveal the subject.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import anyio
import typer

from authguard.cli.operator_session import open_deployment, open_staff_actions, parse_names
from authguard.cli.options import ByOption, JsonOption, LogOption, PolicyOption, ReasonOption, StoreOption
from authguard.cli.output import FAILED, print_error
from authguard.cli.terminal import format_time
from authguard.core.snapshot import KEY_BYTES, Keys
from authguard.runtime import sign_out_delay
from authguard.runtime.transaction_list import effective_snapshot

if TYPE_CHECKING:
    from authguard.core.snapshot import SessionRecord


def _key(word: str) -> bytes:
    try:
        key = bytes.fromhex(word)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise typer.BadParameter(f"a session key has {2 * KEY_BYTES} hexadecimal digits, as in the log and the ticket")
    return key


Session = Annotated[bytes, typer.Argument(parser=_key, metavar="SESSION", help="Key of the session, as in the log.")]


def show(
    session: Session,
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
    whole: JsonOption = False,
) -> None:
    """Show the current state of a session and its verification, with due timers. Change and record nothing."""

    async def load() -> SessionRecord:
        async with open_deployment(policy, store, log, records=False) as (repository, _):
            found = (await repository.load(Keys(session=session))).snapshot
            return effective_snapshot(repository, found).session if found.session.version else found.session

    record = _require_known(anyio.run(load))
    if whole:
        typer.echo(_document(session, record))
        return
    typer.echo(f"{session.hex()} {record.state} since {format_time(record.entered)}")
    typer.echo(f"  {record.verification} since {format_time(record.verification_entered)}")
    typer.echo(f"  signed in at {format_time(record.signed_in)}, last seen at {format_time(record.last_seen)}")


def reset(
    session: Session,
    *,
    by: ByOption,
    reason: ReasonOption,
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
) -> None:
    """Reset the verification of a session and the attempt counters of its account."""
    record = anyio.run(_act, session, by, reason, policy, store, log, True)
    typer.echo(f"the session is {record.verification}")


def end(
    session: Session,
    *,
    by: ByOption,
    reason: ReasonOption,
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
) -> None:
    """End a session: only a later sign-in opens it again."""
    record = anyio.run(_act, session, by, reason, policy, store, log, False)
    typer.echo(f"the session is {record.state}")


async def _act(
    session: bytes, by: str, reason: str, policy: str, store: str, log: Path | None, resets: bool
) -> SessionRecord:
    (name,) = parse_names([by])
    async with open_staff_actions(policy, store, log, records=True) as (actions, repository):
        record = _require_known((await repository.load(Keys(session=session))).snapshot.session)
        act = actions.reset if resets else actions.end_session
        after = await act(session, record.account, name, reason)
        if not resets:
            await sign_out_delay.wait_for_next_second(repository.clock, after)
        return after.session


def _require_known(record: SessionRecord) -> SessionRecord:
    if not record.version:
        print_error("no such session")
        raise typer.Exit(FAILED)
    return record


def _document(session: bytes, record: SessionRecord) -> str:
    document: dict[str, Any] = {
        "session": session.hex(),
        "account": record.account.hex(),
        "state": record.state,
        "entered": record.entered,
        "signed_in": record.signed_in,
        "last_seen": record.last_seen,
        "verification": record.verification,
        "verification_entered": record.verification_entered,
        "channel": record.channel,
    }
    return json.dumps(document)
