"""`authguard audit verify`: verify hash chains, signatures and anchors of a log, and the promises of its policy."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from authguard.audit.verify.log_verifier import verify
from authguard.cli.audit_trust import (
    NO_KEY,
    AlsoOption,
    AnchorOption,
    KeyOption,
    LogKeys,
    find_log,
    load_keys,
    load_trust,
)
from authguard.cli.audit_verify_text import (
    VerifyFinding,
    VerifyResult,
    count,
    format_details,
    format_verdict,
    to_builtins,
)
from authguard.cli.line_wrap import print_line, print_lines
from authguard.cli.options import JsonOption, LogOption, PolicyOption, StoreOption
from authguard.cli.output import FAILED, INVALID, UNVERIFIED, print_error
from authguard.cli.progress import progress_bar
from authguard.cli.terminal import escape
from authguard.errors import PolicyError
from authguard.records.chain import ChainBreak, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from authguard.audit.verify.result import Verification
    from authguard.cli.audit_promise import Promise, UsedPolicy

SignedOption = Annotated[
    bool, typer.Option("--require-signed", help="Fail if a line is not covered by a checkpoint of the key.")
]
AnchoredOption = Annotated[
    bool,
    typer.Option("--require-anchored", help="Fail if a signed line is not covered by a checkpoint of an --anchor."),
]
StrictOption = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Fail if lines are foreign, recovered or adopted and not accepted, or if a promise is not kept.",
    ),
]
HashesOption = Annotated[
    bool,
    typer.Option("--hashes-only", help="Verify only the hashes: does not detect truncation or a full rewrite."),
]


def check(
    log: LogOption = None,
    key: KeyOption = None,
    anchor: AnchorOption = None,
    also: AlsoOption = None,
    policy: PolicyOption = "",
    store: StoreOption = "",
    *,
    require_signed: SignedOption = False,
    require_anchored: AnchoredOption = False,
    strict: StrictOption = False,
    hashes_only: HashesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Verify that no line of a log was edited, deleted, reordered, truncated or rewritten.

    With --policy, say also under which policies the log was written, whether the given one is in force at its end, and
    whether checkpoints and retention are as it promises. Exit 4 if verification fails, or if there is no public key.
    Exit 1 if a file cannot be read now.

    Examples:

        authguard audit verify

        authguard audit verify --policy policy.yaml --strict --json

        authguard audit verify --key log.pub --require-signed
    """
    path = find_log(log, store)
    if hashes_only and (key or anchor or require_signed or require_anchored):
        raise typer.BadParameter("signatures and anchors need a key", param_hint="--hashes-only")
    log_keys = LogKeys(()) if hashes_only else load_keys(key, store, path)
    trust = load_trust(path, log_keys, anchor, store)
    with progress_bar("verifying the log") as progress:
        found = verify(
            path,
            trust=trust,
            also=also or (),
            progress=progress,
            reload_trust=lambda: load_trust(path, log_keys, anchor, store),
        )
    policies, promises, unusable = _compare(policy, path, found)
    failures = [] if found.is_inaccessible else list(_broken(found))
    if trust is None and not hashes_only:
        failures.append(VerifyFinding(place="", what=NO_KEY))
    if require_signed:
        failures += _uncovered(found, "signed")
    if require_anchored:
        failures += _uncovered(found, "anchored")
    if strict:
        failures += _unaccepted(found)
        failures += (VerifyFinding(place="", what=one.words) for one in promises if not one.is_kept)
    unread = list(_broken(found)) if found.is_inaccessible else []
    result = VerifyResult(
        log=str(path),
        found=found,
        findings=(*failures, *unread),
        is_unread=bool(unread) and not failures,
        is_signed=trust is not None,
        note=log_keys.note,
        policies=policies,
        promises=promises,
    )
    if as_json:
        import json  # noqa: PLC0415 - text needs none

        typer.echo(json.dumps(to_builtins(result), indent=2))
    else:
        _print(result)
    if unusable:
        print_error(unusable)
    if failures or unread or unusable:
        raise typer.Exit(UNVERIFIED if failures else FAILED if unread else INVALID)


def _print(result: VerifyResult) -> None:
    """Print the verdict, then what is wrong, then the rest."""
    print_line(format_verdict(result))
    for finding in result.findings:
        print_error(escape(finding.text))
    print_lines(format_details(result))
    if result.note:
        print_lines((f"note: {result.note}",))  # part of the result: it limits what the verdict means


def _compare(policy: str, path: Path, found: Verification) -> tuple[tuple[UsedPolicy, ...], tuple[Promise, ...], str]:
    """Return the policies of a verified log, what the given one promises, and why that could not be checked."""
    if not policy or not found.ok:
        return (), (), ""
    from authguard.cli.audit_options import open_log_index  # noqa: PLC0415 - only --policy needs these
    from authguard.cli.audit_promise import compare_promises, list_policies  # noqa: PLC0415
    from authguard.clock import SystemClock  # noqa: PLC0415
    from authguard.policy.compiler import load  # noqa: PLC0415

    try:
        loaded = load(policy)
    except PolicyError as error:
        return (), (), f"the policy is not valid, so what it promises was not checked; the log was verified\n{error}"
    with open_log_index(path) as index:
        policies = list_policies(index)
    return policies, tuple(compare_promises(loaded, policies, found, SystemClock().now())), ""


def _broken(found: Verification) -> Iterator[VerifyFinding]:
    """Yield each broken chain and missing file."""
    for chain in found.chains:
        if isinstance(chain.result, ChainBreak):
            before = f" ({count(chain.lines, 'line')} verified before it)" if chain.result.line else ""
            what = f"{chain.result.violation.message}{before}"
            yield VerifyFinding(
                place=str(chain.where), line=chain.result.line, what=what, next=_remedy(chain.result.violation)
            )
    for missing in found.missing:
        violation = missing.broken.violation
        yield VerifyFinding(place=str(missing.path), what=violation.message, next=_remedy(violation))


def _remedy(violation: Violation) -> str:
    """Return what to do about a violation; empty if its message says it."""
    if violation is Violation.INACCESSIBLE or violation.message.count(":") or ";" in violation.message:
        return ""
    return "keep the file as evidence, and compare it with an anchor or a backup"


def _uncovered(found: Verification, how: str) -> Iterator[VerifyFinding]:
    """Yield each range of lines that `--require-signed` or `--require-anchored` rejects."""
    for chain in found.chains:
        signed = max(chain.ranges.signed, chain.ranges.anchored)
        begin, end = (signed, chain.lines) if how == "signed" else (chain.ranges.anchored, max(signed, 1))
        if end > begin:
            what = f"lines {begin + 1} to {end} are not {how}, but --require-{how} is set"
            yield VerifyFinding(place=str(chain.path), what=what)


def _unaccepted(found: Verification) -> Iterator[VerifyFinding]:
    """Yield each range of lines that has not been accepted."""
    for mark in found.unaccepted():
        command = f"investigate, then run `authguard audit accept {shlex.quote(mark.place)} --by NAME --reason WHY`"
        yield VerifyFinding(place=mark.place, what=mark.words, next=command)
