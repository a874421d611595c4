"""`authguard audit report`: a self-contained HTML report of a period, or its figures as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from authguard.cli.audit_options import open_log_index
from authguard.cli.audit_trust import NO_KEY, AlsoOption, AnchorOption, KeyOption, find_log, load_keys, load_trust
from authguard.cli.options import (
    JsonOption,
    LogOption,
    OutputOption,
    PolicyOption,
    ReindexOption,
    SinceOption,
    StoreOption,
    UntilOption,
)
from authguard.cli.output import UNVERIFIED, print_error, write_output
from authguard.cli.period import parse_period
from authguard.cli.progress import progress_bar

if TYPE_CHECKING:
    from authguard.audit.report.data import ReportContext, ReportData
    from authguard.core.policy import Policy


def report(
    log: LogOption = None,
    *,
    since: SinceOption = "",
    until: UntilOption = "",
    output: OutputOption = None,
    as_json: JsonOption = False,
    policy: PolicyOption = "",
    key: KeyOption = None,
    anchor: AnchorOption = None,
    also: AlsoOption = None,
    store: StoreOption = "",
    reindex: ReindexOption = False,
) -> None:
    """Write an HTML report of a period, to read, print and archive. It needs no network and contains no script.

    The report opens with a verdict on the log and the most important counts. It has refusals by reason, denials by
    rule, held transactions and their results, failed proofs, transitions of each machine, acts of staff, the verified
    part of the log and the policies in force. --json writes the same figures. Exit 4 if the log does not verify, or
    if there is no public key.

    Examples:

        authguard audit report --since yesterday -o report.html

        authguard audit report --since 2026-11-01 --until 2026-11-30 --policy policy.yaml -o november.html

        authguard audit report --json --since 1h
    """
    # loaded here, because no other command needs them
    from authguard import __version__  # noqa: PLC0415 - as above
    from authguard.audit.report.collect import collect_report  # noqa: PLC0415 - as above
    from authguard.audit.report.data import ReportContext  # noqa: PLC0415 - as above
    from authguard.audit.verify.log_verifier import verify  # noqa: PLC0415 - as above
    from authguard.cli.local_zone import local_zone  # noqa: PLC0415 - as above
    from authguard.cli.reason_cure import describe_cure  # noqa: PLC0415 - as above
    from authguard.cli.reason_text import describe_reason  # noqa: PLC0415 - as above
    from authguard.clock import SystemClock  # noqa: PLC0415 - as above

    begin, end = parse_period(since, until)
    loaded = _load_policy(policy) if policy else None
    path = find_log(log, store)
    now = SystemClock().now()
    with open_log_index(log, reindex=reindex, partial=True) as index:
        data = collect_report(index, begin, end, loaded, now)
    vouching = load_keys(key, store, path)
    trust = load_trust(path, vouching, anchor, store)
    with progress_bar("verifying the log") as progress:
        found = verify(
            path,
            trust=trust,
            also=also or (),
            progress=progress,
            reload_trust=lambda: load_trust(path, vouching, anchor, store),
        )
    context = ReportContext(
        log=str(path),
        since=begin,
        until=end,
        made=now,
        by=f"authguard {__version__}",
        verification=found,
        signed=trust is not None,
        caveat=vouching.note,
        policy=loaded,
        zone=local_zone(),
        describe_reason=describe_reason,
        describe_cure=describe_cure,
    )
    write_output(_format(context, data, as_json=as_json), output)
    if not found.ok:
        print_error("the log does not verify, as the report states; run `authguard audit verify` for details")
    elif trust is None:
        print_error(NO_KEY)
    if not found.ok or trust is None:
        raise typer.Exit(UNVERIFIED)


def _load_policy(policy: str) -> Policy:
    from authguard.policy.compiler import load  # noqa: PLC0415 - only with --policy

    return load(policy)


def _format(context: ReportContext, data: ReportData, *, as_json: bool) -> str:
    """Format a report as a page, or as JSON."""
    if as_json:
        from authguard.audit.report.figures import collect_figures  # noqa: PLC0415 - a page does not need it

        return json.dumps(collect_figures(context, data), indent=2) + "\n"
    from authguard.audit.report.page import render_page  # noqa: PLC0415 - JSON does not need it

    return render_page(context, data)
