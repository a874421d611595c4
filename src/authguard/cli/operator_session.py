"""What the operator's commands share: the deployment's own store and log, found and opened, or a word about why not.

Rules: a command never makes a store, since an empty one would be nobody's and the running app would not hear of it; who
may write the store may operate, so a store that cannot be written is a want of authority (exit code 5).
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from authguard.core.person_name import distinct_names, has_letters, normalize_name
from authguard.errors import AuthorityError, SettingsError
from authguard.factory import build_state_repository, create_staff_actions
from authguard.runtime.journal import sanitize_text
from authguard.settings import MEMORY, Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from authguard.policy.compiled_policy import Policy
    from authguard.ports import Store
    from authguard.runtime.staff_actions import StaffActions
    from authguard.runtime.state_repository import StateRepository


def parse_reason(word: str) -> str:
    """Take a reason or a note, as the log will keep it.

    Raises:
        typer.BadParameter: it says nothing.
    """
    if not has_letters(word):
        raise typer.BadParameter("say why, in words: it is kept in the log")
    return word


PolicyOption = Annotated[str, typer.Option("--policy", help="The app's policy; else AUTHGUARD_POLICY.")]
StoreOption = Annotated[str, typer.Option("--store", help="The app's store; else AUTHGUARD_STORE, else the default.")]
LogOption = Annotated[
    str, typer.Option("--log", help="The app's audit log; else AUTHGUARD_AUDIT_LOG, else the default.")
]
IssuerOption = Annotated[
    str, typer.Option("--issuer", help="Of the account; not needed where the policy has only one.")
]
ByOption = Annotated[str, typer.Option("--by", help="Who decides, as the log will name them.")]
ReasonOption = Annotated[str, typer.Option("--reason", callback=parse_reason, help="Why; it is kept in the log.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Show it whole, as one JSON document.")]

#: characters of a person's name
NAME_BOUND: Final = 100


@asynccontextmanager
async def open_deployment(
    policy: str, store: str, log: str, *, records: bool
) -> AsyncIterator[tuple[StateRepository, Store]]:
    """Open what the app itself uses; let go of it at the end.

    Args:
        policy: as typed, or empty.
        store: as typed, or empty.
        log: as typed, or empty.
        records: whether the command changes something, so that the log is written.

    Raises:
        SettingsError: there is no such store, or it lives in the memory of another process.
        AuthorityError: whoever calls may not write it.
        AuthguardError: anything else that a policy, a store or a log cannot do now.
    """
    settings = Settings.resolve(policy, store=store, audit_log=log)
    _demand(settings.store)
    repository, opened, journal = build_state_repository(settings)
    await opened.open()
    try:
        if records:
            journal.open()
        yield repository, opened
    finally:
        journal.close()
        await opened.close()


@asynccontextmanager
async def open_staff_actions(
    policy: str, store: str, log: str, *, records: bool
) -> AsyncIterator[tuple[StaffActions, StateRepository]]:
    """Open what an operator needs to lift states, as `open_deployment`."""
    async with open_deployment(policy, store, log, records=records) as (repository, _):
        yield await create_staff_actions(repository, Settings.resolve(policy, store=store, audit_log=log)), repository


def pick_issuer(policy: Policy, issuer: str) -> str:
    """Take the issuer that was named, or the only one.

    Raises:
        typer.BadParameter: the policy does not know it, or there are several to choose from.
    """
    if issuer in policy.issuers:
        return issuer
    if not issuer and len(policy.issuers) == 1:
        return next(iter(policy.issuers))
    raise typer.BadParameter(f"name one of {', '.join(policy.issuers)}", param_hint="--issuer")


def _demand(store: str) -> None:
    """Demand that the store is there and may be written by whoever calls."""
    if store == MEMORY:
        raise SettingsError("a store in memory is its app's alone: name the app's SQLite file with --store")
    path = Path(store)
    try:
        path.stat()
    except PermissionError:
        raise _unauthorised(store) from None
    except OSError:
        raise SettingsError(f"there is no store at `{store}`: name the app's with --store, or start the app") from None
    # SQLite writes its log beside the file
    if not (os.access(path, os.R_OK | os.W_OK) and os.access(path.parent, os.W_OK)):
        raise _unauthorised(store)


def _unauthorised(store: str) -> AuthorityError:
    return AuthorityError(f"you may not write the store `{store}`: act as an account that may")


def parse_names(names: list[str]) -> tuple[str, ...]:
    """Take the names of who acts, each person once, fit to be printed and kept.

    Names that differ in case, width, blanks or signs alone are one person's.

    Raises:
        typer.BadParameter: one is empty or too long.
    """
    given = distinct_names(" ".join(sanitize_text(name).split()) for name in names)
    if any(not normalize_name(name) or len(name) > NAME_BOUND for name in given):
        raise typer.BadParameter(f"a name has 1 to {NAME_BOUND} characters, and a letter or a digit", param_hint="--by")
    return given
