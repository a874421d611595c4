"""`authguard audit`: the commands of the group; each module implements related commands."""

from __future__ import annotations

import typer

from authguard.cli import (
    audit_accept,
    audit_erase,
    audit_explain,
    audit_keys,
    audit_maintain,
    audit_proof,
    audit_query,
    audit_replay,
    audit_report,
    audit_schema,
    audit_stats,
    audit_tail,
    audit_timeline,
    audit_verify,
)

app = typer.Typer()
app.command("tail")(audit_tail.tail)
app.command("show")(audit_query.show)
app.command("query")(audit_query.query)
app.command("accept")(audit_accept.accept)
app.command("erase")(audit_erase.erase)
app.command("export")(audit_query.export)
app.command("stats")(audit_stats.stats)
app.command("maintain")(audit_maintain.maintain)
app.command("timeline")(audit_timeline.timeline)
app.command("explain")(audit_explain.explain)
app.command("replay")(audit_replay.replay)
app.command("report")(audit_report.report)
app.command("schema")(audit_schema.print_schema)
app.command("verify")(audit_verify.check)
app.command("prove")(audit_proof.prove)
app.command("check-proof")(audit_proof.check_proof)
app.add_typer(
    audit_keys.app, name="keys", help="Show, generate and rotate the keys that sign the log.", no_args_is_help=True
)
