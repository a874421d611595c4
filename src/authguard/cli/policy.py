"""`authguard policy`: one file a command; this one only names them."""

from __future__ import annotations

import typer

from authguard.cli import (
    policy_check,
    policy_diff,
    policy_explain,
    policy_graph,
    policy_init,
    policy_schema,
    policy_show,
    policy_test,
)

app = typer.Typer()
app.command("check")(policy_check.prove)
app.command("diff")(policy_diff.compare)
app.command("explain")(policy_explain.why)
app.command("graph")(policy_graph.graph)
app.command("init")(policy_init.begin)
app.command("schema")(policy_schema.print_schema)
app.command("show")(policy_show.show)
app.command("test")(policy_test.rehearse)
