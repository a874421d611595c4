"""`authguard token`: check a token against a policy, and mint tokens for local trials."""

from __future__ import annotations

import typer

from authguard.cli.token_check import check
from authguard.cli.token_mint import mint

app = typer.Typer(no_args_is_help=True)
app.command()(check)
app.command()(mint)
