"""Checks of transactions: a write with a key runs once under every rule, and an approved one is not held again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.machine import expand
from authguard.core.operation_settings import NO_EFFECT
from authguard.core.outcomes import ADMITTING, Outcome
from authguard.policy.checks.read_operation import BODILESS
from authguard.policy.checks.table import deciding_rules, find_evidence, outcomes, prove_table
from authguard.policy.problem import Problem, list_names
from authguard.policy.table_space import of_operation, table_space

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.core.request import Operation
    from authguard.policy.draft import Draft


def check_idempotency_keys(draft: Draft) -> Iterator[Problem]:
    """Check that an operation with a required ``Idempotency-Key`` runs once under it."""
    wanted = [(place, one) for place, one in enumerate(draft.operations) if one.idempotency]
    for index, operation in wanted:
        reason, advice = _find_idle_reason(operation)
        if reason:
            yield Problem(
                code="idempotency-idle",
                place=draft.place(f"operations[{index}].idempotency", f"operations[{index}]", "operations"),
                message=f"operation `{operation.name}` demands an `Idempotency-Key`, and {reason}",
                advice=advice,
            )
        else:
            yield from _runs_again(draft, index, operation)


def check_transaction_settings(draft: Draft) -> Iterator[Problem]:
    """Note settings of a transaction on an operation that is none: nothing is bound, held or settled there."""
    for index, operation in enumerate(draft.operations):
        given = {"binds": bool(operation.binds), "failed_on": operation.failed_on != NO_EFFECT}
        keys = [key for key, is_given in given.items() if is_given]
        if keys and not operation.transactional:
            path = f"operations[{index}]"
            yield Problem(
                code="transaction-idle",
                place=draft.place(f"{path}.{keys[0]}", path, "operations"),
                message=f"operation `{operation.name}` has {list_names(keys)}, and its requests are no transactions",
                advice="a write of `risk: high` is one, or a write with `idempotency: required`; otherwise remove"
                f" {list_names(keys)}",
                severity="note",
            )


def _find_idle_reason(operation: Operation) -> tuple[str, str]:
    """Return why a key has no meaning for an operation, and advice; empty if it has one."""
    if operation.effect != "write":
        return "a read may be repeated freely", "take `idempotency` out"
    if operation.match.method in BODILESS:
        method = operation.match.method
        return f"a `{method}` changes nothing (RFC 9110 9.2.1)", "write the method that does, or take `idempotency` out"
    if operation.risk == "public":
        reason = "a public operation has no subject that owns the key"
        return reason, "give it a higher risk, or take `idempotency` out"
    return "", ""


def _runs_again(draft: Draft, index: int, operation: Operation) -> Iterator[Problem]:
    """Report the rules that admit an operation whose transaction can no longer start."""
    proof, over = prove_table(draft), _states(draft, starts=False)
    if proof is None or not over:
        return
    box = table_space(draft).box(
        {"risk": {operation.risk}, "effect": {"write"}, "credential": {"good"}, "transaction": over}
        | of_operation(table_space(draft), operation)
    )
    for rule in deciding_rules(draft, proof, box):
        if outcomes(draft, rule) & ADMITTING:
            yield Problem(
                code="idempotency-idle",
                place=draft.place(f"operations[{index}].idempotency", f"operations[{index}]", "operations"),
                message=f"operation `{operation.name}` is to run once under its `Idempotency-Key`, and rule"
                f" `{rule.name}` ({rule.origin or 'unplaced'}) lets it run again",
                **find_evidence(draft, proof, rule.index, box, proof.example(rule.index, box)),
                advice="put rules for `transaction: done` and the like before it, as the standard policy has them",
            )


def check_approved_not_held(draft: Draft) -> Iterator[Problem]:
    """Check that no rule holds an approved transaction again, since it would stay held until it lapses."""
    proof = prove_table(draft)
    approved = _states(draft, starts=True) - _states(draft, starts=True, held=True)
    if proof is None or not approved:
        return
    box = table_space(draft).box({"transaction": approved})
    for rule in deciding_rules(draft, proof, box):
        if Outcome.HOLD in outcomes(draft, rule):
            yield Problem(
                code="approved-held",
                place=draft.place(f"decisions[{rule.index}]", "decisions"),
                message=f"rule `{rule.name}` holds what is approved already, which can be approved only once",
                **find_evidence(draft, proof, rule.index, box, proof.example(rule.index, box)),
                advice="add `transaction: none` to its `when`",
            )


def _states(draft: Draft, *, starts: bool, held: bool = False) -> set[str]:
    """Return the states in which a transaction can start, or cannot; with `held`, those that a hold moves."""
    if "transaction" not in draft.machines:
        return set()
    edges = expand(draft.machines["transaction"]).edges
    found = {state for (state, trigger), edge in edges.items() if trigger == "started" and edge.moves is starts}
    moved = {state for (state, trigger), edge in edges.items() if trigger == "held" and edge.moves}
    return found & moved if held else found
