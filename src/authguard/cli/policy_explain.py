"""`authguard policy explain`: why one decision was taken, and what would have to change."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from authguard.asgi.reply import DEFAULT_TEXTS
from authguard.audit.verify.log_reader import find_record
from authguard.cli.output import FAILED, print_error
from authguard.cli.reason_text import describe_reason
from authguard.cli.terminal import escape
from authguard.core.decision_table import CONDITIONS, DIMENSIONS
from authguard.core.events import MACHINES
from authguard.core.outcomes import ADMITTING, Outcome
from authguard.policy.compiler import load
from authguard.policy.explain.explainer import explain_decision
from authguard.policy.loading.locator import resolve_folder
from authguard.policy.problem import did_you_mean
from authguard.policy.schema.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from authguard.policy.compiled_policy import Policy
    from authguard.policy.explain.explanation import Explanation, Remedy

PolicyArgument = Annotated[str, typer.Argument(metavar="POLICY", help="As for `graph`.")]
Log = Annotated[Path | None, typer.Option("--log", help="An audit log, to explain a record of it.")]
#: rules above the one that decided, shown unless all are asked for
SHOWN: Final = 12
#: what the names of the guard's own operations begin with
OWN: Final = "authguard."
_WHY: Final = {
    "given": "given",
    "operation": "settled by the operation",
    "default": "not given, and the answer depends on it",
}


class Form(StrEnum):
    """How an explanation is shown."""

    TEXT = "text"
    JSON = "json"


def _condition(name: str) -> Any:  # noqa: ANN401 - Typer's own type
    return typer.Option(f"--{name}", help=f"One of {', '.join(CONDITIONS[name])}.")


def why(
    policy: PolicyArgument,
    *,
    operation: Annotated[str, typer.Option("--operation", "-o", help="What is asked for, by its name.")] = "",
    state: Annotated[
        list[str] | None, typer.Option("--state", "-s", help="A machine's state, `session=expired`; may be repeated.")
    ] = None,
    credential: Annotated[str, _condition("credential")] = "",
    risk: Annotated[str, _condition("risk")] = "",
    effect: Annotated[str, _condition("effect")] = "",
    scope: Annotated[str, _condition("scope")] = "",
    assurance: Annotated[str, _condition("assurance")] = "",
    limit: Annotated[str, _condition("limit")] = "",
    channel: Annotated[str, _condition("channel")] = "",
    actor: Annotated[str, _condition("actor")] = "",
    log: Annotated[Path | None, typer.Option("--log", help="An audit log, to explain a record of it.")] = None,
    record: Annotated[
        str, typer.Option("--id", help="The record's id; what is given beside it replaces its own.")
    ] = "",
    form: Annotated[Form, typer.Option("--format", "-f", help="How it is shown.")] = Form.TEXT,
    everything: Annotated[bool, typer.Option("--all", help="Show every rule above the one that decided.")] = False,
) -> None:
    """Explain one decision: the rule, why none above it matched, what the caller gets, what would have to change."""
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
        raise typer.BadParameter("--log and --id go together", param_hint="--id")
    notes: list[str] = []
    if log:
        recorded = _recorded(log, record)
        operation = operation or _named(loaded, recorded, notes)
        given = _cell(loaded, recorded, settled=bool(operation)) | given
    _check_operation(loaded, operation, given)
    found = explain_decision(loaded, given, operation)
    if log:
        notes += _compared(loaded, found, recorded)
    if form is Form.JSON:
        typer.echo(_json(found, notes))
    else:
        for line in _told(found, notes, everything):
            typer.echo(escape(line))


def explain_record(source: str, recorded: Mapping[str, Any], *, form: Form, everything: bool) -> None:
    """Explain a recorded decision under a policy.

    Args:
        source: of the policy, a shipped name or a path.
        recorded: the decision's line.
        form: how it is shown.
        everything: whether every rule above the one that decided is shown.
    """
    loaded = load(resolve_folder(source))
    notes: list[str] = []
    operation = _named(loaded, recorded, notes)
    found = explain_decision(loaded, _cell(loaded, recorded, settled=bool(operation)), operation)
    notes += _compared(loaded, found, recorded)
    if form is Form.JSON:
        typer.echo(_json(found, notes))
        return
    for line in _told(found, notes, everything):
        typer.echo(escape(line))


def _states(policy: Policy, typed: Sequence[str]) -> dict[str, str]:
    given = {}
    for item in ",".join(typed).split(",") if typed else ():
        machine, _, state = item.partition("=")
        if machine not in MACHINES:
            raise typer.BadParameter(
                f"`{machine}` is no machine; {did_you_mean(machine, MACHINES)}", param_hint="--state"
            )
        known = policy.table.values[machine]
        if state not in known:
            message = f"`{state}` is no state of `{machine}`; {did_you_mean(state, known)}"
            raise typer.BadParameter(message, param_hint="--state")
        given[machine] = state
    return given


def _conditions(typed: Mapping[str, str]) -> dict[str, str]:
    for name, value in typed.items():
        if value and value not in CONDITIONS[name]:
            message = f"`{value}` is no value of `{name}`; {did_you_mean(value, CONDITIONS[name])}"
            raise typer.BadParameter(message, param_hint=f"--{name}")
    return {name: value for name, value in typed.items() if value}


def _check_operation(policy: Policy, operation: str, given: Mapping[str, str]) -> None:
    names = [item.name for item in policy.all_operations]
    if operation == policy.otherwise.name and not policy.admits_unnamed:
        message = "what nobody named is refused with 404 before the table is asked (`otherwise: deny`)"
        raise typer.BadParameter(message, param_hint="--operation")
    if operation and operation not in names:
        message = f"`{operation}` is no operation of `{policy.name}`; {did_you_mean(operation, names)}"
        raise typer.BadParameter(message, param_hint="--operation")
    if operation and {"risk", "effect"} & set(given):
        raise typer.BadParameter("an operation brings its own risk and effect", param_hint="--operation")


def _recorded(log: Path, record: str) -> dict[str, Any]:
    found = find_record(log, record)
    if not found:
        print_error(f"there is no record `{record}` in `{log}`, nor in the chains beside it")
        raise typer.Exit(FAILED)
    cell = found.get("cell")
    if found.get("kind") != "decision" or not isinstance(cell, list) or len(cell) != len(DIMENSIONS):
        print_error(f"record `{record}` is no decision: only a decision has a cell to explain")
        raise typer.Exit(FAILED)
    return found


def _named(policy: Policy, recorded: Mapping[str, Any], notes: list[str]) -> str:
    """Give the record's operation, where this policy has it as it was then."""
    name = str(recorded.get("operation", ""))
    told = dict(zip(DIMENSIONS, recorded["cell"], strict=True))
    for operation in policy.all_operations:
        if operation.name == name and (operation.risk, operation.effect) == (told["risk"], told["effect"]):
            return name
    if name.startswith(OWN):
        notes.append(
            f"`{name}` is an endpoint of the guard's own: its risk and effect are fixed, and no policy names it"
        )
        return ""
    notes.append(f"operation `{name}` is not in this policy as it was recorded; its risk and effect are taken")
    return ""


def _cell(policy: Policy, recorded: Mapping[str, Any], *, settled: bool) -> dict[str, str]:
    cell = {name: str(value) for name, value in zip(DIMENSIONS, recorded["cell"], strict=True)}
    for name, value in cell.items():
        if value not in policy.table.values[name]:
            print_error(f"the record has `{name}` `{value}`, which this policy does not know")
            raise typer.Exit(FAILED)
    return {name: value for name, value in cell.items() if not (settled and name in ("risk", "effect"))}


def _compared(policy: Policy, found: Explanation, recorded: Mapping[str, Any]) -> Iterator[str]:
    """Tell how what was recorded differs from what this policy says."""
    if recorded.get("policy") != policy.digest:
        yield f"recorded under another policy, {str(recorded.get('policy'))[:12]}; explained under this one"
    if meaning := describe_reason(str(recorded.get("reason", ""))):
        yield f"reason {recorded['reason']}: {meaning}"
    if recorded.get("rule") != found.rule:
        yield f"recorded rule: {recorded.get('rule')}, outcome {recorded.get('outcome')}"
    elif recorded.get("fallback") != found.fallback:
        yield f"recorded fallback: {recorded.get('fallback')} ({recorded.get('reason')}), in place of the rule's own"


def _json(found: Explanation, notes: Sequence[str]) -> str:
    built = msgspec.to_builtins(found)
    built["say"] = [
        {"language": language, "channel": channel, "text": text} for (language, channel), text in found.say.items()
    ]
    built["notes"] = [*notes, *found.notes]
    return msgspec.json.format(msgspec.json.encode(built), indent=2).decode()


def _told(found: Explanation, notes: Sequence[str], everything: bool) -> Iterator[str]:
    here = {one.dimension: one.value for one in found.standing}
    named = found.operation or f"a {here['risk']} {here['effect']}"
    yield f"{named}, under policy {found.policy} ({found.digest[:12]})"
    yield from (f"note: {note}" for note in (*notes, *found.notes))
    yield ""
    asked = "; ".join(f"{name} {' or '.join(values)}" for name, values in found.when.items()) or "always"
    yield f"Rule {found.rule} ({found.origin}) decided: {asked}."
    yield from _got(found)
    yield ""
    yield "Where things stand:"
    for known, words in _WHY.items():
        told = ", ".join(f"{one.dimension} {one.value}" for one in found.standing if one.known == known)
        if told:
            yield f"  {told} ({words})"
    if any(one.known == "any" for one in found.standing):
        told = ", ".join(one.dimension for one in found.standing if one.known == "any")
        yield f"  {told}: any (the answer is the same)"
    yield ""
    yield from _passed(found, everything)
    yield from _ways(found)


def _got(found: Explanation) -> Iterator[str]:
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


def _passed(found: Explanation, everything: bool) -> Iterator[str]:
    if not found.passed:
        yield "No rule stands above it."
        return
    yield f"The {len(found.passed)} rules above it did not match:"
    shown = found.passed if everything else found.passed[-SHOWN:]
    if len(shown) < len(found.passed):
        yield f"  {len(found.passed) - len(shown)} more, which --all names"
    for passed in shown:
        yield f"  {passed.rule} ({passed.origin}): {', '.join(passed.dimensions)}"


def _ways(found: Explanation) -> Iterator[str]:
    if Outcome(found.outcome) in ADMITTING and not found.ways:
        return
    yield ""
    if found.undecided:
        yield "What would have to change is undecided: the rules are too tangled for the budget."
        return
    if not found.ways:
        yield "Nothing would let this operation run: no cell of it is allowed."
        return
    if any(one.known == "any" for one in found.standing):
        taken = ", ".join(f"{one.dimension} {one.value}" for one in found.standing if one.known == "any")
        yield f"To be allowed, with {taken}:"
    else:
        yield "To be allowed:"
    for number, way in enumerate(found.ways, 1):
        yield from _way(number, way)
    if found.more:
        yield f"  and {found.more} more ways with as few changes"


def _way(number: int, way: Remedy) -> Iterator[str]:
    yield f"  {number}. {way.outcome}, by rule {way.rule} ({way.origin}):"
    for change in way.changes:
        by = "" if change.dimension in MACHINES and way.path else f", by {change.by}"  # the path tells it of a machine
        yield f"     {change.dimension}: {change.now} -> {' or '.join(change.to)}{by}"
    if way.path:
        yield "     the fewest events:"
        yield from (f"       {step}" for step in way.path)
