"""A draft of scenarios for what none takes yet: the shortest events that lead there, a question, a hole for the answer.

What the policy answers today is left out on purpose: a person says what it should answer, and `policy test` compares.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from authguard.core.boxes import Proof, Space, reach
from authguard.core.decision_table import DIMENSIONS
from authguard.core.events import MACHINES
from authguard.policy.proving.reachability import Reachability, Unreachable
from authguard.policy.rehearsing.scenario_reader import HOLE
from authguard.policy.rehearsing.scenarios import ASKED, GIVEN, Scenario, Step
from authguard.policy.rehearsing.story import Ask

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authguard.policy.compiled import Policy
    from authguard.policy.proving.reachability import Path
    from authguard.policy.rehearsing.coverage import Coverage, Piece

HEAD: Final = f"""\
# A draft: what no scenario takes yet, each by the shortest way there. Give each a sentence for its name, write the
# answer that you would sign in place of `{HOLE}`, and run `authguard policy test`. Where the policy gives another
# answer, one of the two is wrong.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A scenario for one transition or rule.

    Attributes:
        piece: what it takes.
        scenario: with nothing expected; ``None`` where no events lead there.
    """

    piece: Piece
    scenario: Scenario | None


def propose(policy: Policy, coverage: Coverage) -> tuple[Proposal, ...]:
    """Propose a scenario for everything that a policy is answerable for and none takes.

    Args:
        policy: compiled.
        coverage: of its scenarios.
    """
    search = Reachability.of(policy)
    return tuple(
        Proposal(
            piece=piece,
            scenario=_to_rule(policy, search, piece) if piece.kind == "rule" else _along(policy, search, piece),
        )
        for piece in coverage.untaken
    )


def _to_rule(policy: Policy, search: Reachability, piece: Piece) -> Scenario | None:
    proof = reach(policy.table.rules, Space(policy.table.values))
    if not isinstance(proof, Proof):
        return None  # too tangled for boxes: a person finds the way
    found = search.cell(proof.reaches[piece.index])
    if isinstance(found, Unreachable):
        return None
    cell, path = found
    asked = dict(zip(DIMENSIONS, cell, strict=True))
    risk, effect = asked["risk"], asked["effect"]
    conditions = {name: asked[name] for name in ASKED}
    operation = next((one for one in policy.judged if (one.risk, one.effect) == (risk, effect)), None)
    name = operation.name if operation else ""
    ask = Ask(operation=name, conditions={**conditions, "risk": risk, "effect": effect})
    return _scenario(policy, piece, path.events, ask)


def _along(policy: Policy, search: Reachability, piece: Piece) -> Scenario | None:
    place = MACHINES.index(piece.machine)
    path = search.nearest(lambda states: states[place] in piece.sources)
    if isinstance(path, Unreachable):
        return None
    machine = policy.machines[piece.machine]
    source = path.states[piece.machine]
    trigger = next(one for one in machine.spec.triggers if machine.table[source, one].line == piece.index)
    after = {**path.states, piece.machine: machine.table[source, trigger].dest}
    events = (*path.events, f"{piece.machine}.{trigger}")
    return _scenario(policy, piece, events, _telling(policy, path, after))


def _telling(policy: Policy, path: Path, after: Mapping[str, str]) -> Ask:
    """Choose a question whose answer tells before from after; else the first that is not public."""
    asks = [ask for ask in _asks(policy) if ask.conditions["risk"] != "public"]

    def answer(states: Mapping[str, str], ask: Ask) -> str:
        known = {**states, **ask.conditions}
        return policy.table.decide(tuple(known[dimension] for dimension in DIMENSIONS)).do

    return next((ask for ask in asks if answer(path.states, ask) != answer(after, ask)), asks[0])


def _asks(policy: Policy) -> Iterator[Ask]:
    """Give what can be asked: each operation, and a sensitive write where the policy names none."""
    for one in policy.judged:
        yield Ask(operation=one.name, conditions={**ASKED, "risk": one.risk, "effect": one.effect})
    if not policy.admits_unnamed:
        other = policy.otherwise
        yield Ask(conditions={**ASKED, "risk": other.risk, "effect": other.effect})


def _scenario(policy: Policy, piece: Piece, events: tuple[str, ...], ask: Ask) -> Scenario:
    return Scenario(
        name=f"{piece.kind} {piece.words}, {piece.origin}",
        given=dict(policy.initial),
        steps=(Step(when=events, ask=ask),),
    )


def draft(policy: Policy, proposals: tuple[Proposal, ...]) -> str:
    """Write proposals as a file of scenarios that `policy test` refuses until a person has filled it.

    Args:
        policy: that they are for.
        proposals: from `propose`.
    """
    blocks = [HEAD, *(_block(policy, proposal) for proposal in proposals)]
    return "\n".join(blocks) if proposals else "# Scenarios take everything: there is nothing to propose.\n"


def _block(policy: Policy, proposal: Proposal) -> str:
    if proposal.scenario is None:
        piece = proposal.piece
        return f"# No events were found that lead to {piece.kind} {piece.words} ({piece.origin}).\n"
    (step,) = proposal.scenario.steps
    given = [f"{name}: {state}" for name, state in policy.initial.items() if state != {**policy.initial, **GIVEN}[name]]
    lines = [f"- name: {json.dumps(proposal.scenario.name)}"]
    lines += [f"  given: {{{', '.join(given)}}}"] if given else []
    lines += [f"  when: [{', '.join(step.when)}]"] if step.when else []
    lines.append(f"  ask: {{{', '.join(_asked(step))}}}")
    expected = [f"outcome: {HOLE}", f"fallback: {HOLE}"]
    if proposal.piece.machine:
        expected.append(f"states: {{{proposal.piece.machine}: {HOLE}}}")
    lines.append(f"  then: {{{', '.join(expected)}}}")
    return "\n".join(lines) + "\n"


def _asked(step: Step) -> Iterator[str]:
    if step.ask is None:
        return
    named = {"operation": step.ask.operation} if step.ask.operation else {}
    own = {} if named else {name: step.ask.conditions[name] for name in ("risk", "effect")}
    unusual = {name: step.ask.conditions[name] for name, usual in ASKED.items() if step.ask.conditions[name] != usual}
    for name, value in {**named, **own, **unusual}.items():
        yield f"{name}: {value}"
