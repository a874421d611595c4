"""Options that several commands share: one spelling, one variable, one help text each.

Rules:
- `--format` has no letter; `-o` is `--output`, `-n` is `--limit`, `-f` is `--follow`, `-y` is `--yes`, no other.
- An option that two commands have is declared here; `tests/cli/test_command_matrix.py` compares all commands with it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from authguard.audit.query.timeparse import FORMS
from authguard.cli.output import name_options
from authguard.core.person_name import has_letters
from authguard.errors import SettingsError
from authguard.paths import require_path
from authguard.settings import DEFAULT_LOG, DEFAULT_STORE, require_log, require_store

#: most records, tickets or transactions that one command lists
MAX_LISTED: Final = 1_000_000


def option_name(name: str) -> str:
    """Return the option for a condition of a rule."""
    return f"--{name.replace('_', '-')}"


def parse_reason(word: str) -> str:
    """Return a reason for the log.

    Raises:
        typer.BadParameter: the text has no content.
    """
    if not has_letters(word):
        raise typer.BadParameter("give a reason in words: it is recorded in the log")
    return word


def _parse_store(given: str) -> str:
    try:
        return require_store(given)
    except SettingsError as error:
        raise typer.BadParameter(name_options(str(error))) from None


def _parse_log(given: Path | None) -> Path | None:
    try:
        return given if given is None else Path(require_log(given))
    except SettingsError as error:
        raise typer.BadParameter(name_options(str(error))) from None


def parse_file(given: Path | None) -> Path | None:
    """Return the path of a file or folder that a command writes.

    Raises:
        typer.BadParameter: it is a URL.
    """
    try:
        if given is not None:
            require_path(given, "name a file or folder of this machine, as `./NAME` if its name has a colon")
    except SettingsError as error:
        raise typer.BadParameter(name_options(str(error))) from None
    return given


def require_policy(given: str) -> str:
    """Return the policy of `--policy` or its variable.

    Raises:
        SettingsError: neither is set.
    """
    if not given:
        raise SettingsError("no policy is given: use --policy, or set AUTHGUARD_POLICY")
    return given


PolicyOption = Annotated[
    str,
    typer.Option(
        "--policy", envvar="AUTHGUARD_POLICY", metavar="POLICY", help="The policy: a file, a folder or a shipped name."
    ),
]
StoreOption = Annotated[
    str,
    typer.Option(
        "--store",
        envvar="AUTHGUARD_STORE",
        metavar="PATH",
        callback=_parse_store,
        help=f"The app's store; default: {DEFAULT_STORE}.",
    ),
]
LogOption = Annotated[
    Path | None,
    typer.Option(
        "--log",
        envvar="AUTHGUARD_AUDIT_LOG",
        metavar="PATH",
        callback=_parse_log,
        help=f"The audit log; default: {DEFAULT_LOG}.",
    ),
]
SinceOption = Annotated[
    str,
    typer.Option(
        "--since",
        metavar="TIME",
        help=f"Start of the period, in your time zone unless the time names one: {FORMS}.".replace("`", ""),
    ),
]
UntilOption = Annotated[
    str, typer.Option("--until", metavar="TIME", help="End of the period, in the same forms; a day is included whole.")
]
AtOption = Annotated[
    str,
    typer.Option("--at", metavar="TIME", help="A time, in your time zone unless it names one."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON; times are ISO 8601 in UTC.")]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        callback=parse_file,
        help="Write to this file, mode 0600; default: standard output.",
    ),
]
LimitOption = Annotated[
    int, typer.Option("--limit", "-n", min=1, max=MAX_LISTED, help="How many at most, the newest ones.")
]
ReindexOption = Annotated[bool, typer.Option("--reindex", help="Rebuild the log's index first.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

ByOption = Annotated[str, typer.Option("--by", metavar="NAME", help="Person who decides; recorded in the log.")]
PersonsOption = Annotated[
    list[str],
    typer.Option("--by", metavar="NAME", help="Person who decides; recorded in the log. Repeat for each person."),
]
ReasonOption = Annotated[
    str, typer.Option("--reason", metavar="TEXT", callback=parse_reason, help="Why; recorded in the log.")
]

SubjectOption = Annotated[
    str,
    typer.Option("--subject", metavar="NAME", help="The issuer's name of a person (`sub`), or a pseudonym of the log."),
]
IssuerOption = Annotated[
    str, typer.Option("--issuer", metavar="URL", help="Issuer of the subject; default: the issuers of the policy.")
]
OperationOption = Annotated[str, typer.Option("--operation", metavar="NAME", help="An operation of the policy.")]
TicketOption = Annotated[str, typer.Option("--ticket", metavar="ID", help="A hand-off ticket.")]
SessionOption = Annotated[str, typer.Option("--session", metavar="KEY", help="A session.")]
TransactionOption = Annotated[str, typer.Option("--transaction", metavar="ID", help="A transaction.")]
