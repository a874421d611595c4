"""`authguard audit`: one file for what belongs together; this one only names the commands."""

from __future__ import annotations

import typer

from authguard.cli import (
    audit_accept,
    audit_ask,
    audit_erase,
    audit_keys,
    audit_proof,
    audit_replay,
    audit_report,
    audit_schema,
    audit_tail,
    audit_tell,
    audit_tidy,
    audit_verify,
)

app = typer.Typer()
app.command("tail")(audit_tail.tail)
app.command("show")(audit_ask.show)
app.command("session")(audit_ask.session)
app.command("subject")(audit_ask.subject)
app.command("query")(audit_ask.query)
app.command("accept")(audit_accept.accept)
app.command("erase")(audit_erase.erase)
app.command("export")(audit_ask.export)
app.command("stats")(audit_tell.stats)
app.command("tidy")(audit_tidy.tidy)
app.command("timeline")(audit_tell.timeline)
app.command("why")(audit_tell.why)
app.command("replay")(audit_replay.replay)
app.command("report")(audit_report.report)
app.command("schema")(audit_schema.print_schema)
app.command("verify")(audit_verify.check)
app.command("prove")(audit_proof.prove)
app.command("check-proof")(audit_proof.check_proof)
app.command("key")(audit_keys.show_key)
app.command("keygen")(audit_keys.keygen)
app.command("rotate")(audit_keys.rotate)
