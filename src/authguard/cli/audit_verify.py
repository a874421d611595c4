"""`authguard audit verify`, `prove`, `check-proof`, `key`, `keygen` and `rotate`: what is signed, and by whom."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from authguard import signing
from authguard.audit import checkpoints
from authguard.audit.proving import proofs
from authguard.audit.proving.signatures import Trust, by_origin
from authguard.audit.proving.verify import UNSIGNED, verify
from authguard.audit.writing.anchors import held_by
from authguard.cli.output import BROKE, UNVERIFIED, complain, deliver
from authguard.cli.progress import shown_progress
from authguard.cli.showing import escaped, log_of, moment
from authguard.core.chain import Broken
from authguard.core.notes import Key, parse_key, read_body
from authguard.errors import AuditError, SettingsError
from authguard.settings import DEFAULT_LOG, DEFAULT_STORE, beside_store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from authguard.audit.proving.signatures import Found, Ranges
    from authguard.audit.proving.verify import ChainReport, Verification

#: most bytes of a proof or a key file that are read
FILE: Final = 1_048_576

Log = Annotated[Path | None, typer.Argument(help=f"The log; else AUTHGUARD_LOG, else {DEFAULT_LOG}.")]
Keys = Annotated[
    list[str] | None,
    typer.Option("--key", help="A public key, or a file of them; else the deployment's own, beside the store."),
]
Store = Annotated[str, typer.Option("--store", help="The app's store; else AUTHGUARD_STORE, else the default.")]
KeyFile = Annotated[Path | None, typer.Option("--file", help="The key file; else the one beside the store.")]


AnchorOption = Annotated[
    list[str] | None, typer.Option("--anchor", help="What was kept elsewhere: a file of checkpoints, or a URL.")
]
AlsoOption = Annotated[list[Path] | None, typer.Option("--also", help="A log that was archived, verified too.")]


def _base(store: str, log: Path) -> str:
    return beside_store(store or os.environ.get("AUTHGUARD_STORE") or DEFAULT_STORE, str(log))


def _file(given: Path | None, store: str) -> Path:
    if given:
        return given
    named = os.environ.get("AUTHGUARD_SIGNING_KEY", "")
    if named.startswith("PRIVATE+KEY+"):
        raise SettingsError("AUTHGUARD_SIGNING_KEY holds the key itself: name a file with --file")
    return Path(named) if named else signing.beside(_base(store, log_of(None)))


def _keys(given: list[str] | None, base: str) -> tuple[Key, ...]:
    """Read the public keys that were named; else the deployment's own, none where it has none."""
    if given:
        return tuple(key for one in given for key in _named(one))
    variable = os.environ.get("AUTHGUARD_SIGNING_KEY", "")
    if not variable and not signing.beside(base).exists():
        return ()
    return tuple(one.key for one in signing.keys_of(variable, base))


def _named(given: str) -> tuple[Key, ...]:
    try:
        return (parse_key(given),)
    except ValueError as error:
        try:
            with Path(given).open("rb") as file:
                return tuple(parse_key(line) for line in file.read(FILE).decode().split())
        except (OSError, ValueError):
            raise SettingsError(f"`{escaped(given)}`: {error}") from None


def check(
    path: Log = None,
    key: Keys = None,
    anchor: AnchorOption = None,
    also: AlsoOption = None,
    store: Store = "",
) -> None:
    """Verify a log and its signatures: nothing was edited, deleted, re-ordered, cut or written anew. Else exit 4."""
    log = log_of(path)
    trust = trust_of(log, key, anchor, store)
    with shown_progress("verifying the log") as progress:
        found = verify(log, trust=trust, also=also or (), progress=progress)
    for line in _told(found, signed=trust is not None):
        typer.echo(escaped(line))
    if not found.ok:
        for chain in found.chains:
            if isinstance(chain.result, Broken):
                complain(_broken(chain, chain.result))
        for missing in found.gone:
            complain(_gone(missing))
        raise typer.Exit(UNVERIFIED)


def trust_of(log: Path, key: list[str] | None, anchor: list[str] | None, store: str) -> Trust | None:
    """Gather what a log is held against; nothing where the deployment has no key.

    Raises:
        SettingsError: a key or an anchor cannot be read.
    """
    base = _base(store, log)
    keys = _keys(key, base)
    return _trust(keys, base, anchor or ()) if keys else None


def _trust(keys: tuple[Key, ...], base: str, anchors: Iterable[str]) -> Trust:
    held: dict[str, tuple[str, ...]] = {}
    blind = False
    try:
        held = by_origin(head.note for head in checkpoints.heads(signing.memory(base)))
    except (OSError, ValueError):
        blind = True
    anchored = by_origin(_anchored(anchors, {key.name for key in keys}))
    return Trust(keys, signing.check, held, anchored, blind)


def _anchored(anchors: Iterable[str], names: set[str]) -> Iterator[str]:
    """Read what anchors hold, and say so where one does not vouch for this log."""
    for anchor in anchors:
        notes = list(held_by(anchor, os.environ.get("AUTHGUARD_ANCHOR_TOKEN", "")))
        said = [read_body(note) for note in notes]
        if None in said:
            complain(f"note: the anchor `{escaped(anchor)}` holds {said.count(None)} lines that are no checkpoint")
        if not any(one is not None and one.origin.rpartition("/")[0] in names for one in said):
            complain(f"note: the anchor `{escaped(anchor)}` holds no checkpoint of this log's key")
        yield from notes


def _told(found: Verification, *, signed: bool) -> Iterator[str]:
    for chain in found.chains:
        if not isinstance(chain.result, Broken):
            files = f" in {chain.segments + 1} files" if chain.segments else ""
            yield f"{escaped(str(chain.path))}: ok, {_counted(chain.lines, 'line')}{files}, head {chain.result.head}"
            count, since, until = chain.retired
            if count:
                yield f"  retired: lines 1 to {count}, {moment(since)} to {moment(until)}: only their hashes were kept"
            if signed:
                yield from (f"  {words}" for words in _ranges(chain.ranges, chain.lines))
    if found.kinds:
        yield "records: " + ", ".join(f"{count} {kind}" for kind, count in found.kinds.items())
        yield f"from {moment(found.first)} to {moment(found.last)}"
    if found.outcomes:
        yield "outcomes: " + ", ".join(f"{count} {outcome}" for outcome, count in found.outcomes.items())
    if found.repairs:
        yield f"repairs: {_counted(found.repairs, 'torn line')} cut off after a crash or a full disk"
    if not signed:
        yield UNSIGNED


def _ranges(ranges: Ranges, lines: int) -> Iterator[str]:
    """Tell the ranges apart, each with its first and last line."""
    edges = (
        ("anchored", 0, ranges.anchored),
        ("signed but unanchored", ranges.anchored, max(ranges.signed, ranges.anchored)),
        ("unsigned tail", max(ranges.signed, ranges.anchored), lines),
    )
    for name, begin, end in edges:
        if end > begin:
            yield f"{name}: lines {begin + 1} to {end}"
    if ranges.adopted:
        yield f"adopted: lines 1 to {ranges.adopted} were signed later than they were written"
    yield f"newest checkpoint {moment(ranges.at)}, longest silence {ranges.silence} s"


def _broken(chain: ChainReport, result: Broken) -> str:
    where = f", line {result.line}" if result.line else ""
    before = f" ({_counted(chain.lines, 'line')} of the log before it verified)" if result.line else ""
    return f"{escaped(str(chain.where))}{where}: {result.flaw.words}{before}"


def _gone(missing: Found) -> str:
    return f"{escaped(str(missing.path))}: {missing.broken.flaw.words}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def prove(
    record: Annotated[str, typer.Argument(help="The record's id: a reply's `instance`.")],
    path: Log = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write the proof to a file.")] = None,
) -> None:
    """Prove to a third party that the signed log holds a record. The proof shows that record, and no other."""
    deliver(proofs.prove(log_of(path), record), output)


def check_proof(
    proof: Annotated[Path, typer.Argument(help="The proof that `authguard audit prove` made.")],
    key: Keys = None,
    store: Store = "",
) -> None:
    """Check a proof with the public key alone, without the log. Exit 4 where it proves nothing."""
    keys = _keys(key, _base(store, log_of(None)))
    if not keys:
        raise SettingsError("name the log's public key with --key: `authguard audit key` prints it")
    try:
        with proof.open("rb") as file:
            text = file.read(FILE).decode()
    except (OSError, ValueError) as error:
        complain(f"`{proof}` cannot be read: {type(error).__name__}")
        raise typer.Exit(BROKE) from None
    try:
        found = proofs.examine(text, keys, signing.check)
    except AuditError as error:
        complain(str(error))
        raise typer.Exit(UNVERIFIED) from None
    typer.echo(escaped(found.line.decode().rstrip("\n")))
    typer.echo(f"line {found.index + 1} of {found.size} of {escaped(found.origin)}, signed {moment(found.at)}")


def show_key(file: KeyFile = None, store: Store = "") -> None:
    """Print the public keys of the log, the signing one last: give them to whoever verifies."""
    for one in signing.read_file(_file(file, store)):
        typer.echo(one.key.text())


def keygen(
    file: KeyFile = None,
    name: Annotated[str, typer.Option("--name", help="The key's name; else one of its own.")] = "",
    store: Store = "",
) -> None:
    """Make the key that signs the log, readable by its owner alone, and print its public half."""
    path = _file(file, store)
    if name and (set(name) & set("+ \t\n") or not name.isprintable()):
        raise SettingsError("a key's name has no spaces and no plus signs")
    made = signing.make(name)
    if not signing.write_file(path, (made,)):
        raise SettingsError(f"`{path}` is there already: `authguard audit rotate` adds a key to it")
    typer.echo(made.key.text())


def rotate(file: KeyFile = None, store: Store = "") -> None:
    """Add a new signing key to the file; the old one signs the first checkpoint with it. Restart the app then."""
    path = _file(file, store)
    keys = signing.read_file(path)
    made = signing.make(keys[-1].key.name)
    signing.write_file(path, (*keys, made), replace=True)
    typer.echo(made.key.text())
