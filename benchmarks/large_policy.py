"""A large policy whose machines raise events in each other, for the cost of its proof."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from authguard.core.decision_table import PHASES, Rule
from authguard.core.machine import Line
from authguard.core.request import Match, Operation
from authguard.policy.loading.loader import load_draft
from benchmarks.warm import UnfairError

if TYPE_CHECKING:
    from authguard.policy.draft import Draft

OPERATIONS: Final = 50
RULES: Final = 60
#: states of the account besides the standard ones
STATES: Final = ("frozen_by_court", "porting", "in_arrears", "travelling", "under_review", "closing")
#: how many of them raise an event when they are entered
RAISING: Final = 3
#: further transitions that raise events in other machines
RAISES: Final[dict[str, tuple[Line, ...]]] = {
    "account": (
        Line(triggers=("compromised",), sources=("normal", "locked"), dest="compromised", raises=("session.revoked",)),
    ),
    "transaction": (Line(triggers=("denied",), sources=("held",), dest="denied", raises=("account.restricted",)),),
}


def large_policy() -> Draft:
    """Return a policy of 50 operations, more than 60 rules, 6 more states of the account and 5 transitions that raise.

    Raises:
        UnfairError: the shipped policy cannot be read.
    """
    draft = load_draft("support-desk").draft
    if draft is None:
        raise UnfairError("the shipped policy cannot be read")
    machines = dict(draft.machines)
    account = machines["account"]
    added = tuple(
        Line(triggers=(state,), sources=("*",), dest=state, raises=("verification.moved",) if number < RAISING else ())
        for number, state in enumerate(STATES)
    )
    machines["account"] = replace(account, states=(*account.states, *STATES), lines=(*added, *account.lines))
    for machine, lines in RAISES.items():
        machines[machine] = replace(machines[machine], lines=(*lines, *machines[machine].lines))
    return replace(
        draft,
        machines=machines,
        rules=_rules(draft),
        operations=tuple(_operation(number) for number in range(OPERATIONS)),
        places={},
    )


def _operation(number: int) -> Operation:
    risk = ("routine", "sensitive", "high")[number % 3]
    effect = ("read", "write")[number // 3 % 2]
    method = "GET" if effect == "read" else "POST"
    match = Match(path=f"/{number}", method=method)
    return Operation(name=f"operation_{number}", match=match, risk=risk, effect=effect)


def _rules(draft: Draft) -> tuple[Rule, ...]:
    """Put special cases before the standard rules: each combination of an added state, a request and a proof."""
    own = [
        {"account": {state}, "risk": {risk}, "effect": {effect}, "verification": {verification}}
        for state in STATES
        for risk, effect in (("routine", "write"), ("sensitive", "read"), ("high", "write"))
        for verification in ("unverified", "failed", "ambiguous")
    ][: RULES - 6]
    own += [{"account": {state}} for state in STATES]
    rules = [
        Rule(
            when={name: frozenset(values) for name, values in when.items()},
            do="to_a_person",
            index=0,
        )
        for when in own
    ]
    ordered = sorted((*rules, *draft.rules), key=lambda rule: PHASES.index(rule.phase))
    return tuple(replace(rule, index=index) for index, rule in enumerate(ordered))
