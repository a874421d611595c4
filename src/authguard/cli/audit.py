"""`authguard audit`: read the log as it grows, and verify that nothing in it was changed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from authguard.audit.reading import Reader, parse
from authguard.cli import audit_verify
from authguard.cli.output import BROKE, complain
from authguard.cli.showing import escaped, log_of, moment
from authguard.settings import DEFAULT_LOG

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

app = typer.Typer()

#: seconds between looks at a log that is followed
POLL: Final = 0.5
#: most lines that are asked for at once
LINES_BOUND: Final = 10_000
#: characters of one value that are shown
VALUE_BOUND: Final = 200

#: what a line is known by, in the order shown; a member that is empty or absent is left out
_SHOWN: Final = (
    *("operation", "outcome", "fallback", "reason", "rule", "cell", "events"),
    *("machine", "event", "source", "dest", "cause"),
    *("act", "by", "where", "error", "status", "records", "note", "level", "message", "fields", "refused"),
    *("subject", "actor", "session", "credential", "transaction", "channel", "ticket", "decision", "trace_id", "id"),
)
_COLOURS: Final = {"decision": None, "transition": "cyan", "refusal": "yellow", "withdrawn": "yellow", "fault": "red"}

Log = Annotated[
    Path | None,
    typer.Argument(help=f"The log; else AUTHGUARD_LOG, else {DEFAULT_LOG}. Chains beside it are read too."),
]


@app.command("tail")
def tail(
    path: Log = None,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, max=LINES_BOUND, help="How many lines.")] = 20,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as lines come, until interrupted.")] = False,
    raw: Annotated[bool, typer.Option("--json", help="Show the lines as they stand in the log.")] = False,
) -> None:
    """Show the last lines of a log, of all its chains, by time. They are shown, not verified."""
    log = log_of(path)
    reader = Reader(log)
    shown = reader.last(lines)
    if not shown and not follow and not log.exists():
        complain(f"there is no log at `{log}`: name one, or set AUTHGUARD_LOG")
        raise typer.Exit(BROKE)
    _show(shown, raw)
    try:
        while follow:
            time.sleep(POLL)
            _show(reader.more(), raw)
    except KeyboardInterrupt:
        raise typer.Exit from None


def _show(lines: Iterable[bytes], raw: bool) -> None:
    for line in lines:
        if raw:
            typer.echo(escaped(line.decode("utf-8", "backslashreplace").rstrip("\n")))
        else:
            record = parse(line)
            typer.secho(describe(record, line), fg=_COLOURS.get(str(record.get("kind")), "green"))


def describe(record: Mapping[str, Any], line: bytes) -> str:
    """Tell a record in one printable line; what is no record is shown as it stands."""
    if "kind" not in record:
        return f"not a record: {_bounded(line.decode('utf-8', 'backslashreplace').rstrip())}"
    values = " ".join(f"{name}={_value(record[name])}" for name in _SHOWN if record.get(name))
    return f"{moment(record.get('at'))} {_bounded(str(record['kind'])):<10} {values}"


def _value(value: object) -> str:
    """Show one value; one that could pass for several, or for another's name, is quoted."""
    items = [f"{name}:{item}" for name, item in value.items()] if isinstance(value, dict) else value
    text = _bounded(",".join(str(item) for item in items) if isinstance(items, list) else str(items))
    if not set(text) & set(' ="'):
        return text
    return '"' + text.replace('"', '\\"') + '"'


def _bounded(text: str) -> str:
    return escaped(text if len(text) <= VALUE_BOUND else text[: VALUE_BOUND - 1] + "…")


app.command("verify")(audit_verify.check)
app.command("prove")(audit_verify.prove)
app.command("check-proof")(audit_verify.check_proof)
app.command("key")(audit_verify.show_key)
app.command("keygen")(audit_verify.keygen)
app.command("rotate")(audit_verify.rotate)
