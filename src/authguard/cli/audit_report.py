"""`authguard audit report`: a self-contained HTML report of a period."""

from __future__ import annotations

import typer

from authguard import __version__
from authguard.audit.report.data import ReportContext, collect_report
from authguard.audit.report.page import render_page
from authguard.audit.verify.log_verifier import verify
from authguard.cli.audit_options import open_log_index, parse_period
from authguard.cli.audit_trust import NO_KEY, AlsoOption, AnchorOption, KeyOption, find_log, load_keys, load_trust
from authguard.cli.options import (
    LogOption,
    OutputOption,
    PolicyOption,
    ReindexOption,
    SinceOption,
    StoreOption,
    UntilOption,
)
from authguard.cli.output import UNVERIFIED, print_error, write_output
from authguard.cli.progress import progress_bar
from authguard.clock import SystemClock
from authguard.policy.compiler import load


def report(
    log: LogOption = None,
    *,
    since: SinceOption = "",
    until: UntilOption = "",
    output: OutputOption = None,
    policy: PolicyOption = "",
    key: KeyOption = None,
    anchor: AnchorOption = None,
    also: AlsoOption = None,
    store: StoreOption = "",
    reindex: ReindexOption = False,
) -> None:
    """Write an HTML report of a period, to read, print and archive. It needs no network and contains no script.

    The report has counts, plots, transitions of each machine, denials by rule, failed proofs, held transactions and
    their results, acts of staff, the verified part of the log and the policies in force. Exit 4 if the log does not
    verify, or if there is no public key.
    """
    begin, end = parse_period(since, until)
    loaded = load(policy) if policy else None
    path = find_log(log, store)
    with open_log_index(log, reindex=reindex) as index:
        data = collect_report(index, begin, end, loaded, SystemClock().now())
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
    cover = ReportContext(
        log=str(path),
        since=begin,
        until=end,
        made=SystemClock().now(),
        by=f"authguard {__version__}",
        verification=found,
        signed=trust is not None,
        caveat=vouching.note,
        policy=loaded,
    )
    write_output(render_page(cover, data), output)
    if not found.ok:
        print_error("the log does not verify, as the report states; run `authguard audit verify` for details")
    elif trust is None:
        print_error(NO_KEY)
    if not found.ok or trust is None:
        raise typer.Exit(UNVERIFIED)
