"""Recorded decisions: find one in a log, and explain it under a policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import typer
from msgspec.structs import replace

from authguard.asgi.measure_text import MEASURE_REASONS, measure_text
from authguard.asgi.reply import RECORD_URN_PREFIX, RESUBMIT_TEXTS
from authguard.audit.verify.log_reader import MAX_CANDIDATES, find_records
from authguard.cli.next_command import quote_value
from authguard.cli.output import FAILED, USAGE, print_error
from authguard.cli.reason_text import describe_reason
from authguard.cli.terminal import escape, format_time_ms
from authguard.core.decision_table import DIMENSIONS, PROVEN_CREDENTIALS
from authguard.core.extra_dimensions import CHANNEL, channel_value
from authguard.core.outcomes import Outcome, Reason
from authguard.policy.explain.explainer import explain_decision

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from authguard.core.policy import Policy
    from authguard.policy.explain.explanation import Explanation

#: prefix of the guard's operations
GUARD_PREFIX: Final = "authguard."


def explain_record(policy: Policy, recorded: Mapping[str, Any]) -> tuple[Explanation, tuple[str, ...]]:
    """Explain a recorded decision under a policy.

    Args:
        policy: compiled policy.
        recorded: record of the decision.

    Returns:
        The explanation, and notes on the differences between the record and the explanation.

    Raises:
        typer.Exit: the policy lacks a state of the record; the message has been printed.
    """
    notes: list[str] = []
    operation = find_operation(policy, recorded, notes)
    found = explain_decision(policy, read_cell(policy, recorded, settled=bool(operation)), operation)
    notes += compare_record(policy, found, recorded)
    return add_text_of_reason(policy, found, recorded), (*notes, *found.notes)


def find_decision(log: Path, typed: str) -> dict[str, Any]:
    """Find the record of a decision.

    Args:
        log: path of the log's first chain.
        typed: the id or the beginning of it, also as in ``instance`` of a reply.

    Raises:
        typer.Exit: there is no such record, or it is no decision (`FAILED`); or several begin so (`USAGE`).
    """
    record = typed.removeprefix(RECORD_URN_PREFIX.decode())
    candidates = find_records(log, record)
    if not candidates:
        print_error(f"there is no record `{escape(record)}` in `{escape(str(log))}` or its other chains")
        raise typer.Exit(FAILED)
    if len(candidates) > 1:
        more = " or more" if len(candidates) == MAX_CANDIDATES else ""
        print_error(f"`{escape(record)}` is the beginning of {len(candidates)}{more} records; type more of one:")
        for one in candidates:
            print_error(escape(f"  {one['id']} {one.get('kind')} at {format_time_ms(one.get('at'))}"))
        raise typer.Exit(USAGE)
    found = candidates[0]
    cell = found.get("cell")
    if found.get("kind") != "decision" or not isinstance(cell, list) or len(cell) != len(DIMENSIONS):
        print_error(f"record `{escape(found['id'])}` is not a decision: only decisions have a cell to explain")
        print_error(escape(f"next: authguard audit explain {quote_value(found['id']) or 'ID'}"))
        raise typer.Exit(FAILED)
    return found


def find_operation(policy: Policy, recorded: Mapping[str, Any], notes: list[str]) -> str:
    """Return the operation of a record if this policy has it with the same risk and effect."""
    name = str(recorded.get("operation", ""))
    cell = dict(zip(DIMENSIONS, recorded["cell"], strict=True))
    for operation in policy.all_operations:
        if operation.name == name and (operation.risk, operation.effect) == (cell["risk"], cell["effect"]):
            return name
    if name.startswith(GUARD_PREFIX):
        notes.append(f"`{name}` is an endpoint of the guard: its risk and effect are fixed, and no policy declares it")
        return ""
    notes.append(f"operation `{name}` differs in this policy; the recorded risk and effect are used")
    return ""


def read_cell(policy: Policy, recorded: Mapping[str, Any], *, settled: bool) -> dict[str, str]:
    """Return dimension -> recorded value; without risk and effect if an operation settles them.

    Raises:
        typer.Exit: the policy does not have a value.
    """
    cell = {name: str(value) for name, value in zip(DIMENSIONS, recorded["cell"], strict=True)}
    for name, value in cell.items():
        if value not in policy.table.values[name]:
            print_error(f"the record has `{name}` `{value}`, which this policy does not have")
            raise typer.Exit(FAILED)
    extra: dict[str, str] = {**recorded.get("context", {})}
    is_proven = cell["credential"] in PROVEN_CREDENTIALS
    extra[CHANNEL] = channel_value(policy, str(recorded.get("channel", "")) if is_proven else "")
    cell |= {name: value for name, value in extra.items() if value in policy.table.values.get(name, ())}
    return {name: value for name, value in cell.items() if not (settled and name in ("risk", "effect"))}


def compare_record(policy: Policy, found: Explanation, recorded: Mapping[str, Any]) -> Iterator[str]:
    """Yield notes on the differences between the record and the explanation."""
    if recorded.get("policy") != policy.digest:
        yield f"recorded under another policy, {str(recorded.get('policy'))[:12]}; explained under this one"
    if meaning := describe_reason(str(recorded.get("reason", ""))):
        claim = f", claim `{recorded['claim']}`" if recorded.get("claim") else ""
        yield f"reason {recorded['reason']}{claim}: {meaning}"
    if recorded.get("rule") != found.rule:
        yield f"recorded rule: {recorded.get('rule')}, outcome {recorded.get('outcome')}"
    elif recorded.get("fallback") != found.fallback:
        yield f"recorded fallback: {recorded.get('fallback')} ({recorded.get('reason')}) instead of the rule's fallback"


def add_text_of_reason(policy: Policy, found: Explanation, recorded: Mapping[str, Any]) -> Explanation:
    """Return the explanation with the text that the caller of a denied request got for its reason, if there is one."""
    reason = next((one for one in Reason if one.code == recorded.get("reason", "")), Reason.DECIDED)
    text = RESUBMIT_TEXTS.get(reason, "")
    for operation in policy.all_operations if reason in MEASURE_REASONS else ():
        text = measure_text(reason, operation) if operation.name == found.operation else text
    return replace(found, say={("", "default"): text}) if text and found.outcome == Outcome.DENY else found
