"""`authguard issuer`: check what an issuer publishes, before a policy names it."""

from __future__ import annotations

import typer

from authguard.cli.issuer_check import check

app = typer.Typer(no_args_is_help=True)
app.command()(check)


@app.callback()
def group() -> None:
    """Check what an issuer publishes."""
