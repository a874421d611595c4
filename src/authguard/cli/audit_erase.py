"""`authguard audit erase`: forget one subject, by destroying the key that leads from their name to their records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import anyio
import typer

from authguard.audit.asking.query import Question, find
from authguard.cli.audit_asking import asking
from authguard.cli.operating import LogOption, PolicyOption, StoreOption, named, operating, pick_issuer
from authguard.cli.output import BROKE, complain
from authguard.cli.showing import escaped, moment
from authguard.core.snapshot import session_key
from authguard.errors import SettingsError
from authguard.names import Names, beside
from authguard.policy.compiler import load
from authguard.settings import Settings
from authguard.system import Pseudonyms, SystemClock, key_beside

if TYPE_CHECKING:
    from authguard.policy.compiled import Policy

ACT: Final = "subject.erased"


def erase(
    subject: Annotated[str, typer.Option("--subject", help="Who: as the issuer names them.")],
    by: Annotated[list[str], typer.Option("--by", help="Who orders it; again for each further person.")],
    note: Annotated[str, typer.Option("--note", help="Why; it goes to the log, so name nobody in it.")],
    *,
    issuer: Annotated[str, typer.Option("--issuer", help="Whose subject; else the only issuer's.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: it cannot be undone.")] = False,
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = "",
) -> None:
    """Forget one subject: their records stay in the log, and nobody can tell any more whose they are.

    The key of their pseudonym is destroyed, and that is recorded without saying whose it was. Exit 1 where records
    still lead to them.
    """
    names = ", ".join(named(by))
    settings = Settings.resolve(policy, store=store, log=log)
    declared = load(settings.policy)
    whose = pick_issuer(declared, issuer)
    keys = _keys(settings, declared)
    known = keys.known(whose, subject)
    count = _count(settings, known.pseudonym)
    if not yes:
        typer.confirm(f"{count} records will never be told to be theirs again. Go on?", abort=True)

    async def record() -> None:
        async with operating(policy, store, log, records=True) as (standing, _):
            standing.journal.acted(ACT, standing.clock.now(), by=names, note=note)

    # closing the log signs the record and brings it to the disk; only then is the key destroyed
    keys.forget(whose, subject, SystemClock().now(), lambda: anyio.run(record))
    typer.echo(
        f"forgotten: {count} records cannot be told to be theirs any more; the log says that somebody was forgotten"
    )
    if _remains(settings, declared, whose, subject, older=known.before):
        raise typer.Exit(BROKE)


def _keys(settings: Settings, policy: Policy) -> Names:
    """Open the keys of the deployment's names.

    Raises:
        SettingsError: names are no pseudonyms here, or have no keys of their own.
    """
    if not policy.pseudonymous:
        raise SettingsError(
            "the policy writes subjects by their names (`audit: {subjects: plain}`): no key leads to them"
        )
    path = beside(Path(settings.store))
    if settings.pseudonym_key or not path.exists():
        raise SettingsError(
            f"there are no keys of single names at `{path}`: under AUTHGUARD_PSEUDONYM_KEY one key names everybody;"
            " without that variable the app makes the file when it starts"
        )
    return Names(path)


def _count(settings: Settings, pseudonym: str) -> int:
    with asking(Path(settings.log)) as index:
        return sum(1 for _ in find(index, Question(subjects=(pseudonym,))))


def _remains(settings: Settings, policy: Policy, issuer: str, subject: str, *, older: float) -> bool:
    """Tell what still leads to them; give whether anything does."""
    found = False
    if older:
        count = _count(settings, Pseudonyms(key_beside(Path(settings.store))).subject(issuer, subject))
        if count:
            found = True
            complain(
                f"{count} records from before {moment(older)} name them by the deployment's key, which is everybody's:"
                " they go when their time is over (`audit: {keep: ...}`)"
            )
    for client in ("", *sorted(agent.client for agent in policy.agents if agent.issuer == issuer)):
        key = session_key(issuer, subject, client, "").hex()
        with asking(Path(settings.log)) as index:
            count = index.db.execute("SELECT count(*) FROM record WHERE session = ?", (key,)).fetchone()[0]
        if count:
            found = True
            shown = f" with `{escaped(client)}`" if client else ""
            complain(
                f"{count} records name a session{shown} to which the issuer gave no `sid`: whoever guesses the subject"
                " can compute its key; they go when their time is over"
            )
    return found
