"""`authguard audit`: read the log as it grows, and verify that nothing in it was changed."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from authguard.audit.reading import Reader, parse
from authguard.audit.verify import UNSIGNED, verify
from authguard.cli.output import BROKE, UNVERIFIED, complain
from authguard.core.chain import Broken
from authguard.settings import DEFAULT_LOG

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from authguard.audit.verify import ChainReport, Verification

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
    *("act", "by", "where", "error", "status", "records", "note"),
    *("subject", "actor", "session", "credential", "transaction", "channel", "ticket", "decision", "trace", "id"),
)
_COLOURS: Final = {"decision": None, "transition": "cyan", "refusal": "yellow", "withdrawn": "yellow", "fault": "red"}

Log = Annotated[
    Path | None,
    typer.Argument(help=f"The log; else AUTHGUARD_LOG, else {DEFAULT_LOG}. Chains beside it are read too."),
]


def _log(given: Path | None) -> Path:
    return given or Path(os.environ.get("AUTHGUARD_LOG") or DEFAULT_LOG)


@app.command("tail")
def tail(
    path: Log = None,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, max=LINES_BOUND, help="How many lines.")] = 20,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as lines come, until interrupted.")] = False,
    raw: Annotated[bool, typer.Option("--json", help="Show the lines as they stand in the log.")] = False,
) -> None:
    """Show the last lines of a log, of all its chains, by time. They are shown, not verified."""
    log = _log(path)
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
    return f"{_time(record.get('at'))} {_bounded(str(record['kind'])):<10} {values}"


def _value(value: object) -> str:
    """Show one value; one that could pass for several, or for another's name, is quoted."""
    text = _bounded(",".join(str(item) for item in value) if isinstance(value, list) else str(value))
    if not set(text) & set(' ="'):
        return text
    return '"' + text.replace('"', '\\"') + '"'


def _bounded(text: str) -> str:
    return escaped(text if len(text) <= VALUE_BOUND else text[: VALUE_BOUND - 1] + "…")


def escaped(text: str) -> str:
    """Make text safe for a terminal: what does not print, and what turns the writing round, is shown by its code.

    The codes are JSON's, so that an escaped line of JSON is still the same JSON.
    """
    return "".join(char if char.isprintable() else _codes(char) for char in text)


def _codes(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))


def _time(at: object) -> str:
    """Show epoch seconds as UTC to the millisecond."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"  # type: ignore[arg-type]  # a forged line may hold anything here
    except (TypeError, ValueError, OverflowError, OSError):
        return "(no time)"


@app.command("verify")
def check(path: Log = None) -> None:
    """Verify that nothing in a log was edited, deleted, inserted or re-ordered. Exit 4 where something was."""
    found = verify(_log(path))
    for line in _told(found):
        typer.echo(line)
    if not found.ok:
        for chain in found.chains:
            if isinstance(chain.result, Broken):
                complain(_broken(chain, chain.result))
        raise typer.Exit(UNVERIFIED)


def _told(found: Verification) -> Iterable[str]:
    for chain in found.chains:
        if not isinstance(chain.result, Broken):
            yield f"{escaped(str(chain.path))}: ok, {_counted(chain.lines, 'line')}, head {chain.result.head}"
    if found.kinds:
        yield "records: " + ", ".join(f"{count} {kind}" for kind, count in found.kinds.items())
        yield f"from {_time(found.first)} to {_time(found.last)}"
    if found.outcomes:
        yield "outcomes: " + ", ".join(f"{count} {outcome}" for outcome, count in found.outcomes.items())
    if found.repairs:
        yield f"repairs: {_counted(found.repairs, 'torn line')} cut off after a crash or a full disk"
    yield UNSIGNED


def _broken(chain: ChainReport, result: Broken) -> str:
    where = f", line {result.line}" if result.line else ""
    before = f" ({_counted(chain.lines, 'line')} before it verified)" if result.line else ""
    return f"{escaped(str(chain.path))}{where}: {result.flaw.words}{before}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
