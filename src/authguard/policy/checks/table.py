"""Checks of the decision table: every cell decided, no rule unused, every invariant kept.

Each check covers the whole table and every cell, also those that no events reach: a stored state that should be
impossible still has an answer. A problem has the widest box in words, one cell (if possible one that a request
reaches) and the shortest events to it. If the proof exceeds its budget, this is a problem of its kind, not a guess.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypedDict

from msgspec import Struct

from authguard.core.decision_table import ALONE, DIMENSIONS, PHASES, SKIP_PHASE
from authguard.core.extra_dimensions import extra_names
from authguard.core.machine import expand
from authguard.core.outcomes import ADMITTING, Outcome
from authguard.policy.checks.counterexample import DraftKey, find_counterexample
from authguard.policy.checks.machine import unknown_name
from authguard.policy.problem import Place, Problem, list_names
from authguard.policy.table.boxes import (
    GAP,
    MAX_BOXES,
    Box,
    Space,
    Undecided,
    count,
    cover,
    find_skips,
    intersect,
    is_empty,
    widen_gap,
)
from authguard.policy.table.coverage import compute_coverage
from authguard.policy.table_space import of_operation, table_space

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authguard.core.decision_table import Rule
    from authguard.core.request import Operation
    from authguard.policy.draft import Draft, Invariant
    from authguard.policy.table.coverage import TableCoverage

OUTCOME: Final = "outcome"
FALLBACK: Final = "fallback"
#: most values of one dimension in the line that fills a gap
_MAX_GAP_VALUES: Final = 20


class ProofCounts(Struct, frozen=True, kw_only=True):
    """Numbers of what the checks proved.

    Attributes:
        pairs: (state, event) pairs of all machines, each with one transition.
        cells: cells of the decision table, each with one rule.
        rules: rules of the table.
        invariants: invariants of either kind.
    """

    pairs: int
    cells: int
    rules: int
    invariants: int


def count_proved(draft: Draft) -> ProofCounts:
    """Count what the checks proved for a draft without errors."""
    return ProofCounts(
        pairs=sum(len(expand(spec).edges) for spec in draft.machines.values()),
        cells=_count_cells(draft),
        rules=len(draft.rules),
        invariants=len(draft.invariants),
    )


def _count_cells(draft: Draft) -> int:
    """Count the cells that a request can have."""
    space = table_space(draft)
    proof = prove_table(draft) if space.impossible else None
    return count(space.whole) if proof is None else proof.count_decided(space.whole)


def _rule_place(draft: Draft, index: int) -> Place:
    return draft.place(f"decisions[{index}]", "decisions")


def _conditions_resolve(
    place: Place, when: Mapping[str, frozenset[str]], known: Mapping[str, tuple[str, ...]]
) -> Iterator[Problem]:
    for dimension, values in when.items():
        if dimension not in known:
            yield unknown_name(place, "a machine or a condition", dimension, tuple(known))
            continue
        for value in sorted(values - set(known[dimension])):
            yield unknown_name(place, f"a value of `{dimension}`", value, tuple(known[dimension]))


def check_names(draft: Draft) -> Iterator[Problem]:
    """Check that every dimension and value of rules and invariants is declared, and that every `do` is a fallback."""
    known = table_space(draft).values
    for index, rule in enumerate(draft.rules):
        place = _rule_place(draft, index)
        if OUTCOME in rule.when:
            names = (*DIMENSIONS, *extra_names(draft))
            yield unknown_name(place, "a machine or a condition of a rule", OUTCOME, names)
        else:
            yield from _conditions_resolve(place, rule.when, known)
        if rule.do not in {Outcome.ALLOW, SKIP_PHASE, *draft.fallbacks}:
            yield unknown_name(place, "a fallback", rule.do, (Outcome.ALLOW, SKIP_PHASE, *draft.fallbacks))
    for index, invariant in enumerate(draft.invariants):
        place = draft.place(f"invariants[{index}]", "invariants")
        answers = {OUTCOME: tuple(Outcome), FALLBACK: (Outcome.ALLOW, *draft.fallbacks)}
        yield from _conditions_resolve(place, invariant.never, {**known, **answers})
        for outcome in invariant.always_reachable:
            if outcome not in tuple(Outcome):
                yield unknown_name(place, "an outcome", outcome, tuple(Outcome))
        if not invariant.never and not invariant.always_reachable:
            message = f"invariant `{invariant.name}` has no content"
            yield Problem(
                code="invariant-empty", place=place, message=message, advice="write `never:` with a condition"
            )


def _proof(draft: Draft) -> TableCoverage | Undecided | None:
    """Prove the table; None if its names do not resolve."""
    return _same_proof(DraftKey(draft))


@lru_cache(maxsize=2)  # every check of the table uses it
def _same_proof(key: DraftKey) -> TableCoverage | Undecided | None:
    draft = key.draft
    if any(problem.severity == "error" for problem in check_names(draft)):
        return None
    return compute_coverage(draft.rules, table_space(draft))


def prove_table(draft: Draft) -> TableCoverage | None:
    """Prove the table; None if its names do not resolve or the proof exceeds its budget, which are problems already."""
    proof = _proof(draft)
    return None if isinstance(proof, Undecided) else proof


def check_decidable(draft: Draft) -> Iterator[Problem]:
    """Check that the proof stays within its budget."""
    proof = _proof(draft)
    if isinstance(proof, Undecided):
        yield Problem(
            code="undecided",
            place=_rule_place(draft, proof.rule),
            message=f"the rules exceed the proof's budget: {proof.nodes} nodes at this rule, so nothing is proved",
            advice="name fewer dimensions at once, or put a broader rule before it",
        )


def check_gaps(draft: Draft) -> Iterator[Problem]:
    """Check that every cell is decided."""
    proof, known = prove_table(draft), table_space(draft)
    if proof is None or GAP not in proof.deciders(known.whole):
        return
    gap = widen_gap(proof.example(GAP, known.whole), lambda box: proof.deciders(box) == frozenset({GAP}), known.whole)
    condition = ", ".join(
        f"{dimension}: {_yaml_values(mask, known.values[dimension])}"
        for mask, full, dimension in zip(gap, known.whole, known.values, strict=True)
        if mask != full
    )
    yield Problem(
        code="table-gap",
        place=draft.place("decisions"),
        message=f"no rule decides {proof.cells(GAP, known.whole)} cells",
        **find_evidence(draft, proof, GAP, known.whole, gap),
        advice=f"add `- {{when: {{{condition}}}, do: ...}}`",
    )


class TableEvidence(TypedDict):
    """The cell and events of a problem; fields of `Problem`."""

    box: str
    cell: tuple[tuple[str, str], ...]
    path: tuple[str, ...] | None


def find_evidence(draft: Draft, proof: TableCoverage, rule: int, box: Box, wide: Box) -> TableEvidence:
    """Return a cell of a box that a rule decides, if possible one that a request reaches, and the events to it."""
    known = table_space(draft)

    def find(part: Box) -> Box | None:
        both = intersect(part, box)
        return proof.example(rule, both) if proof.decides_any((rule,), both) else None

    example = find_counterexample(draft, find)
    cell, path = example or (known.witness(wide), None)
    return TableEvidence(box=known.words(wide), cell=tuple(zip(known.values, cell, strict=True)), path=path)


def _yaml_values(mask: int, known: tuple[str, ...]) -> str:
    """Format values as YAML; of many the first ones, whose line leaves a smaller gap."""
    values = [value for place, value in enumerate(known) if mask >> place & 1][:_MAX_GAP_VALUES]
    return values[0] if len(values) == 1 else f"[{', '.join(values)}]"


def check_shadowed_rules(draft: Draft) -> Iterator[Problem]:
    """Check that every rule decides or skips some cell; overriding an inherited rule is a note.

    A rule of this policy that inherited rules of an earlier phase leave nothing to is no note: it has no effect.
    """
    proof, known = prove_table(draft), table_space(draft)
    if proof is None:
        return
    used = proof.deciders(known.whole) | {rule.index for rule, _ in find_skipped(draft)}
    # a rule that does `by_limit` became several, of which one is enough
    parts = {draft.rules[index].first for index in used if index != GAP} - {ALONE}
    for index, rule in enumerate(draft.rules):
        place = _rule_place(draft, index)
        if index in used or rule.first in parts:
            continue
        box = known.box(rule.when)
        before = proof.deciders(box) | {
            one.index for one, taken in find_skipped(draft) if taken.decides_any((one.index,), box)
        }
        takers = [draft.rules[earlier].name for earlier in sorted(before) if GAP < earlier < index]
        if not takers and not is_empty(box):  # no request brings any of its cells: reported by `rule-impossible`
            continue
        deciding = (
            f"{list_names(takers)} before it decide{'' if len(takers) > 1 else 's'}" if takers else "no rule decides"
        )
        message = f"rule `{rule.name}` decides nothing: {deciding} all its cells"
        if place.file != draft.place().file:
            # without such a rule, it is for operations or values that this policy does not have
            if any(_rule_place(draft, one).file == draft.place().file for one in before if GAP < one < index):
                yield Problem(code="overridden", place=place, message=message, severity="note")
        elif not _is_impossible(draft, known, rule):  # else reported by `rule-impossible`
            # the last one to take cells from the rule: earlier phases take some of nearly every rule
            phase = max((draft.rules[one].phase for one in before if GAP < one < index), key=PHASES.index, default="")
            advice = "move it before them" if phase in {"", rule.phase} else f"give it `phase: {phase}`"
            advice += ", or delete it"
            yield Problem(code="rule-shadowed", place=place, message=message, advice=advice)


def _is_impossible(draft: Draft, space: Space, rule: Rule) -> bool:
    """Return whether an unused rule would decide or skip a cell if every operation could bring every value."""
    if not space.impossible:
        return False
    boxes = [space.box(one.when) for one in draft.rules[: rule.index + 1]]
    skips = () if rule.skips else tuple((one, to) for one, to in find_skips(draft.rules) if one < rule.index)
    found = cover(boxes, boxes[-1], MAX_BOXES, skips=skips)
    return not isinstance(found, Undecided) and bool(found.reaches[-1])


def find_skipped(draft: Draft) -> Iterator[tuple[Rule, TableCoverage]]:
    """Yield each rule that skips its phase for some cell, and a coverage in which it decides what it skips."""
    if any(rule.skips for rule in draft.rules):
        known = table_space(draft)
        taken = compute_coverage(draft.rules, known, skips=())
        if not isinstance(taken, Undecided):
            decide = taken.deciders(known.whole)
            yield from ((rule, taken) for rule in draft.rules if rule.skips and rule.index in decide)


def follow_then(draft: Draft, name: str) -> tuple[str, ...]:
    """Return the chain of `then` from a fallback, with the fallback; a cycle ends before its first repetition."""
    names: list[str] = []
    while name in draft.fallbacks and name not in names:
        names.append(name)
        name = draft.fallbacks[name].then
    return tuple(names)


def outcomes(draft: Draft, rule: Rule) -> frozenset[Outcome]:
    """Return every outcome of a rule, also after its attempts have run out."""
    if rule.do == Outcome.ALLOW:
        return frozenset({Outcome.ALLOW})
    return frozenset(draft.fallbacks[name].kind for name in follow_then(draft, rule.do))


def check_invariants(draft: Draft) -> Iterator[Problem]:
    """Check that no cell of an invariant leads to a forbidden outcome."""
    proof = prove_table(draft)
    if proof is not None:
        for index, invariant in enumerate(draft.invariants):
            if invariant.never:
                yield from _never(draft, proof, index, invariant)


def _never(draft: Draft, proof: TableCoverage, index: int, invariant: Invariant) -> Iterator[Problem]:
    known = table_space(draft)
    answers = {OUTCOME, FALLBACK}
    conditions = {dimension: values for dimension, values in invariant.never.items() if dimension not in answers}
    box = known.box(conditions)
    for rule in deciding_rules(draft, proof, box):
        led = _forbidden_answers(draft, rule, invariant)
        if led:
            wide = proof.example(rule.index, box)
            yield Problem(
                code="invariant-broken",
                place=draft.place(f"invariants[{index}]", "invariants"),
                message=f"`{invariant.name}` is broken by rule `{rule.name}` ({rule.origin or 'unplaced'}), which leads"
                f" to {list_names(led, last='or')} in {proof.cells(rule.index, box)} cells",
                **find_evidence(draft, proof, rule.index, box, wide),
                advice="narrow the rule, or put one before it that refuses these cells",
            )


def _forbidden_answers(draft: Draft, rule: Rule, invariant: Invariant) -> list[str]:
    """Return the outcomes of a rule that an invariant forbids; its fallbacks, if the invariant names fallbacks."""
    kinds = {Outcome.ALLOW.value: Outcome.ALLOW} if rule.do == Outcome.ALLOW else {}
    kinds |= {name: draft.fallbacks[name].kind for name in follow_then(draft, rule.do)}
    forbidden = invariant.never.get(OUTCOME, frozenset(Outcome))
    named = invariant.never.get(FALLBACK)
    if named is None:
        return sorted({kind.value for kind in kinds.values()} & {str(one) for one in forbidden})
    return sorted(name for name, kind in kinds.items() if name in named and kind in forbidden)


def deciding_rules(draft: Draft, proof: TableCoverage, box: Box) -> Iterator[Rule]:
    """Return the rules that decide some cell of a box, in order."""
    return (draft.rules[index] for index in sorted(proof.deciders(box)) if index != GAP)


def check_restrictions(draft: Draft) -> Iterator[Problem]:
    """Check that only reads reach a `restrict` fallback, unless its `effects` include writes (DESIGN 4)."""
    proof, known = prove_table(draft), table_space(draft)
    if proof is None:
        return
    writes = known.box({"effect": {"write"}})
    for rule in draft.rules:
        for name in follow_then(draft, rule.do):
            fallback = draft.fallbacks[name]
            if fallback.kind is not Outcome.RESTRICT or "write" in fallback.effects:
                continue
            if proof.decides_any((rule.index,), writes):
                wide = proof.example(rule.index, writes)
                yield Problem(
                    code="restricts-writes",
                    place=_rule_place(draft, rule.index),
                    message=f"rule `{rule.name}` restricts writes by `{name}`, whose `effects` do not name them",
                    **find_evidence(draft, proof, rule.index, writes, wide),
                    advice="add `effect: read` to the rule, or `write` to the fallback's `effects`",
                )


def check_operation_needs(draft: Draft) -> Iterator[Problem]:
    """Check that no rule admits an operation without one of its requirements."""
    proof = prove_table(draft)
    if proof is None:
        return
    ignored: dict[tuple[str, int, str, str], list[tuple[Operation, str, Box]]] = {}
    for operation, path, need, rule, box in _ignored_needs(draft, proof):
        group = (need, rule.index, operation.risk, operation.effect)
        ignored.setdefault(group, []).append((operation, path, box))
    for (need, index, _, _), found in ignored.items():
        _, path, box = found[0]
        several = len(found) > 1
        yield Problem(
            code="need-ignored",
            place=draft.place(path, "operations"),
            message=f"operation{'s' if several else ''} {list_names(one.name for one, _, _ in found)}"
            f" require{'' if several else 's'} {need}, and rule `{draft.rules[index].name}` does not check it",
            **find_evidence(draft, proof, index, box, proof.example(index, box)),
            advice="raise its risk, add a rule before it that checks, or remove the requirement",
        )


def _ignored_needs(draft: Draft, proof: TableCoverage) -> Iterator[tuple[Operation, str, str, Rule, Box]]:
    """Yield each operation with its path, a need, a rule that admits it without, and the cells in question."""
    known = table_space(draft)
    named = [(operation, f"operations[{index}]") for index, operation in enumerate(draft.operations)]
    unnamed = [(draft.otherwise, "otherwise")] if draft.admits_unnamed else []
    opened: dict[Box, tuple[Rule, ...]] = {}  # many operations have the same requirements
    for operation, path in (*named, *unnamed):
        for need, unmet in _needs(operation):
            kind = {"risk": {operation.risk}, "effect": {operation.effect}} | of_operation(known, operation)
            box = known.box(kind | unmet)
            if box not in opened:
                opened[box] = tuple(
                    rule for rule in deciding_rules(draft, proof, box) if outcomes(draft, rule) & ADMITTING
                )
            yield from ((operation, path, need, rule, box) for rule in opened[box])


def _needs(operation: Operation) -> Iterator[tuple[str, dict[str, set[str]]]]:
    """Yield each requirement of an operation and the conditions that violate it."""
    if operation.scopes:
        yield "`scopes`", {"scope": {"missing"}}
    if operation.roles:
        yield "`roles`", {"scope": {"missing"}}
    if operation.acr or operation.max_age:
        yield "`assurance`", {"assurance": {"insufficient", "stale"}}
    if operation.actor != "any":
        yield "`actor`", {"actor": {"stranger"}}
    if operation.limits:  # an approved transaction may exceed its limit
        unmeasured = {"unmeasured"} if any(limit.amount for limit in operation.limits) else set()
        exceeded = {limit.tier or "exceeded" for limit in operation.limits}
        yield "`limits`", {"limit": exceeded | unmeasured, "transaction": {"none"}}
