"""`authguard audit accept`: accept recovered, adopted or foreign lines of the audit log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import anyio
import typer

from authguard.audit.verify.log_verifier import verify
from authguard.cli.audit_trust import NO_KEY, load_keys, load_trust
from authguard.cli.line_wrap import print_line
from authguard.cli.operator_session import open_deployment, parse_names, require_access
from authguard.cli.options import JsonOption, LogOption, PersonsOption, PolicyOption, ReasonOption, StoreOption
from authguard.cli.output import FAILED, print_error
from authguard.cli.terminal import escape, require_log
from authguard.errors import SettingsError
from authguard.records.handover import ACCEPTED, format_accepted_note
from authguard.settings import Settings

#: most characters of a reason
MAX_REASON_CHARS = 300


def accept(
    place: Annotated[
        str,
        typer.Argument(metavar="RANGE", help="Range from `audit verify`: audit.jsonl:11-15, audit.jsonl.aside.1a2b."),
    ],
    by: PersonsOption,
    reason: ReasonOption,
    *,
    policy: PolicyOption = "",
    store: StoreOption = "",
    log: LogOption = None,
    as_json: JsonOption = False,
) -> None:
    """Accept recovered, adopted or foreign lines, so that `audit verify --strict` passes; the log records it.

    Exit 1 if verification does not report this range.

    Examples:

        authguard audit accept audit.jsonl:1101-4210 --by dana --reason 'killed by the kernel, case 4711'
    """
    names, why = ", ".join(parse_names(by)), " ".join(reason.split())
    if not 0 < len(why) <= MAX_REASON_CHARS:
        raise typer.BadParameter(f"a reason has 1 to {MAX_REASON_CHARS} characters", param_hint="--reason")
    settings = Settings.resolve(policy, store=store, audit_log=log)
    require_access(settings.store, writes=True)
    require_log(Path(settings.audit_log))
    path = Path(settings.audit_log)
    trust = load_trust(path, load_keys(None, settings.store, path), (), settings.store)
    if trust is None:
        raise SettingsError(NO_KEY)
    found = verify(path, trust=trust)
    marks = [mark for chain in found.chains for mark in chain.marks if mark.place == place]
    if not marks:
        places = ", ".join(escape(mark.place) for chain in found.chains for mark in chain.marks)
        print_error(
            f"verification does not report `{escape(place)}`"
            + (f"; it reports {places}" if places else ", nor any other range: there is nothing to accept")
        )
        raise typer.Exit(FAILED)

    async def record() -> None:
        async with open_deployment(policy, store, log, records=True) as (repository, _):
            for mark in marks:
                repository.journal.record_act(
                    ACCEPTED, repository.clock.now(), by=names, note=format_accepted_note(mark, why)
                )

    anyio.run(record)
    if as_json:
        ranges = [{"place": mark.place, "kind": mark.kind, "id": mark.id, "words": mark.words} for mark in marks]
        typer.echo(json.dumps({"verdict": "accepted", "place": place, "by": names, "ranges": ranges}, indent=2))
    else:
        print_line(f"accepted and recorded: {escape(place)}")
