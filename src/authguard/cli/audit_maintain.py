"""`authguard audit maintain`: apply rotation, compression and retention to chains without a writer."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Final

import typer

from authguard.audit.query.index import open_index
from authguard.audit.query.index_place import UnusableCacheError, find_index, is_private, old_path
from authguard.cli.line_wrap import print_line
from authguard.cli.options import JsonOption, LogOption, PolicyOption, StoreOption
from authguard.cli.output import FAILED, print_error
from authguard.cli.terminal import escape, require_log
from authguard.errors import AuditError
from authguard.log_factory import maintain_log
from authguard.settings import Settings

#: words of the reason why a chain is left to its writer
RUNNING: Final = "running process"


def maintain(
    policy: PolicyOption = "", store: StoreOption = "", log: LogOption = None, *, as_json: JsonOption = False
) -> None:
    """Rotate, compress and retire due segments of chains without a running writer.

    A running app maintains its chain itself. A command, or a worker that is not restarted, leaves a chain without a
    writer: run this command daily if `audit.retention` is a commitment. An index of this user forgets retired records,
    too. Exit 1 if a chain could not be maintained.

    Examples:

        authguard audit maintain --policy policy.yaml

        authguard audit maintain --json
    """
    settings = Settings.resolve(policy, store=store, audit_log=log)
    require_log(Path(settings.audit_log))
    done = [(chain.name, why) for chain, why in maintain_log(settings)]
    _update_index(Path(settings.audit_log))
    failed = [name for name, why in done if why and RUNNING not in why]
    verdict = "failed" if failed else "maintained"
    if as_json:
        chains = [{"chain": name, "maintained": not why, "running": RUNNING in why, "why": why} for name, why in done]
        typer.echo(json.dumps({"verdict": verdict, "chains": chains}, indent=2))
    else:
        print_line(f"{verdict}: {len(done) - len(failed)} of {len(done)} chains")
        for name, why in sorted(done, key=lambda one: one[0] not in failed):
            print_line(f"  {escape(name)}: {escape(why) or 'maintained'}")
    if failed:
        print_error("some chains could not be maintained")
        raise typer.Exit(FAILED)


def _update_index(log: Path) -> None:
    """Remove retired records from this user's index of the log, and an index that an earlier version left beside it."""
    with suppress(OSError):
        old_path(log).unlink(missing_ok=True)
    # an index that cannot be updated is removed or replaced by the next query
    with suppress(UnusableCacheError, AuditError):
        if is_private(find_index(log)):
            with open_index(log):
                pass
