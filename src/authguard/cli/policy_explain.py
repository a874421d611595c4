"""`authguard policy explain`: explain one decision and the changes that would permit the request."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from authguard.audit.query.timeparse import parse_time
from authguard.cli.completion import complete
from authguard.cli.explanation_text import format_json, format_text
from authguard.cli.line_wrap import print_lines
from authguard.cli.local_zone import local_zone
from authguard.cli.named_policy import PolicyArgument, is_json, pick_policy
from authguard.cli.options import AtOption, JsonOption, LogOption, PolicyOption, option_name
from authguard.cli.terminal import escape, require_log, resolve_log_path
from authguard.clock import SystemClock
from authguard.core.decision_table import CONDITIONS
from authguard.core.events import MACHINES
from authguard.core.extra_dimensions import CHANNEL, UNKNOWN_CHANNEL
from authguard.core.flags import SET, VALUES
from authguard.core.own_conditions import read_conditions
from authguard.policy.compiler import load
from authguard.policy.explain.explainer import explain_decision
from authguard.policy.explain.need import measure_amount
from authguard.policy.problem import did_you_mean
from authguard.policy.schema.units import parse_money

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from authguard.core.policy import Policy


class Form(StrEnum):
    """Output formats."""

    TEXT = "text"
    JSON = "json"


def _condition(name: str) -> Any:  # noqa: ANN401 - Typer's own type
    values = CONDITIONS[name]
    return typer.Option(option_name(name), autocompletion=complete(lambda: values), help=f"One of {', '.join(values)}.")


def explain(
    context: typer.Context,
    source: PolicyArgument = "",
    *,
    policy: PolicyOption = "",
    operation: Annotated[str, typer.Option("--operation", help="Name of the requested operation.")] = "",
    state: Annotated[
        list[str] | None,
        typer.Option("--state", help="State of a machine or a flag, such as `session=expired`; may be repeated."),
    ] = None,
    condition: Annotated[
        list[str] | None,
        typer.Option("--condition", help="Value of a condition of the policy, `NAME=VALUE`; may be repeated."),
    ] = None,
    amount: Annotated[
        str,
        typer.Option("--amount", metavar="AMOUNT", help="Amount of the request, such as `501 EUR`."),
    ] = "",
    credential: Annotated[str, _condition("credential")] = "",
    risk: Annotated[str, _condition("risk")] = "",
    effect: Annotated[str, _condition("effect")] = "",
    scope: Annotated[str, _condition("scope")] = "",
    assurance: Annotated[str, _condition("assurance")] = "",
    limit: Annotated[str, _condition("limit")] = "",
    channel: Annotated[str, typer.Option("--channel", metavar="NAME", help="A declared channel, or `unknown`.")] = "",
    channel_change: Annotated[str, _condition("channel_change")] = "",
    actor: Annotated[str, _condition("actor")] = "",
    request: Annotated[
        str,
        typer.Option(
            "--request",
            metavar="REQUEST",
            help="A request as it is sent: a method and a path, or `websocket` and a path.",
        ),
    ] = "",
    token: Annotated[
        Path | None,
        typer.Option("--token", metavar="FILE", help="File with the request's token (a JWT), or with JSON claims."),
    ] = None,
    body: Annotated[Path | None, typer.Option("--body", metavar="FILE", help="File with the request's body.")] = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", metavar="HEADER", help="`Name: value`; may be repeated.")
    ] = None,
    at: AtOption = "",
    account: Annotated[
        str, typer.Option("--account", metavar="STATE", help="State of the account; the same as --state account=STATE.")
    ] = "",
    record: Annotated[
        str,
        typer.Option(
            "--id", metavar="ID", help="A recorded decision, by its id or the beginning; options override its values."
        ),
    ] = "",
    log: LogOption = None,
    form: Annotated[Form, typer.Option("--format", help="Output format.")] = Form.TEXT,
    as_json: JsonOption = False,
    everything: Annotated[bool, typer.Option("--all", help="Show all rules before the rule that decided.")] = False,
) -> None:
    """Explain one decision: its rule, the rules before it, the reply and the changes needed to be allowed.

    Name a request as it is sent, with its token and body; or an operation, with the states and conditions to suppose.

    Examples:

        authguard policy explain policy.yaml --request 'POST /refunds' --token claims.json --body refund.json

        authguard policy explain policy.yaml --operation chat

        authguard policy explain policy.yaml --operation pay --state session=idle
    """
    as_json = is_json(form, Form.TEXT, as_json=as_json)
    if log and not record and str(log) != os.environ.get("AUTHGUARD_AUDIT_LOG"):
        raise typer.BadParameter("it needs --id, the record to explain", param_hint="--log")
    conditions = {
        "credential": credential,
        "risk": risk,
        "effect": effect,
        "scope": scope,
        "assurance": assurance,
        "limit": limit,
        "channel_change": channel_change,
        "actor": actor,
    }
    others = {"operation": operation, "id": record, "channel": channel}
    if request and (named := [name for name, value in (conditions | others).items() if value]):
        message = f"the request itself says it; leave out --{named[0].replace('_', '-')}"
        raise typer.BadParameter(message, param_hint="--request")
    sent = {"token": token, "body": body, "header": header}
    if not request and (useless := [name for name, value in sent.items() if value]):
        message = "it needs --request, such as `--request 'GET /orders'`"
        raise typer.BadParameter(message, param_hint=f"--{useless[0]}")
    named_policy = pick_policy(context, source, policy)
    loaded = load(named_policy)
    supposed = _states(loaded, [*(state or []), *([f"account={account}"] if account else [])])
    own = _own_conditions(loaded, condition or [])
    if request:
        from authguard.cli import sent_request  # noqa: PLC0415 - only --request reads files

        if amount:
            raise typer.BadParameter("the body has the amount; leave it out", param_hint="--amount")
        machines = {name: value for name, value in supposed.items() if name in MACHINES}
        parts = sent_request.Parts(
            line=request,
            headers=tuple(header or ()),
            token=token,
            body=body,
            conditions=own,
            flags=frozenset(name for name, value in supposed.items() if value == SET),
        )
        moment = parse_moment(at)
        sent_request.print_answer(loaded, named_policy, parts, machines, moment, as_json=as_json, everything=everything)
        return
    if amount:
        conditions["limit"] = _find_limit(loaded, operation, amount, conditions["limit"])
    clocks = _clock_conditions(loaded, parse_moment(at)) if at else {}
    known = {name: value for name, value in (clocks | own).items() if name in loaded.table.extra}
    given = _named_only(loaded, supposed) | known | _conditions(loaded, conditions) | _channel(loaded, channel)
    notes: list[str] = []
    if record:
        from authguard.cli import recorded_decision  # noqa: PLC0415 - only --id reads a log

        path = resolve_log_path(log)
        require_log(path)
        recorded = recorded_decision.find_decision(path, record)
        operation = operation or recorded_decision.find_operation(loaded, recorded, notes)
        given = recorded_decision.read_cell(loaded, recorded, settled=bool(operation)) | given
        _check_operation(loaded, operation, given)
        found = explain_decision(loaded, given, operation)
        notes += recorded_decision.compare_record(loaded, found, recorded)
        found = recorded_decision.add_text_of_reason(loaded, found, recorded)
    else:
        _check_operation(loaded, operation, given)
        found = explain_decision(loaded, given, operation)
    if as_json:
        typer.echo(format_json(found, notes))
    else:
        print_lines(format_text(found, notes, everything=everything))


def _states(policy: Policy, typed: Sequence[str]) -> dict[str, str]:
    """Return the typed states of machines, and values of flags."""
    known = {name: policy.table.values[name] for name in MACHINES} | {one.name: VALUES for one in policy.flags}
    return _pairs(typed, known, "a machine or a flag", "--state")


def _own_conditions(policy: Policy, typed: Sequence[str]) -> dict[str, str]:
    return _pairs(
        typed, {one.name: one.values for one in policy.conditions}, "a condition of the policy", "--condition"
    )


#: option -> what an item without a value is told
_FORMS: Final = {
    "--state": "is no state of a machine; write MACHINE=STATE, such as `session=expired`",
    "--condition": "has no value; write NAME=VALUE",
}


def _pairs(typed: Sequence[str], known: Mapping[str, Sequence[str]], what: str, option: str) -> dict[str, str]:
    """Return names with values, each as `NAME=VALUE`.

    Raises:
        typer.BadParameter: a name or a value is not known.
    """
    given = {}
    for item in ",".join(typed).split(",") if typed else ():
        name, equals, value = item.partition("=")
        if not equals:
            raise typer.BadParameter(f"`{escape(item)}` {_FORMS[option]}", param_hint=option)
        if name not in known:
            message = f"`{escape(name)}` is not {what}; {escape(did_you_mean(name, known))}"
            raise typer.BadParameter(message, param_hint=option)
        if value not in known[name]:
            word = "state" if option == "--state" else "value"
            message = f"`{escape(value)}` is not a {word} of `{name}`; {did_you_mean(value, known[name])}"
            raise typer.BadParameter(message, param_hint=option)
        given[name] = value
    return given


def _named_only(policy: Policy, supposed: Mapping[str, str]) -> dict[str, str]:
    """Return the dimensions of the table among supposed states; a flag that no rule names changes nothing."""
    return {name: value for name, value in supposed.items() if name in policy.table.values}


def _clock_conditions(policy: Policy, at: float) -> dict[str, str]:
    """Return the conditions that the clock determines, at a moment."""
    clocks = [one for one in policy.conditions if one.hours is not None]
    return read_conditions(clocks, None, {}, at)


def _find_limit(policy: Policy, operation: str, amount: str, typed: str) -> str:
    """Return the value of `limit` for an amount of an operation, if nothing was spent before.

    Raises:
        typer.BadParameter: the amount cannot be read, or no limit measures it.
    """
    found = next((one for one in policy.all_operations if one.name == operation), None)
    if found is None or not any(limit.amount for limit in found.limits):
        raise typer.BadParameter("it needs --operation, one with limits in money", param_hint="--amount")
    if typed:
        raise typer.BadParameter("it determines the limit; leave out --limit", param_hint="--amount")
    try:
        digits, currency = parse_money(amount)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--amount") from None
    return measure_amount(found, digits, currency)


def _channel(policy: Policy, name: str) -> dict[str, str]:
    """Return the dimensions that a named channel determines."""
    known = (*policy.channels.trusts, UNKNOWN_CHANNEL)
    if name and name not in known:
        message = f"`{escape(name)}` is no channel of the policy; {escape(did_you_mean(name, known))}"
        raise typer.BadParameter(message, param_hint="--channel")
    found = {CHANNEL: name} if name and CHANNEL in policy.table.extra else {}
    return found | ({"channel_change": name} if name == UNKNOWN_CHANNEL else {})


def _conditions(policy: Policy, typed: Mapping[str, str]) -> dict[str, str]:
    for name, value in typed.items():
        known = policy.table.values[name]
        if value and value not in known:
            message = f"`{value}` is not a value of `{name}`; {did_you_mean(value, known)}"
            raise typer.BadParameter(message, param_hint=option_name(name))
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


def parse_moment(typed: str) -> float:
    """Return the time of `--at` in epoch seconds UTC, in the past or the future; now if it is empty.

    Raises:
        typer.BadParameter: the text is no time.
    """
    now = SystemClock().now()
    if not typed:
        return now
    try:
        return parse_time(typed, now, local_zone())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--at") from None
