"""`authguard audit maintain`: keep the chains of a log that nobody writes any more as the policy says."""

from __future__ import annotations

import typer

from authguard.cli.operator_session import LogOption, PolicyOption, StoreOption  # noqa: TC001 - typer reads them
from authguard.cli.output import FAILED, print_error
from authguard.cli.terminal import escape
from authguard.factory import maintain_log
from authguard.settings import Settings


def maintain(policy: PolicyOption = "", store: StoreOption = "", log: LogOption = "") -> None:
    """Close, compress and retire what is due in chains whose writers are gone; a running app keeps its own.

    A command, or a worker that is not started again, leaves such a chain: run it daily where
    `audit.retention` is a promise.
    """
    failed = False
    for chain, why in maintain_log(Settings.resolve(policy, store=store, audit_log=log)):
        typer.echo(f"{escape(chain.name)}: {escape(why) or 'kept as the policy says'}")
        failed |= bool(why) and "living process" not in why
    if failed:
        print_error("not all chains could be kept as the policy says")
        raise typer.Exit(FAILED)
