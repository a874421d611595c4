"""Checks of fallbacks: names resolve, attempts are complete, chains end safely, faults admit nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.decision_table import SKIP_PHASE
from authguard.core.events import MACHINES
from authguard.core.machine import expand
from authguard.core.outcomes import ADMITTING, Outcome
from authguard.policy.checks.machine import unknown_name
from authguard.policy.checks.table import deciding_rules, follow_then, prove_table
from authguard.policy.problem import Place, Problem
from authguard.policy.table_space import table_space

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.policy.draft import Draft

#: what a rule can do without a fallback
RESERVED: Final = frozenset({Outcome.ALLOW.value, SKIP_PHASE})
#: outcomes at which a chain of `then` may end
END_OUTCOMES: Final = frozenset({Outcome.HANDOFF, Outcome.DENY})
#: outcomes that may answer a fault of the guard
ON_FAULT_OUTCOMES: Final = frozenset({Outcome.RETRY, Outcome.DENY, Outcome.HANDOFF})
#: most steps of a chain in a message
MAX_STEPS_SHOWN: Final = 12
#: outcomes with a 2xx status; every other outcome has 4xx or 5xx
SUCCESS_OUTCOMES: Final = frozenset({Outcome.HOLD, Outcome.REPEAT, *ADMITTING})


def _place(draft: Draft, name: str) -> Place:
    return draft.place(f"fallbacks.{name}", "fallbacks")


def check_names(draft: Draft) -> Iterator[Problem]:
    """Check that every fallback, method and machine in a fallback is declared, and `on_fault` too."""
    for name, fallback in draft.fallbacks.items():
        place = _place(draft, name)
        if name in RESERVED:
            message = f"`{name}` is the engine's own and cannot be redefined"
            yield Problem(code="duplicate-name", place=place, message=message, advice="choose another name")
        if fallback.then and fallback.then not in draft.fallbacks:
            yield unknown_name(place, "a fallback", fallback.then, tuple(draft.fallbacks))
        for machine in sorted(fallback.discloses - set(MACHINES)):
            yield unknown_name(place, "a machine", machine, MACHINES)
        if not draft.base:
            for method in fallback.methods:
                if method not in draft.methods:
                    message = f"fallback `{name}` asks for the method `{method}`, which is not declared"
                    advice = f"declare it under `methods`: `{method}: {{all: [VERIFIER]}}`"
                    yield Problem(code="method-unknown", place=place, message=message, advice=advice)
    if draft.on_fault not in draft.fallbacks:
        yield unknown_name(draft.place("on_fault"), "a fallback", draft.on_fault, tuple(draft.fallbacks))


def check_attempts(draft: Draft) -> Iterator[Problem]:
    """Check that `attempts`, `per` and `then` are given together."""
    for name, fallback in draft.fallbacks.items():
        given = {"attempts": fallback.attempts > 0, "per": fallback.per > 0, "then": bool(fallback.then)}
        if any(given.values()) and not all(given.values()):
            missing = " and ".join(f"`{key}`" for key, there in given.items() if not there)
            message = f"fallback `{name}` does not say {missing}"
            advice = "write all three: `attempts: 3, per: 15m, then: FALLBACK`"
            yield Problem(code="attempts-incomplete", place=_place(draft, name), message=message, advice=advice)


def _format_chain(names: tuple[str, ...]) -> str:
    """Format a chain; a long one without its middle."""
    steps = [f"`{name}`" for name in names]
    return " -> ".join(steps if len(steps) <= MAX_STEPS_SHOWN else [*steps[: MAX_STEPS_SHOWN - 2], "...", steps[-1]])


def check_then_chains(draft: Draft) -> Iterator[Problem]:
    """Check that a caller without attempts reaches a hand-off or a denial, and neither a cycle nor an admission."""
    looping: set[str] = set()
    for name, fallback in draft.fallbacks.items():
        if not fallback.then:
            continue
        place = _place(draft, name)
        way = follow_then(draft, name)
        last = draft.fallbacks[way[-1]]
        if last.then in way and last.then in looping:
            continue
        if last.then in way:
            looping.update(way)
            message = f"`then` forms a cycle: {_format_chain((*way, last.then))}"
            yield Problem(code="then-loop", place=place, message=message, advice="end it in a hand-off or a denial")
        elif not last.then and last.kind not in END_OUTCOMES:
            message = f"`then` of `{name}` ends in `{last.name}`, a `{last.kind.value}`"
            yield Problem(code="then-open", place=place, message=message, advice="end it in a hand-off or a denial")
        for step in way[1:]:
            if draft.fallbacks[step].kind in ADMITTING:
                message = f"when the attempts of `{name}` run out, `{step}` lets the request through"
                yield Problem(code="then-admits", place=place, message=message)


def check_required_keys(draft: Draft) -> Iterator[Problem]:
    """Check that each kind has its required keys; a base policy may omit queues and methods."""
    for name, fallback in draft.fallbacks.items():
        place = _place(draft, name)
        match fallback.kind:
            case Outcome.VERIFY if not fallback.methods and not draft.base:
                message = f"fallback `{name}` names no verification method"
                yield Problem(code="methods-missing", place=place, message=message, advice="add `methods: [NAME]`")
            case Outcome.HANDOFF if not fallback.queue and not draft.base:
                message = f"fallback `{name}` has no queue"
                yield Problem(code="queue-missing", place=place, message=message, advice="add `queue: NAME`")
            case Outcome.RESTRICT if not fallback.effects:
                message = f"fallback `{name}` has no effects"
                yield Problem(code="restrict-empty", place=place, message=message, advice="add `effects: [read]`")
            case _:
                pass
        succeeds = fallback.kind in SUCCESS_OUTCOMES
        if fallback.status and not (200 if succeeds else 400) <= fallback.status < (300 if succeeds else 600):
            wanted = "2xx" if succeeds else "4xx or 5xx"
            message = f"fallback `{name}` is a `{fallback.kind.value}` with the status {fallback.status}"
            yield Problem(code="status-wrong", place=place, message=message, advice=f"use one of {wanted}")


def check_hold_approvers(draft: Draft) -> Iterator[Problem]:
    """Check that every fallback that opens a held transaction names approvers; one that is held has its own."""
    holds = {name: one for name, one in draft.fallbacks.items() if one.kind is Outcome.HOLD}
    nameless = {name for name, one in holds.items() if not one.approvers}
    proof, spec = prove_table(draft), draft.machines.get("transaction")
    if not nameless or proof is None or spec is None:
        return
    edges = expand(spec).edges
    opens = {state for state in spec.states if (state, "held") in edges and edges[state, "held"].moves}
    for rule in deciding_rules(draft, proof, table_space(draft).box({"transaction": opens})):
        for name in nameless.intersection(follow_then(draft, rule.do)):
            yield Problem(
                code="hold-without-approver",
                place=_place(draft, name),
                message=f"fallback `{name}` has no approvers, and rule `{rule.name}` begins a held transaction with it",
                advice="add `approvers: {role: ROLE, count: 1}`",
            )
            nameless.remove(name)


def check_on_fault(draft: Draft) -> Iterator[Problem]:
    """Check that a fault of the guard is answered by a retry, a denial or a hand-off."""
    fallback = draft.fallbacks.get(draft.on_fault)
    if fallback is not None and fallback.kind not in ON_FAULT_OUTCOMES:
        message = f"`on_fault` is `{fallback.name}`, a `{fallback.kind.value}`"
        advice = "name a fallback of kind `retry`, `deny` or `handoff`"
        yield Problem(code="fault-admits", place=draft.place("on_fault"), message=message, advice=advice)
