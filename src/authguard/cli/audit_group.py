"""`authguard audit`: one file for what belongs together; this one only names the commands."""

from __future__ import annotations

from authguard.cli import (
    audit,
    audit_ask,
    audit_erase,
    audit_replay,
    audit_report,
    audit_schema,
    audit_tell,
    audit_tidy,
)

app = audit.app
app.command("show")(audit_ask.show)
app.command("session")(audit_ask.session)
app.command("subject")(audit_ask.subject)
app.command("query")(audit_ask.query)
app.command("erase")(audit_erase.erase)
app.command("export")(audit_ask.export)
app.command("stats")(audit_tell.stats)
app.command("tidy")(audit_tidy.tidy)
app.command("timeline")(audit_tell.timeline)
app.command("why")(audit_tell.why)
app.command("replay")(audit_replay.replay)
app.command("report")(audit_report.report)
app.command("schema")(audit_schema.print_schema)
