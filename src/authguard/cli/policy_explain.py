"""`authguard policy explain`: explain one decision and the changes that would permit the request."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from authguard.asgi.measure_text import MEASURE_REASONS, measure_text
from authguard.asgi.reply import DEFAULT_TEXTS, RESUBMIT_TEXTS
from authguard.audit.verify.log_reader import find_record
from authguard.cli.output import FAILED, print_error
from authguard.cli.reason_text import describe_reason
from authguard.cli.terminal import escape
from authguard.core.decision_table import CONDITIONS, DIMENSIONS
from authguard.core.events import MACHINES
from authguard.core.outcomes import ADMITTING, Outcome, Reason
from authguard.policy.compiler import load
from authguard.policy.explain.explainer import explain_decision
from authguard.policy.loading.locator import resolve_folder
from authguard.policy.problem import did_you_mean
from authguard.policy.schema.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from authguard.policy.compiled_policy import Policy
    from authguard.policy.explain.explanation import Explanation, Remedy

PolicyArgument = Annotated[
    str, typer.Argument(metavar="POLICY", help="A policy file, a folder with one, or a shipped name.")
]
Log = Annotated[Path | None, typer.Option("--log", help="An audit log with the record of --id.")]
#: rules before the decisive rule that are shown without `--all`
MAX_SKIPPED_SHOWN: Final = 12
#: prefix of the guard's operations
GUARD_PREFIX: Final = "authguard."
_WHY: Final = {
    "given": "given",
    "operation": "fixed by the operation",
    "default": "not given; the decision depends on it",
}


class Form(StrEnum):
    """Output formats."""

    TEXT = "text"
    JSON = "json"


def _condition(name: str) -> Any:  # noqa: ANN401 - Typer's own type
    return typer.Option(f"--{name}", help=f"One of {', '.join(CONDITIONS[name])}.")


def explain(
    policy: PolicyArgument,
    *,
    operation: Annotated[str, typer.Option("--operation", "-o", help="Name of the requested operation.")] = "",
    state: Annotated[
        list[str] | None,
        typer.Option("--state", "-s", help="State of a machine, such as `session=expired`; may be repeated."),
    ] = None,
    credential: Annotated[str, _condition("credential")] = "",
    risk: Annotated[str, _condition("risk")] = "",
    effect: Annotated[str, _condition("effect")] = "",
    scope: Annotated[str, _condition("scope")] = "",
    assurance: Annotated[str, _condition("assurance")] = "",
    limit: Annotated[str, _condition("limit")] = "",
    channel: Annotated[str, _condition("channel")] = "",
    actor: Annotated[str, _condition("actor")] = "",
    log: Annotated[Path | None, typer.Option("--log", help="An audit log with the record of --id.")] = None,
    record: Annotated[
        str, typer.Option("--id", help="Id of a record to explain; other options override its values.")
    ] = "",
    form: Annotated[Form, typer.Option("--format", "-f", help="Output format.")] = Form.TEXT,
    everything: Annotated[bool, typer.Option("--all", help="Show all rules before the rule that decided.")] = False,
) -> None:
    """Explain one decision: its rule, the rules before it, the reply and the changes needed to be allowed."""
    conditions = {
        "credential": credential,
        "risk": risk,
        "effect": effect,
        "scope": scope,
        "assurance": assurance,
        "limit": limit,
        "channel": channel,
        "actor": actor,
    }
    loaded = load(resolve_folder(policy))
    given = _states(loaded, state or []) | _conditions(conditions)
    if bool(record) != bool(log):
        raise typer.BadParameter("--log and --id must be used together", param_hint="--id")
    notes: list[str] = []
    if log:
        recorded = _recorded(log, record)
        operation = operation or _named(loaded, recorded, notes)
        given = _cell(loaded, recorded, settled=bool(operation)) | given
    _check_operation(loaded, operation, given)
    found = explain_decision(loaded, given, operation)
    if log:
        notes += _compare_record(loaded, found, recorded)
        found = _with_text_of_reason(loaded, found, recorded)
    if form is Form.JSON:
        typer.echo(_json(found, notes))
    else:
        for line in _format_explanation(found, notes, everything):
            typer.echo(escape(line))


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
    operation = _named(policy, recorded, notes)
    found = explain_decision(policy, _cell(policy, recorded, settled=bool(operation)), operation)
    notes += _compare_record(policy, found, recorded)
    return _with_text_of_reason(policy, found, recorded), (*notes, *found.notes)


def _with_text_of_reason(policy: Policy, found: Explanation, recorded: Mapping[str, Any]) -> Explanation:
    """Return the explanation with the text that the caller of a denied request got for its reason, if there is one."""
    reason = next((one for one in Reason if one.code == recorded.get("reason", "")), Reason.DECIDED)
    text = RESUBMIT_TEXTS.get(reason, "")
    for operation in policy.all_operations if reason in MEASURE_REASONS else ():
        text = measure_text(reason, operation) if operation.name == found.operation else text
    return replace(found, say={("", "default"): text}) if text and found.outcome == Outcome.DENY else found


def _states(policy: Policy, typed: Sequence[str]) -> dict[str, str]:
    given = {}
    for item in ",".join(typed).split(",") if typed else ():
        machine, _, state = item.partition("=")
        if machine not in MACHINES:
            raise typer.BadParameter(
                f"`{machine}` is not a machine; {did_you_mean(machine, MACHINES)}", param_hint="--state"
            )
        known = policy.table.values[machine]
        if state not in known:
            message = f"`{state}` is not a state of `{machine}`; {did_you_mean(state, known)}"
            raise typer.BadParameter(message, param_hint="--state")
        given[machine] = state
    return given


def _conditions(typed: Mapping[str, str]) -> dict[str, str]:
    for name, value in typed.items():
        if value and value not in CONDITIONS[name]:
            message = f"`{value}` is not a value of `{name}`; {did_you_mean(value, CONDITIONS[name])}"
            raise typer.BadParameter(message, param_hint=f"--{name}")
    return {name: value for name, value in typed.items() if value}


def _check_operation(policy: Policy, operation: str, given: Mapping[str, str]) -> None:
    names = [item.name for item in policy.all_operations]
    if operation == policy.otherwise.name and not policy.admits_unnamed:
        message = "an unnamed request is refused with 404 before the decision table (`otherwise: deny`)"
        raise typer.BadParameter(message, param_hint="--operation")
    if operation and operation not in names:
        message = f"`{operation}` is not an operation of `{policy.name}`; {did_you_mean(operation, names)}"
        raise typer.BadParameter(message, param_hint="--operation")
    if operation and {"risk", "effect"} & set(given):
        raise typer.BadParameter("the operation fixes risk and effect", param_hint="--operation")


def _recorded(log: Path, record: str) -> dict[str, Any]:
    found = find_record(log, record)
    if not found:
        print_error(f"there is no record `{record}` in `{log}` or its other chains")
        raise typer.Exit(FAILED)
    cell = found.get("cell")
    if found.get("kind") != "decision" or not isinstance(cell, list) or len(cell) != len(DIMENSIONS):
        print_error(f"record `{record}` is not a decision: only decisions have a cell to explain")
        raise typer.Exit(FAILED)
    return found


def _named(policy: Policy, recorded: Mapping[str, Any], notes: list[str]) -> str:
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


def _cell(policy: Policy, recorded: Mapping[str, Any], *, settled: bool) -> dict[str, str]:
    cell = {name: str(value) for name, value in zip(DIMENSIONS, recorded["cell"], strict=True)}
    for name, value in cell.items():
        if value not in policy.table.values[name]:
            print_error(f"the record has `{name}` `{value}`, which this policy does not have")
            raise typer.Exit(FAILED)
    return {name: value for name, value in cell.items() if not (settled and name in ("risk", "effect"))}


def _compare_record(policy: Policy, found: Explanation, recorded: Mapping[str, Any]) -> Iterator[str]:
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


def _json(found: Explanation, notes: Sequence[str]) -> str:
    built = msgspec.to_builtins(found)
    built["say"] = [
        {"language": language, "channel": channel, "text": text} for (language, channel), text in found.say.items()
    ]
    built["notes"] = [*notes, *found.notes]
    return msgspec.json.format(msgspec.json.encode(built), indent=2).decode()


def _format_explanation(found: Explanation, notes: Sequence[str], everything: bool) -> Iterator[str]:
    here = {one.dimension: one.value for one in found.values}
    named = found.operation or f"a {here['risk']} {here['effect']}"
    yield f"{named}, under policy {found.policy} ({found.digest[:12]})"
    yield from (f"note: {note}" for note in (*notes, *found.notes))
    yield ""
    conditions = "; ".join(f"{name} {' or '.join(values)}" for name, values in found.when.items()) or "always"
    yield f"Rule {found.rule} ({found.origin}) decided: {conditions}."
    yield from _format_reply(found)
    yield ""
    yield "Values:"
    for known, words in _WHY.items():
        values = ", ".join(f"{one.dimension} {one.value}" for one in found.values if one.known == known)
        if values:
            yield f"  {values} ({words})"
    if any(one.known == "any" for one in found.values):
        names = ", ".join(one.dimension for one in found.values if one.known == "any")
        yield f"  {names}: any (the decision is the same)"
    yield ""
    yield from _format_skipped(found, everything)
    yield from _format_remedies(found)


def _format_reply(found: Explanation) -> Iterator[str]:
    status = f"HTTP {found.status}" if found.status else "the app's own status"
    origin = f" ({found.fallback_origin})" if found.fallback_origin else ""
    named = "" if found.fallback == "allow" else f", fallback {found.fallback}{origin}"
    yield f"The caller gets: {found.outcome}, {status}{named}."
    words = found.say or {("", "default"): DEFAULT_TEXTS.get(Outcome(found.outcome), "")}
    for (language, channel), text in words.items():
        if text:
            where = " ".join(part for part in (language, "" if channel == "default" else channel) if part)
            yield f'  says{f" ({where})" if where else ""}: "{text}"'
    if found.attempts:
        times, per, then = found.attempts
        yield f"  {times} times in {format_duration(per)} for each customer and operation, then {then}"


def _format_skipped(found: Explanation, everything: bool) -> Iterator[str]:
    if not found.skipped:
        yield "It is the first rule."
        return
    yield f"The {len(found.skipped)} rules before it did not match:"
    shown = found.skipped if everything else found.skipped[-MAX_SKIPPED_SHOWN:]
    if len(shown) < len(found.skipped):
        yield f"  {len(found.skipped) - len(shown)} more; --all shows them"
    for skipped in shown:
        yield f"  {skipped.rule} ({skipped.origin}): {', '.join(skipped.dimensions)}"


def _format_remedies(found: Explanation) -> Iterator[str]:
    if Outcome(found.outcome) in ADMITTING and not found.remedies:
        return
    yield ""
    if found.undecided:
        yield "The changes needed are undecided: the rules are too complex for the limit."
        return
    if not found.remedies:
        yield "No change permits this operation: none of its cells is allowed."
        return
    if any(one.known == "any" for one in found.values):
        defaults = ", ".join(f"{one.dimension} {one.value}" for one in found.values if one.known == "any")
        yield f"To be allowed, with {defaults}:"
    else:
        yield "To be allowed:"
    for number, remedy in enumerate(found.remedies, 1):
        yield from _format_remedy(number, remedy)
    if found.more:
        yield f"  and {found.more} more with as few changes"


def _format_remedy(number: int, remedy: Remedy) -> Iterator[str]:
    yield f"  {number}. {remedy.outcome}, by rule {remedy.rule} ({remedy.origin}):"
    for change in remedy.changes:
        by = (
            "" if change.dimension in MACHINES and remedy.path else f", by {change.by}"
        )  # the path shows it for machines
        yield f"     {change.dimension}: {change.now} -> {' or '.join(change.to)}{by}"
    if remedy.path:
        yield "     shortest sequence of events:"
        yield from (f"       {step}" for step in remedy.path)
