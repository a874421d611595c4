"""`authguard audit maintain`: apply rotation, compression and retention to chains without a writer."""

from __future__ import annotations

from pathlib import Path

import typer

from authguard.cli.options import LogOption, PolicyOption, StoreOption
from authguard.cli.output import FAILED, print_error
from authguard.cli.terminal import escape, require_log
from authguard.settings import Settings
from authguard.state_factory import maintain_log


def maintain(policy: PolicyOption = "", store: StoreOption = "", log: LogOption = None) -> None:
    """Rotate, compress and retire due segments of chains without a running writer.

    A running app maintains its chain itself. A command, or a worker that is not restarted, leaves a chain without a
    writer: run this command daily if `audit.retention` is a commitment. Exit 1 if a chain could not be maintained.
    """
    failed, settings = False, Settings.resolve(policy, store=store, audit_log=log)
    require_log(Path(settings.audit_log))
    for chain, why in maintain_log(settings):
        typer.echo(f"{escape(chain.name)}: {escape(why) or 'maintained'}")
        failed |= bool(why) and "running process" not in why
    if failed:
        print_error("some chains could not be maintained")
        raise typer.Exit(FAILED)
